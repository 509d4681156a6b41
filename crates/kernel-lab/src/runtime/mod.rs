// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The instructions that a kernel executes for the same work.

mod counted;
mod counter;
mod foreign;
mod measure;
mod result;
pub mod rows;
mod sets;
pub mod table;

use std::path::Path;
use std::time::Duration;

pub use counted::{Counted, counted};
pub use counter::Counts;
pub use measure::Meter;
pub use result::{Count, Kind, Measured, Ratios, Runtime, image_hash};
pub use sets::{Set, Workload};

use crate::{Arch, Failure};

/// After how long a guest that did not end has failed.
pub const TIME: u64 = 600;

/// Measures the kernel in `objtree` with these sets.
///
/// # Errors
/// As a fault, a kernel that is not well, or work that failed; a set that needs a file of the user's.
pub fn measure(arch: Arch, objtree: &Path, sets: &[Set]) -> Result<Runtime, Failure> {
    let meter = Meter::new(arch, Duration::from_secs(TIME))?;
    meter.measure(objtree, &workloads(arch, sets, None)?)
}

/// What is run for each of `sets`; `own` is the file of the user for [`Set::Own`].
///
/// # Errors
/// Those of [`Workload::new`].
pub fn workloads(arch: Arch, sets: &[Set], own: Option<&Path>) -> anyhow::Result<Vec<Workload>> {
    sets.iter()
        .map(|set| Workload::new(arch, *set, own))
        .collect()
}

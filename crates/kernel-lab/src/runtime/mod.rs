// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The instructions that a kernel executes for the same work.

mod counted;
mod counter;
mod foreign;
mod measure;
mod page;
mod result;
pub mod rows;
mod sets;
pub mod table;

use std::path::Path;
use std::time::Duration;

pub use counted::{Counted, counted};
pub use counter::Counts;
pub use measure::Meter;
pub use page::write_page;
pub use result::{Count, Kind, Measured, Ratios, Runtime, image_hash};
pub use sets::{Set, Workload};

use crate::{Arch, Failure};

/// The default time limit of a guest, in seconds.
pub const TIME: u64 = 600;

/// Measures the kernel in `objtree` with these sets.
///
/// # Errors
/// A kernel with faults, and work that failed or did not end, are faults. A set that needs a user's file is an
/// error.
pub fn measure(arch: Arch, objtree: &Path, sets: &[Set]) -> Result<Runtime, Failure> {
    let meter = Meter::new(arch, Duration::from_secs(TIME))?;
    let runtime = meter.measure(objtree, &workloads(arch, sets, None)?)?;
    let unfinished = runtime.unfinished();
    if unfinished.is_empty() {
        return Ok(runtime);
    }
    Err(Failure::Fault(anyhow::Error::msg(unfinished.join("\n"))))
}

/// Returns the workloads of `sets`; `own` is the user's file for [`Set::Own`].
///
/// # Errors
/// Same as [`Workload::new`].
pub fn workloads(arch: Arch, sets: &[Set], own: Option<&Path>) -> anyhow::Result<Vec<Workload>> {
    sets.iter()
        .map(|set| Workload::new(arch, *set, own))
        .collect()
}

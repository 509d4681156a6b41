// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the addresses of counted instructions of a kernel, and of the kernel to compare with.

use std::collections::BTreeMap;
use std::path::Path;

use super::result::{addresses, of_built};
use super::sets::Set;
use crate::progress;

/// The counted instructions of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The sets of kernel work that were run.
    pub sets: Vec<Set>,
    /// The number of executed instructions by address.
    pub addresses: BTreeMap<u64, u64>,
    /// The same for the kernel to compare with, if there is one.
    pub against: Option<BTreeMap<u64, u64>>,
}

/// Returns the counts of the kernel in `objtree` and of the one in `against`, in the sets that both
/// were measured with; nothing if one was not measured, or they cannot be compared.
///
/// # Errors
/// A result cannot be read.
pub fn counted(objtree: &Path, against: Option<&Path>) -> anyhow::Result<Option<Counted>> {
    let Some(mut runtime) = of_built(objtree)? else {
        return Ok(None);
    };
    if let Some(against) = against {
        match of_built(against)? {
            Some(other) => runtime.keep_common(&other),
            None => return Ok(None),
        }
    }
    let sets: Vec<Set> = runtime.sets.into_keys().collect();
    if sets.is_empty() {
        progress::note(&format!(
            "{}: the instructions are not compared: the two builds were measured with different versions of \
             the sets, or of QEMU; run `cargo xtask bench runtime` on both",
            objtree.display()
        ));
        return Ok(None);
    }
    Ok(Some(Counted {
        addresses: addresses(objtree, &sets)?,
        against: against
            .map(|against| addresses(against, &sets))
            .transpose()?,
        sets,
    }))
}

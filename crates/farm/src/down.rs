// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Ends a farm.

use std::path::Path;

use crate::record::{self, Record};

/// A farm that was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// The names of its processes.
    pub ended: Vec<String>,
}

/// Ends all processes of the farm in `workdir`, also of one whose start was interrupted. The stored files stay.
/// Returns `None` if there is no farm.
///
/// # Errors
/// The record cannot be read, or a process cannot be ended.
pub fn down(workdir: &Path) -> anyhow::Result<Option<Down>> {
    if !workdir.is_dir() {
        return Ok(None);
    }
    let _lock = record::lock(workdir)?;
    let Some(record) = Record::read(workdir)? else {
        return Ok(None);
    };
    record.stop(workdir)?;
    let processes = record.processes.iter();
    Ok(Some(Down {
        ended: processes.map(|process| process.name.clone()).collect(),
    }))
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The objects of an earlier link.

use std::path::{Path, PathBuf};

use lto_link::{LinkPaths, read_record};
use tool_io::Failure;

/// Returns the objects from which `output` was linked, by the record of the link.
pub fn recorded_inputs(output: &Path) -> Result<Vec<PathBuf>, Failure> {
    let record = LinkPaths::new(output).inputs();
    let record = read_record(&record).map_err(|error| {
        Failure::cannot_run(format!(
            "{}: {error}; has {} been linked?",
            record.display(),
            output.display()
        ))
    })?;
    Ok(record.into_iter().map(|input| input.path.into()).collect())
}

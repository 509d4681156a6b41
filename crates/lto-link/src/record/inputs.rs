// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The record of the inputs, `vmlinux.o.lto-inputs`. It has a line for each linked object in link
//! order: its kind and its path (the name of an archive member without a file), separated by a tab.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::read::inputs::{InputKind, kind_of, object_name};
use crate::resolve::resolution::Resolution;

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedInput {
    /// The kind of the object.
    pub kind: InputKind,
    /// Its path, relative to the object tree.
    pub path: String,
}

/// Returns the record of the objects that are linked.
pub(crate) fn input_record(resolution: &Resolution) -> String {
    let mut record = String::new();
    for input in resolution.linked() {
        // Writing to a string does not fail.
        let _ = writeln!(record, "{}\t{}", kind_of(input), object_name(input));
    }
    record
}

/// Reads the record at `path`.
///
/// # Errors
/// The file cannot be read; `InvalidData` for a line that is not a kind and a path.
pub fn read_record(path: &Path) -> io::Result<Vec<RecordedInput>> {
    let text = std::fs::read_to_string(path)?;
    let lines = text.lines().enumerate();
    lines
        .map(|(index, line)| {
            let parsed = line.split_once('\t').and_then(|(kind, path)| {
                let (kind, path) = (kind.parse().ok()?, path.to_owned());
                Some(RecordedInput { kind, path })
            });
            parsed.ok_or_else(|| {
                let message = format!("line {}: not a kind and a path: {line}", index + 1);
                io::Error::new(io::ErrorKind::InvalidData, message)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_none_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("x.o.lto-inputs");
        std::fs::write(&path, "bitcode\tinit/main.o\nnative\tx.o\n").expect("written");
        let error = read_record(&path).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The list of symbols that LTO had renamed, `vmlinux.o.lto-names`. It has a line for each: its name in the source
//! and in the output, and the name that LTO gave it, separated by a tab. A link without such symbols leaves no list.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::error::LinkError;
use crate::generate::folders::remove_file;
use crate::source_names::RestoredName;

/// Writes the list to `path`, or removes an old one if there is nothing to list.
///
/// # Errors
/// The file cannot be written or removed.
pub(crate) fn write_names(path: &Path, names: &[RestoredName]) -> Result<(), LinkError> {
    if names.is_empty() {
        return remove_file(path);
    }
    let mut text = String::new();
    for RestoredName {
        source_name,
        lto_name,
    } in names
    {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{source_name}\t{lto_name}");
    }
    Ok(tool_io::write_if_changed(path, text.as_bytes()).map(|_| ())?)
}

/// Reads the list at `path`, which is empty if there is no file.
///
/// # Errors
/// The file cannot be read; `InvalidData` for a line that is not two names.
pub fn read_names(path: &Path) -> io::Result<Vec<RestoredName>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let lines = text.lines().enumerate();
    lines
        .map(|(index, line)| {
            let names = line.split_once('\t').ok_or_else(|| {
                let message = format!("line {}: not two names: {line}", index + 1);
                io::Error::new(io::ErrorKind::InvalidData, message)
            });
            names.map(|(source_name, lto_name)| RestoredName {
                source_name: source_name.to_owned(),
                lto_name: lto_name.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written_and_goes_with_the_last_name() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("vmlinux.o.lto-names");
        let names = ["init", "show"].map(|name| RestoredName {
            source_name: name.to_owned(),
            lto_name: format!("{name}.llvm.1"),
        });
        write_names(&path, &names).unwrap();
        assert_eq!(read_names(&path).unwrap(), names);
        for _ in 0..2 {
            write_names(&path, &[]).unwrap();
            assert!(!path.exists());
            assert_eq!(read_names(&path).unwrap(), []);
        }
        fs::write(&path, "a\ta.llvm.1\nb\n").expect("written");
        let error = read_names(&path).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Keeps lld's cache of generated code from giving code of other options.
//!
//! Before LLVM 16, the keys of the cache did not have the options of `-mllvm`, such as the limits of inlining. So the
//! cache has a file with these options, and is emptied if a link has others. Source: `computeLTOCacheKey` in LLVM's
//! `LTO.cpp`; the names of entries in `Caching.cpp`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use crate::error::{LinkError, io_error};

/// The file with the options.
const OPTIONS: &str = "options";

/// The beginning of the names of entries.
const ENTRY: &str = "llvmcache-";

/// Empties lld's cache in `dir`, unless its entries were made with the `-mllvm` options of `linker`.
///
/// # Errors
/// An entry cannot be removed, or the options cannot be written.
pub(crate) fn forget_other_options(dir: &Path, linker: &[OsString]) -> Result<(), LinkError> {
    let options: Vec<&OsString> = linker
        .windows(2)
        .filter(|pair| matches!(pair, [option, _] if option == "-mllvm"))
        .filter_map(|pair| pair.last())
        .collect();
    let options = tool_io::argument_file(options);
    let file = dir.join(OPTIONS);
    if fs::read(&file).is_ok_and(|of_entries| of_entries == options) {
        return Ok(());
    }
    let emptied = fs::create_dir_all(dir).and_then(|()| remove_entries(dir));
    emptied.map_err(io_error(format!("emptying the cache {}", dir.display())))?;
    tool_io::write_atomic(&file, &options)?;
    Ok(())
}

fn remove_entries(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(ENTRY) {
            match fs::remove_file(entry.path()) {
                // Another link of the same build removes them, too.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
    }
    Ok(())
}

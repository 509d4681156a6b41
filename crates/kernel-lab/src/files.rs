// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Operations on files and directories, with errors that name the path.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;

pub use tool_io::write_atomic;

/// Removes a directory with its contents, if it exists.
///
/// # Errors
/// It cannot be removed.
pub fn remove_dir(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    Ok(())
}

/// Reads a text file.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// Writes a file, which is replaced if it exists.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| path.display().to_string())
}

/// Sets the modification time of a file to now.
///
/// # Errors
/// The file is missing or belongs to another user.
pub fn touch(path: &Path) -> anyhow::Result<()> {
    fs::File::open(path)
        .and_then(|file| file.set_modified(SystemTime::now()))
        .with_context(|| path.display().to_string())
}

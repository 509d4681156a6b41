// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Operations on files and directories, with errors that name the path.

use anyhow::Context as _;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

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

/// Sets the modification time of a file to now.
///
/// # Errors
/// The file is missing or belongs to another user.
pub fn touch(path: &Path) -> anyhow::Result<()> {
    fs::File::open(path)
        .and_then(|file| file.set_modified(SystemTime::now()))
        .with_context(|| path.display().to_string())
}

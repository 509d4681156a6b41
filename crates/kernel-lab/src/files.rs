// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What is done to files and directories in more than one place, with errors that name them.

use anyhow::Context as _;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// Removes a directory with all that is in it, if it is there.
///
/// # Errors
/// It cannot be removed.
pub fn remove_dir(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    Ok(())
}

/// Makes a file as new as if it had been written now.
///
/// # Errors
/// It is not there, or not ours.
pub fn touch(path: &Path) -> anyhow::Result<()> {
    fs::File::open(path)
        .and_then(|file| file.set_modified(SystemTime::now()))
        .with_context(|| path.display().to_string())
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks that the disk has room before long work starts.

use std::path::Path;

use anyhow::Context as _;
use nix::sys::statvfs::statvfs;

/// Bytes in a GiB.
const GIB: u64 = 1 << 30;

/// Checks that the file system of the existing `directory` has `needed` GiB left for `purpose`.
///
/// # Errors
/// It has less space, or its free space is unknown.
pub fn require(directory: &Path, needed: u64, purpose: &str) -> anyhow::Result<()> {
    let room = statvfs(directory).with_context(|| directory.display().to_string())?;
    let free = room.blocks_available() * room.fragment_size();
    check(directory, free, needed, purpose)
}

fn check(directory: &Path, free: u64, needed: u64, purpose: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        free >= needed * GIB,
        "{}: {} MiB are free, and {purpose} take about {needed} GiB; remove what is not needed, such \
         as object trees of earlier runs in target/",
        directory.display(),
        free >> 20
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_before_the_work() {
        let directory = Path::new("/build");
        let error = check(directory, 3 * GIB - 1, 3, "kernels").unwrap_err();
        assert_eq!(
            error.to_string(),
            "/build: 3071 MiB are free, and kernels take about 3 GiB; remove what is not needed, such \
             as object trees of earlier runs in target/"
        );
        check(directory, 3 * GIB, 3, "kernels").unwrap();
    }

    #[test]
    fn the_file_system_of_a_directory_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        require(dir.path(), 0, "nothing").unwrap();
        let missing = dir.path().join("missing");
        let error = require(&missing, 0, "nothing").unwrap_err();
        assert_eq!(error.to_string(), missing.display().to_string());
        // No disk has this much space.
        require(dir.path(), 1 << 30, "everything").unwrap_err();
    }
}

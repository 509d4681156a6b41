// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The state of a file, by which a change is noticed without reading the file.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Inode, size, and times of content and inode in nanoseconds. A changed file has another state.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileState(u64, u64, i64, i64, i64, i64);

impl FileState {
    /// Returns the state of the file at `path`.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self(
            file.ino(),
            file.len(),
            file.mtime(),
            file.mtime_nsec(),
            file.ctime(),
            file.ctime_nsec(),
        ))
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Locks an output, because two links of one output would write the same files.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use tool_io::WriteError;

use crate::error::LinkError;
use crate::paths::LinkPaths;

/// The exclusive right to link an output, until the value is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct OutputLock {
    path: PathBuf,
    _file: File,
}

impl OutputLock {
    /// Waits until no other process links the output.
    ///
    /// # Errors
    /// The output exists and is not a file, or its directory cannot be written to.
    pub(crate) fn take(paths: LinkPaths<'_>) -> Result<Self, LinkError> {
        let output = paths.output();
        if fs::metadata(output).is_ok_and(|output| !output.is_file()) {
            return Err(LinkError::NoFile(output.to_owned()));
        }
        let path = paths.lock();
        let locking = || {
            let path = path.clone();
            |source| LinkError::Write(WriteError { path, source })
        };
        loop {
            let mut options = File::options();
            let file = options.create(true).truncate(false).write(true);
            let file = file.open(&path).map_err(locking())?;
            flock(&file, FlockOperation::LockExclusive).map_err(|error| locking()(error.into()))?;
            // The last holder has removed the file, and another process may have made a new one.
            let held = file.metadata().map_err(locking())?;
            let is_same = fs::metadata(&path).is_ok_and(|at| at.ino() == held.ino());
            if is_same {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for OutputLock {
    fn drop(&mut self) {
        // The next link uses a remaining file.
        let _ = fs::remove_file(&self.path);
    }
}

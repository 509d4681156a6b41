// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One link of an output at a time: what it leaves on its way has fixed names.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use tool_io::WriteError;

use crate::link::LinkError;
use crate::plan::temporary;

/// The right to link an output. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub(crate) struct OutputLock {
    path: PathBuf,
    _file: File,
}

impl OutputLock {
    /// Waits until nobody else links `output`.
    ///
    /// # Errors
    /// An output that exists and is no file; a directory that cannot be written to.
    pub(crate) fn take(output: &Path) -> Result<Self, LinkError> {
        if fs::metadata(output).is_ok_and(|output| !output.is_file()) {
            return Err(LinkError::NoFile(output.to_owned()));
        }
        let path = temporary(output, ".lock");
        let locking = || {
            let path = path.clone();
            |source| LinkError::Write(WriteError { path, source })
        };
        loop {
            let mut options = File::options();
            let file = options.create(true).truncate(false).write(true);
            let file = file.open(&path).map_err(locking())?;
            flock(&file, FlockOperation::LockExclusive).map_err(|error| locking()(error.into()))?;
            // Whoever had it before has removed the file: then another may have made a new one.
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
        // One that stays is used again.
        let _ = fs::remove_file(&self.path);
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Errors of reading and writing the files of a kernel tree.

use std::io;
use std::path::{Path, PathBuf};

/// The reason why a file of a tree cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory lacks files that every kernel tree has.
    #[error(
        "{} is not a kernel tree: it has no {}; give the directory that has them",
        dir.display(), missing.join(", no ")
    )]
    NotAKernelTree {
        /// The directory.
        dir: PathBuf,
        /// The missing files.
        missing: Vec<&'static str>,
    },
    /// A file or directory cannot be read, or not be written by another crate.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// `read`, `look at` …
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Error {
    /// Makes an [`Error::Io`] from an error of the system.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

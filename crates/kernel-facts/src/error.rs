// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Errors of reading a kernel tree.

use std::io;
use std::path::{Path, PathBuf};

/// The reason why the facts of a tree are unknown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory lacks files that every kernel tree has.
    #[error("{} is not a kernel tree: it has no {}", dir.display(), missing.join(", no "))]
    NotAKernelTree {
        /// The directory.
        dir: PathBuf,
        /// The missing file.
        missing: Vec<&'static str>,
    },
    /// A file or directory cannot be read.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// `read` or `look at`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

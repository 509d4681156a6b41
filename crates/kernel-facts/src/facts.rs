// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Questions about a kernel tree, and answers from its current files.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::{contains, exists, read_if_there};
use crate::version::KernelVersion;

/// A kernel tree that answers questions about its files.
pub trait Facts {
    /// The reason why a question has no answer.
    type Error;

    /// Returns whether the tree has `path`, a file or directory.
    fn has(&self, path: &str) -> Result<bool, Self::Error>;

    /// Returns whether the file `path` contains `text`. A missing file contains nothing.
    fn contains(&self, path: &str, text: &str) -> Result<bool, Self::Error>;
}

/// The current files of a kernel tree, including edits of plugins.
#[derive(Debug)]
pub struct Sources {
    dir: PathBuf,
}

impl Sources {
    /// Opens the kernel tree in `dir`.
    ///
    /// # Errors
    /// `dir` lacks files that every kernel tree has, or its Makefile cannot be read.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        KernelVersion::of(dir)?;
        Ok(Self {
            dir: dir.to_path_buf(),
        })
    }
}

impl Facts for Sources {
    type Error = Error;

    fn has(&self, path: &str) -> Result<bool, Error> {
        let full = self.dir.join(path);
        exists(&full).map_err(Error::io("look at", &full))
    }

    fn contains(&self, path: &str, text: &str) -> Result<bool, Error> {
        let full = self.dir.join(path);
        let content = read_if_there(&full).map_err(Error::io("read", &full))?;
        Ok(content.is_some_and(|content| contains(&content, text)))
    }
}

#[cfg(test)]
mod tests {
    use test_support::TestDir;

    use super::*;

    #[test]
    fn files_answer_as_they_are() {
        let dir = TestDir::new();
        dir.write("Makefile", "VERSION = 5\nPATCHLEVEL = 10\n");
        dir.write("Kconfig", "");
        dir.write("arch/Kconfig", b"config A\n\xe9config B\n");
        let error = Sources::open(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("is not a kernel tree: it has no scripts/Makefile.build; "),
            "{error}"
        );
        dir.write("scripts/Makefile.build", "");
        let sources = Sources::open(dir.path()).unwrap();
        assert!(sources.has("arch").unwrap() && sources.has("arch/Kconfig").unwrap());
        assert!(!sources.has("arch/Kconfig/none").unwrap());
        assert!(sources.contains("arch/Kconfig", "config B").unwrap());
        assert!(!sources.contains("arch/Kconfig", "config C").unwrap());
        assert!(!sources.contains("none", "").unwrap());
        // A directory has no text.
        assert!(sources.contains("arch", "").is_err());
    }
}

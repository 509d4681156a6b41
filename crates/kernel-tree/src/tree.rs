// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A kernel tree and the facts about it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::anchor::contains;
use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::journal;
use crate::manifest::Manifest;
use crate::native::KnownLto;
use crate::paths::{full_path, is_absent, original_path, read_if_there};

/// The version that a tree's top `Makefile` states.
///
/// For messages only: what a tree can do is asked with [`Tree::has`] and [`Tree::contains`],
/// because vendor trees take parts from later versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelVersion {
    /// `VERSION`.
    pub version: String,
    /// `PATCHLEVEL`.
    pub patchlevel: String,
    /// `SUBLEVEL`; may be empty.
    pub sublevel: String,
    /// `EXTRAVERSION`; may be empty.
    pub extraversion: String,
}

impl KernelVersion {
    /// Reads the four assignments from the text of a top `Makefile`. `None` if one of the first
    /// two is not there.
    fn parse(makefile: &str) -> Option<Self> {
        let value = |name: &str| {
            makefile.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim_end() == name).then(|| value.trim().to_owned())
            })
        };
        let version = value("VERSION").filter(|value| !value.is_empty())?;
        let patchlevel = value("PATCHLEVEL").filter(|value| !value.is_empty())?;
        Some(Self {
            version,
            patchlevel,
            sublevel: value("SUBLEVEL").unwrap_or_default(),
            extraversion: value("EXTRAVERSION").unwrap_or_default(),
        })
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.version, self.patchlevel)?;
        if !self.sublevel.is_empty() {
            write!(f, ".{}", self.sublevel)?;
        }
        f.write_str(&self.extraversion)
    }
}

/// A kernel tree, seen as it was before anything was installed into it.
#[derive(Debug)]
pub struct Tree {
    dir: PathBuf,
    version: KernelVersion,
    manifest: Option<Manifest>,
}

impl Tree {
    /// Opens the kernel tree in `dir`.
    ///
    /// Errors: `dir` lacks what every kernel tree has; a file cannot be read; the record of an
    /// install is damaged; an install was interrupted (call [`crate::recover`] first).
    pub fn open(dir: &Path) -> Result<Self> {
        let version = kernel_version(dir)?;
        if journal::is_pending(dir)? {
            return Err(Error::Interrupted {
                dir: dir.to_path_buf(),
            });
        }
        Ok(Self {
            dir: dir.to_path_buf(),
            version,
            manifest: Manifest::read(dir)?,
        })
    }

    /// The directory, as it was given.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The version that the top `Makefile` states.
    pub fn version(&self) -> &KernelVersion {
        &self.version
    }

    /// What the tree knew of LTO before any install.
    pub fn known_lto(&self) -> Result<KnownLto> {
        KnownLto::of(self)
    }

    pub(crate) fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Whether the tree had `path`, a file or directory, before any install.
    pub fn has(&self, path: &str) -> Result<bool> {
        if self.is_installed_only(path) {
            return Ok(false);
        }
        let full = self.full(path)?;
        match fs::metadata(&full) {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(self.original(path)?.is_some()),
            Err(error) => Err(Error::io("look at", &full)(error)),
        }
    }

    /// Whether the file `path` contained `text` before any install. A file that is not there
    /// contains nothing.
    pub fn contains(&self, path: &str, text: &str) -> Result<bool> {
        Ok(self
            .read(path)?
            .is_some_and(|content| contains(&content, text)))
    }

    /// The content that the file `path` had before any install; `None` if it was not there.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        if self.is_installed_only(path) {
            return Ok(None);
        }
        if let Some(original) = self.original(path)? {
            return Ok(Some(original));
        }
        self.read_present(path)
    }

    /// The content that the file `path` has now.
    pub(crate) fn read_present(&self, path: &str) -> Result<Option<Vec<u8>>> {
        read_if_there(&self.full(path)?)
    }

    /// The full path of `path`, which must not leave the tree.
    pub(crate) fn full(&self, path: &str) -> Result<PathBuf> {
        full_path(&self.dir, path)
    }

    fn is_installed_only(&self, path: &str) -> bool {
        self.manifest
            .as_ref()
            .is_some_and(|manifest| manifest.made(path))
    }

    /// What an install recorded of the file before it edited it.
    fn original(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let Some(edited) = self
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.edited.get(path))
        else {
            return Ok(None);
        };
        read_original(&self.dir, &edited.original.sha256).map(Some)
    }
}

/// Reads an original that an install kept, and checks that it is what was kept.
pub(crate) fn read_original(dir: &Path, hash: &str) -> Result<Vec<u8>> {
    let path = full_path(dir, &original_path(hash))?;
    let content = fs::read(&path).map_err(Error::io("read", &path))?;
    if sha256(&content) != hash {
        return Err(Error::Record {
            path,
            reason: "this kept original was changed: its content does not have the hash that is \
                     its name"
                .into(),
        });
    }
    Ok(content)
}

/// Checks that `dir` is a kernel tree, and gives the version it states.
fn kernel_version(dir: &Path) -> Result<KernelVersion> {
    let mut missing = Vec::new();
    let makefile = dir.join("Makefile");
    let version = match fs::read(&makefile) {
        Ok(content) => KernelVersion::parse(&String::from_utf8_lossy(&content)),
        Err(error) if is_absent(&error) => None,
        Err(error) => return Err(Error::io("read", &makefile)(error)),
    };
    if version.is_none() {
        missing.push("Makefile with VERSION and PATCHLEVEL");
    }
    for name in ["Kconfig", "scripts/Makefile.build", "arch"] {
        if !dir.join(name).exists() {
            missing.push(name);
        }
    }
    version
        .filter(|_| missing.is_empty())
        .ok_or_else(|| Error::NotAKernelTree {
            dir: dir.to_path_buf(),
            missing,
        })
}

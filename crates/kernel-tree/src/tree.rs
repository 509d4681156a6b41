// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A kernel tree and the facts about it.

use crate::anchor::contains;
use crate::error::{Error, Result};
use crate::journal;
use crate::manifest::{Manifest, original_path, sha256};
use crate::native::KnownLto;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// The version that a tree's top `Makefile` states.
///
/// It is for messages only: ask for the features of a tree with [`Tree::has`] and [`Tree::contains`],
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

/// A kernel tree as it was before anything was installed into it.
#[derive(Debug)]
pub struct Tree {
    dir: PathBuf,
    version: KernelVersion,
    manifest: Option<Manifest>,
}

impl Tree {
    /// Opens the kernel tree in `dir`.
    ///
    /// Errors: `dir` is not a kernel tree; a file cannot be read; the record of an
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

    /// Returns the directory as given.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the version that the top `Makefile` states.
    pub fn version(&self) -> &KernelVersion {
        &self.version
    }

    /// Returns the LTO of the tree before any install.
    pub fn known_lto(&self) -> Result<KnownLto> {
        KnownLto::of(self)
    }

    pub(crate) fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Returns whether the tree had the file or directory `path` before any install.
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

    /// Returns whether the file `path` contained `text` before any install. A missing file contains
    /// nothing.
    pub fn contains(&self, path: &str, text: &str) -> Result<bool> {
        Ok(self
            .read(path)?
            .is_some_and(|content| contains(&content, text)))
    }

    /// Returns the content of the file `path` before any install; `None` if there was no such file.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        if self.is_installed_only(path) {
            return Ok(None);
        }
        if let Some(original) = self.original(path)? {
            return Ok(Some(original));
        }
        self.read_present(path)
    }

    /// Returns the present content of the file `path`.
    pub(crate) fn read_present(&self, path: &str) -> Result<Option<Vec<u8>>> {
        read_if_there(&self.full(path)?)
    }

    /// Returns the full path of `path`, which must not leave the tree.
    pub(crate) fn full(&self, path: &str) -> Result<PathBuf> {
        full_path(&self.dir, path)
    }

    fn is_installed_only(&self, path: &str) -> bool {
        self.manifest
            .as_ref()
            .is_some_and(|manifest| manifest.made(path))
    }

    /// Returns the record of the file from before it was edited.
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

/// Reads an original that an install kept, and checks its hash.
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

/// Checks that `dir` is a kernel tree, and returns its version.
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

/// Joins a path of the tree to its directory. It must be made of plain names, so that nothing
/// outside the tree is ever read or written.
pub(crate) fn full_path(dir: &Path, path: &str) -> Result<PathBuf> {
    let plain = !path.is_empty()
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
    if !plain {
        return Err(Error::Path {
            path: path.to_owned(),
            reason: "must be relative to the kernel tree, without `..`".into(),
        });
    }
    Ok(dir.join(path))
}

/// Returns the content of a file, or `None` if there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A kernel tree and the facts about it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kernel_facts::{Facts, KernelVersion, KnownLto, contains, exists};

use crate::condition::Condition;
use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::journal;
use crate::manifest::Manifest;
use crate::paths::{MANIFEST, full_path, original_path, read_if_there};
use crate::taken_out::{Since, TakenOut, take_out};

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
        let version = match KernelVersion::of(dir) {
            Err(_) if !dir.is_dir() => {
                let dir = dir.to_path_buf();
                return Err(Error::NoDirectory { dir });
            }
            Err(kernel_facts::Error::NotAKernelTree { dir, missing })
                if dir.join(MANIFEST).is_file() =>
            {
                return Err(Error::Incomplete { dir, missing });
            }
            result => result?,
        };
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
        let is_there = exists(&full).map_err(Error::io("look at", &full))?;
        Ok(is_there || self.original(path)?.is_some())
    }

    /// Returns whether the file `path` contained `text` before any install. A missing file contains
    /// nothing.
    pub fn contains(&self, path: &str, text: &str) -> Result<bool> {
        Ok(self
            .read(path)?
            .is_some_and(|content| contains(&content, text)))
    }

    /// Whether the fact held before any install.
    pub(crate) fn holds(&self, condition: &Condition) -> Result<bool> {
        condition.is_met(&|fact| match fact {
            Condition::Contains { file, text } => self.contains(file, text),
            Condition::Lacks { file, text } => self.contains(file, text).map(|found| !found),
            Condition::Exists { path } => self.has(path),
            Condition::Absent { path } => self.has(path).map(|found| !found),
            // These are made of the others.
            Condition::Any { .. } | Condition::None { .. } => Ok(false),
        })
    }

    /// Returns whether its owner may execute a file; false if there is no such file.
    ///
    /// # Errors
    /// The file cannot be looked at.
    pub(crate) fn is_executable(&self, path: &str) -> Result<bool> {
        const OWNER_MAY_EXECUTE: u32 = 0o100;
        let full = self.full(path)?;
        match fs::metadata(&full) {
            Ok(metadata) => Ok(metadata.permissions().mode() & OWNER_MAY_EXECUTE != 0),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("look at", &full)(error)),
        }
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

    /// Returns the content of a recorded file without the edits.
    fn original(&self, path: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.taken_out(path)?.map(|taken_out| taken_out.text))
    }

    /// Returns an edited file without the edits; `None` if the record does not have the file.
    pub(crate) fn taken_out(&self, path: &str) -> Result<Option<TakenOut>> {
        let recorded = self.manifest.as_ref();
        let Some(record) = recorded.and_then(|manifest| manifest.edited.get(path)) else {
            return Ok(None);
        };
        let original = read_original(&self.dir, &record.original.sha256)?;
        let present = self.read_present(path)?;
        match present {
            Some(present) if sha256(&present) != record.installed => {
                let installed = self.kept_if_there(&record.installed)?;
                Ok(Some(take_out(&original, installed.as_deref(), &present)))
            }
            _ => Ok(Some(TakenOut {
                text: original,
                since: Since::Unchanged,
            })),
        }
    }

    /// Returns a kept content; `None` if an older version did not keep it.
    fn kept_if_there(&self, hash: &str) -> Result<Option<Vec<u8>>> {
        let path = self.full(&original_path(hash))?;
        if !exists(&path).map_err(Error::io("look at", &path))? {
            return Ok(None);
        }
        read_original(&self.dir, hash).map(Some)
    }
}

impl Facts for Tree {
    type Error = Error;

    fn has(&self, path: &str) -> Result<bool> {
        Self::has(self, path)
    }

    fn contains(&self, path: &str, text: &str) -> Result<bool> {
        Self::contains(self, path, text)
    }
}

/// Reads a content that an install kept, and checks its hash.
pub(crate) fn read_original(dir: &Path, hash: &str) -> Result<Vec<u8>> {
    let path = full_path(dir, &original_path(hash))?;
    let Some(content) = read_if_there(&path)? else {
        return Err(Error::Record {
            path,
            reason: "this kept content is gone".into(),
        });
    };
    if sha256(&content) != hash {
        return Err(Error::Record {
            path,
            reason: "this kept content was changed: it does not have the hash that is its name"
                .into(),
        });
    }
    Ok(content)
}

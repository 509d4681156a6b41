// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A copy of an object tree with some files changed. All others are links to the original.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::kernel::Changes;

/// The copy, which is removed at the end.
pub struct CopiedTree(TempDir);

impl CopiedTree {
    /// Makes the copy of `root` with these changes.
    pub fn new(root: &Path, changes: &Changes) -> anyhow::Result<Self> {
        let copy = tempfile::tempdir().context("a directory for the copy of an object tree")?;
        let root = std::path::absolute(root)?;
        let changed: BTreeSet<PathBuf> = changes
            .iter()
            .map(|(path, _)| PathBuf::from(path))
            .collect();
        link_folder(&root, copy.path(), Path::new(""), &changed)?;
        for (path, content) in changes {
            if let Some(content) = content {
                let path = copy.path().join(path);
                fs::write(&path, content).with_context(|| path.display().to_string())?;
            }
        }
        Ok(Self(copy))
    }

    /// Returns the directory of the copy.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Links all of `root/folder`, except for what is in `changed`; folders that hold something changed are made anew.
fn link_folder(
    root: &Path,
    copy: &Path,
    folder: &Path,
    changed: &BTreeSet<PathBuf>,
) -> anyhow::Result<()> {
    let original = root.join(folder);
    for entry in fs::read_dir(&original).with_context(|| original.display().to_string())? {
        let path = folder.join(entry?.file_name());
        if changed.contains(&path) {
            continue;
        }
        if changed.iter().any(|changed| changed.starts_with(&path)) {
            fs::create_dir(copy.join(&path))?;
            link_folder(root, copy, &path, changed)?;
        } else {
            symlink(root.join(&path), copy.join(&path))?;
        }
    }
    Ok(())
}

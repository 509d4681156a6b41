// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the plugins installed in a tree, and checks whether their files are unchanged.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::manifest::{EditedRecord, foreign_files};
use crate::paths::{BIN_DIR, is_under, obstacle, original_path};
use crate::taken_out::{Since, TakenOut};
use crate::tree::{Tree, read_original};

/// The status of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The kernel's version.
    pub kernel: String,
    /// The installed plugins; `None` if there are none.
    pub installed: Option<Installed>,
    /// Files in `scripts/lto` that no install made.
    pub foreign: Vec<String>,
}

/// The installed plugins and the state of their files. Paths are relative to the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// The version of the plugins.
    pub version: String,
    /// The commit of the plugins and tools; `None` if it was not known.
    pub commit: Option<String>,
    /// The plugins, in the order in which they were installed.
    pub plugins: Vec<String>,
    /// The edited files.
    pub edited: Vec<String>,
    /// The new files.
    pub created: Vec<String>,
    /// Files with other installed lines than the install wrote.
    pub changed: Vec<String>,
    /// Edited files of which other lines were changed; an install takes the changes up.
    pub updated: Vec<String>,
    /// Files that have their original content again.
    pub reverted: Vec<String>,
    /// Missing files.
    pub missing: Vec<String>,
    /// Contents of the record that are missing or changed.
    pub damaged: Vec<String>,
}

impl Installed {
    /// Returns the number of files that are not as installed.
    pub fn n_different(&self) -> usize {
        let Self {
            changed,
            updated,
            reverted,
            missing,
            damaged,
            ..
        } = self;
        let lists = [changed, updated, reverted, missing, damaged];
        lists.iter().map(|paths| paths.len()).sum()
    }
}

/// Returns the status of a tree; reads every installed file.
pub fn status(tree: &Tree) -> Result<Status> {
    let manifest = tree.manifest();
    let foreign = foreign_files(tree.dir(), manifest)?;
    let kernel = tree.version().to_string();
    let Some(manifest) = manifest else {
        return Ok(Status {
            kernel,
            installed: None,
            foreign,
        });
    };

    let mut found = Installed {
        version: manifest.version.clone(),
        commit: manifest.commit.clone(),
        plugins: manifest.plugins.clone(),
        edited: manifest.edited_by_plugins().cloned().collect(),
        created: manifest.created.keys().cloned().collect(),
        changed: Vec::new(),
        updated: Vec::new(),
        reverted: Vec::new(),
        missing: Vec::new(),
        damaged: Vec::new(),
    };
    for (path, record) in &manifest.created {
        match tree.read_present(path)? {
            None => found.missing.push(path.clone()),
            Some(content) if sha256(&content) == record.installed && is_usable(tree, path)? => {}
            Some(_) => found.changed.push(path.clone()),
        }
    }
    // A record of an earlier version has no texts with edits.
    let has_installed =
        |record: &EditedRecord| read_original(tree.dir(), &record.installed).is_ok();
    let keeps_installed = manifest.edited.values().any(has_installed);
    for (path, record) in &manifest.edited {
        let installed = keeps_installed.then_some(&record.installed);
        for hash in [&record.original.sha256].into_iter().chain(installed) {
            let kept = original_path(hash);
            if read_original(tree.dir(), hash).is_err() && !found.damaged.contains(&kept) {
                found.damaged.push(kept);
            }
        }
        let state = match tree.read_present(path)? {
            None => &mut found.missing,
            Some(_) if obstacle(tree.dir(), path)?.is_some() => &mut found.changed,
            Some(content) if sha256(&content) == record.installed => continue,
            Some(content) => match tree.taken_out(path) {
                Ok(Some(TakenOut { text, .. })) if text == content => &mut found.reverted,
                Ok(Some(TakenOut {
                    since: Since::Elsewhere,
                    ..
                })) => &mut found.updated,
                // A damaged record is listed, and does not tell.
                _ => &mut found.changed,
            },
        };
        state.push(path.clone());
    }
    Ok(Status {
        kernel,
        installed: Some(found),
        foreign,
    })
}

/// Returns whether a new file is a plain one and, if it is a tool, can be run.
fn is_usable(tree: &Tree, path: &str) -> Result<bool> {
    let full = tree.full(path)?;
    let metadata = fs::metadata(&full).map_err(Error::io("look at", &full))?;
    let can_run = !is_under(path, BIN_DIR) || metadata.mode() & 0o100 != 0;
    Ok(can_run && obstacle(tree.dir(), path)?.is_none())
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the plugins installed in a tree, and checks whether their files are unchanged.

use serde::Serialize;

use crate::error::Result;
use crate::hash::sha256;
use crate::manifest::{EditedRecord, foreign_files};
use crate::tree::Tree;

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
    /// The plugins, in the order in which they were installed.
    pub plugins: Vec<String>,
    /// The edited files.
    pub edited: Vec<String>,
    /// The new files.
    pub created: Vec<String>,
    /// Files with another content than the install wrote.
    pub changed: Vec<String>,
    /// Files that have their original content again.
    pub reverted: Vec<String>,
    /// Missing files.
    pub missing: Vec<String>,
}

impl Installed {
    /// Returns whether every file is as installed.
    pub fn is_intact(&self) -> bool {
        self.changed.is_empty() && self.reverted.is_empty() && self.missing.is_empty()
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
        plugins: manifest.plugins.clone(),
        edited: Vec::new(),
        created: manifest.created.keys().cloned().collect(),
        changed: Vec::new(),
        reverted: Vec::new(),
        missing: Vec::new(),
    };
    let mut sort_in =
        |path: &String, installed: &String, original: Option<&String>| -> Result<()> {
            let Some(content) = tree.read_present(path)? else {
                found.missing.push(path.clone());
                return Ok(());
            };
            let hash = sha256(&content);
            if hash == *installed {
                return Ok(());
            }
            if Some(&hash) == original {
                found.reverted.push(path.clone());
            } else {
                found.changed.push(path.clone());
            }
            Ok(())
        };
    for (path, record) in &manifest.created {
        sort_in(path, &record.installed, None)?;
    }
    for (path, record) in &manifest.edited {
        let EditedRecord {
            original,
            installed,
            plugins: _,
        } = record;
        sort_in(path, installed, Some(&original.sha256))?;
    }
    found.edited = manifest
        .edited
        .iter()
        .filter(|(_, record)| record.installed != record.original.sha256)
        .map(|(path, _)| path.clone())
        .collect();
    Ok(Status {
        kernel,
        installed: Some(found),
        foreign,
    })
}

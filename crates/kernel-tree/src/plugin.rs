// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Plugins, the table of all plugins, and selections of them.

use crate::description::{Description, EditsError, MailedPart};
use crate::edits::Edits;
use crate::error::{Error, Result};
use crate::tree::Tree;

/// One text of a plugin, from `kconfig/<plugin>/`.
#[derive(Debug, Clone, Copy)]
pub struct GlueFile {
    /// Its name in that directory.
    pub name: &'static str,
    /// Its content.
    pub text: &'static str,
}

/// A file that a plugin computed from the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Its path, relative to the tree. The pristine tree must have no file there.
    pub path: String,
    /// Its content.
    pub text: String,
    /// Notes to the user about it, for instance on a pattern that matched nothing.
    pub notes: Vec<String>,
}

/// The result of [`Generate`].
pub type GenerateResult =
    std::result::Result<Vec<Generated>, Box<dyn std::error::Error + Send + Sync>>;

/// Computes files of a plugin from the facts of a tree.
pub type Generate = fn(&Tree) -> GenerateResult;

/// A plugin's folder in `kconfig/`, before its `edits.toml` is read.
#[derive(Debug, Clone, Copy)]
pub struct Folder {
    /// The name of the plugin.
    pub name: &'static str,
    /// Its texts; the one named `edits.toml` describes the plugin, and says what is done with the
    /// others.
    pub files: &'static [GlueFile],
    /// Computes files that are not in the folder.
    pub generate: Option<Generate>,
}

impl Folder {
    /// The text of that name.
    fn text(&self, name: &str) -> Option<&'static str> {
        let file = self.files.iter().find(|file| file.name == name);
        file.map(|file| file.text)
    }
}

/// One plugin, as the table `[plugin]` of its `edits.toml` describes it.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// The name of its folder in `kconfig/`.
    pub name: &'static str,
    /// The subject of its patch: one line, imperative, no full stop.
    pub title: String,
    /// The text of its patch: the problem, the way, and what was measured. Empty in tests.
    pub body: String,
    /// The titles of the patches of the Clang LTO series that it replaces.
    pub upstream: Vec<String>,
    /// The plugins that it requires, which precede it in the table.
    pub requires: Vec<String>,
    /// The binaries that it installs; the package of the same name builds each.
    pub tools: Vec<String>,
    /// The changes that the plugin makes to kernels without LTO; `None` if these kernels stay the same, byte for
    /// byte.
    pub without_lto: Option<String>,
    /// The parts of its patch for single maintainers' trees.
    pub parts: Vec<MailedPart>,
}

/// A plugin with its `edits.toml` read.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub plugin: Plugin,
    /// Its place in the table; plugins without one come last.
    pub order: Option<u32>,
    pub edits: Edits,
    folder: Folder,
}

impl Resolved {
    /// Reads the plugin's `edits.toml`.
    pub fn of(folder: Folder) -> Result<Self> {
        let wrong = |entry: String, reason: &str| Error::Edits {
            plugin: folder.name.into(),
            source: EditsError::Entry {
                entry,
                reason: reason.into(),
            },
        };
        let text = folder
            .text("edits.toml")
            .ok_or_else(|| Error::Table(format!("{} has no glue text edits.toml", folder.name)))?;
        let mut edits = Edits::parse(text).map_err(|source| Error::Edits {
            plugin: folder.name.into(),
            source,
        })?;
        let Some(description) = edits.description.take() else {
            return Err(wrong(
                "[plugin]".into(),
                "it is missing; it gives the plugin's title, what it requires, and its tools",
            ));
        };
        if let Some(hook) = edits.hooks.first() {
            return Err(wrong(
                format!("[[hook]] {}", hook.name),
                "hooks are defined in kconfig/hooks/edits.toml",
            ));
        }
        if let Some(edit) = edits.changes.iter().find(|edit| edit.hook.is_some()) {
            return Err(wrong(
                format!("[[edit]] of {}", edit.file),
                "the edits of hooks stand in kconfig/hooks/edits.toml",
            ));
        }
        let sources = edits.files.iter().map(|file| &file.source);
        let sources = sources.chain(edits.fragments.iter().map(|fragment| &fragment.source));
        for source in sources {
            if folder.text(source).is_none() {
                return Err(wrong(
                    format!("source {source}"),
                    "the plugin has no glue text of that name",
                ));
            }
        }
        let Description {
            title,
            body,
            upstream,
            requires,
            tools,
            order,
            without_lto,
            parts,
        } = description;
        let plugin = Plugin {
            name: folder.name,
            title,
            body,
            upstream,
            requires,
            tools,
            without_lto,
            parts,
        };
        Ok(Self {
            plugin,
            order,
            edits,
            folder,
        })
    }

    /// The text that an entry of its `edits.toml` names; [`Self::of`] has made sure that it is there.
    pub fn text(&self, source: &str) -> &'static str {
        self.folder.text(source).unwrap_or_default()
    }

    /// Computes its files that are not in the folder.
    pub fn generate(&self) -> Option<Generate> {
        self.folder.generate
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One plugin: its texts, and what is done with them.

use crate::edits::{Edits, EditsError};
use crate::error::{Error, Result};
use crate::tree::Tree;

/// One text that a plugin brings, from `kconfig/<plugin>/`.
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
    /// Where it goes, relative to the tree. Nothing may stand there in the pristine tree.
    pub path: String,
    /// Its content.
    pub text: String,
    /// What the user should read about it, for instance a pattern that matched nothing.
    pub notes: Vec<String>,
}

/// What [`Plugin::generate`] returns.
pub type GenerateResult =
    std::result::Result<Vec<Generated>, Box<dyn std::error::Error + Send + Sync>>;

/// One plugin, as its crate's `glue.rs` describes it.
#[derive(Debug, Clone, Copy)]
pub struct Plugin {
    /// The name of its crate and of its directory in `kconfig/`.
    pub name: &'static str,
    /// One line, as the subject of a patch has it: imperative, no full stop.
    pub title: &'static str,
    /// The titles of the patches of the Clang LTO series that it stands for.
    pub upstream: &'static [&'static str],
    /// The plugins without which it does not work. They stand before it in the table.
    pub requires: &'static [&'static str],
    /// The binaries that it installs; each is built by the package of the same name.
    pub tools: &'static [&'static str],
    /// Its texts; the one named `edits.toml` says what is done with the others.
    pub glue: &'static [GlueFile],
    /// Computes more files from the facts of a tree.
    pub generate: Option<fn(&Tree) -> GenerateResult>,
}

impl Plugin {
    /// The glue text of that name.
    pub fn glue_text(&self, name: &str) -> Option<&'static str> {
        self.glue
            .iter()
            .find(|file| file.name == name)
            .map(|file| file.text)
    }
}

/// A plugin with its `edits.toml` read.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub plugin: Plugin,
    pub edits: Edits,
}

impl Resolved {
    /// Reads the plugin's `edits.toml`.
    pub fn of(plugin: Plugin) -> Result<Self> {
        let wrong = |entry: String, reason: String| Error::Edits {
            plugin: plugin.name.into(),
            source: EditsError::Entry { entry, reason },
        };
        let text = plugin
            .glue_text("edits.toml")
            .ok_or_else(|| Error::Table(format!("{} has no glue text edits.toml", plugin.name)))?;
        let edits = Edits::parse(text).map_err(|source| Error::Edits {
            plugin: plugin.name.into(),
            source,
        })?;
        if let Some(hook) = edits.hooks.first() {
            return Err(wrong(
                format!("[[hook]] {}", hook.name),
                "hooks are defined in kconfig/hooks/edits.toml".into(),
            ));
        }
        if let Some(edit) = edits.changes.iter().find(|edit| edit.hook.is_some()) {
            return Err(wrong(
                format!("[[edit]] of {}", edit.file),
                "the edits of hooks stand in kconfig/hooks/edits.toml".into(),
            ));
        }
        let sources = edits
            .files
            .iter()
            .map(|file| &file.source)
            .chain(edits.fragments.iter().map(|fragment| &fragment.source));
        for source in sources {
            if plugin.glue_text(source).is_none() {
                return Err(wrong(
                    format!("source {source}"),
                    "the plugin has no glue text of that name".into(),
                ));
            }
        }
        Ok(Self { plugin, edits })
    }
}

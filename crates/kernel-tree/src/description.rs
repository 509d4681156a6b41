// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The description of a plugin in its `edits.toml`, and what is wrong in such a file.

use serde::Deserialize;

/// A fault of an `edits.toml`.
#[derive(Debug, thiserror::Error)]
pub enum EditsError {
    /// The text is not TOML, or has an unknown entry.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// An entry makes no sense.
    #[error("{entry}: {reason}")]
    Entry {
        /// The kind of the entry, and its file or hook.
        entry: String,
        /// The fault.
        reason: String,
    },
}

/// The table `[plugin]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    pub title: String,
    /// The text of its patch.
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub upstream: Vec<String>,
    #[serde(default)]
    pub requires: Vec<String>,
    #[serde(default)]
    pub tools: Vec<String>,
    /// The place in the table; plugins without one come last.
    pub order: Option<u32>,
    /// The changes that the plugin makes to kernels without LTO; `None` if these kernels stay the same, byte for
    /// byte.
    pub without_lto: Option<String>,
    /// The parts of its patch that other maintainers than those of kbuild take.
    #[serde(default, rename = "part")]
    pub parts: Vec<MailedPart>,
}

/// The part of a plugin's patch for one maintainer's tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailedPart {
    /// The name of the tree in `kconfig/hooks/trees.toml`.
    pub tree: String,
    /// The subject: imperative, no full stop.
    pub title: String,
    /// The text.
    pub body: String,
}

/// The longest line of a commit's text. Source: `scripts/checkpatch.pl` of the kernel.
const WIDTH_OF_MAIL: usize = 75;

pub(crate) fn checked_description(description: Description) -> Result<Description, EditsError> {
    let wrong = |key: &str, reason: String| {
        Err(EditsError::Entry {
            entry: format!("[plugin] {key}"),
            reason,
        })
    };
    let Description {
        title,
        body,
        upstream,
        requires: _,
        tools,
        order: _,
        without_lto: _,
        parts,
    } = &description;
    let is_subject = |text: &str| !text.trim().is_empty() && !text.contains('\n');
    let of_parts = parts.iter().map(|part| (&part.title, &part.body));
    for (title, body) in of_parts.chain([(title, body)]) {
        if !is_subject(title) || title.ends_with('.') {
            return wrong(
                "title",
                format!("`{title}` is no subject of a patch: one line, without a full stop"),
            );
        }
        let mut lines = body.lines();
        if let Some(line) = lines.find(|line| line.chars().count() > WIDTH_OF_MAIL) {
            return wrong(
                "body",
                format!(
                    "`{line}` is longer than the {WIDTH_OF_MAIL} characters of a line of a mail"
                ),
            );
        }
    }
    if let Some(title) = upstream.iter().find(|title| !is_subject(title)) {
        return wrong("upstream", format!("`{title}` is no subject of a patch"));
    }
    if let Some(tool) = tools
        .iter()
        .find(|tool| tool.is_empty() || tool.contains('/'))
    {
        return wrong("tools", format!("`{tool}` is no name of a binary"));
    }
    Ok(description)
}

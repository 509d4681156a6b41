// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One step of a series, which becomes a patch.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::rc::Rc;

use super::mail::{self, Author, KBUILD, Patch};
use crate::diff;
use crate::error::Result;
use crate::paths::LTO_DIR;
use crate::plan::Plan;
use crate::plugin::Plugin;
use crate::tree::Tree;

/// The changes of one patch: those of a plugin, a part of them, or the documentation.
#[derive(Clone)]
pub struct Step<'a> {
    /// The plugin, and its plan.
    pub plugin: Option<(&'a Plugin, Rc<Plan>)>,
    /// The subsystem that the subject begins with.
    pub subsystem: String,
    /// The title of the patch, and the text, which may be empty.
    pub message: (&'a str, Cow<'a, str>),
    /// The changes of files.
    pub changes: Vec<FileChange>,
}

/// Whether a cover letter goes with a patch, and says how to build the tools.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// The patch is of a series with a cover letter.
    Letter,
    /// The patch speaks for itself.
    None,
}

/// The change of one file.
#[derive(Clone)]
pub struct FileChange {
    /// The path of the file in the tree.
    pub path: String,
    diff: Vec<u8>,
    /// The numbers of added and of removed lines.
    pub lines: (usize, usize),
}

impl<'a> Step<'a> {
    pub fn new(message: (&'a str, Cow<'a, str>)) -> Self {
        Self {
            plugin: None,
            subsystem: KBUILD.to_owned(),
            message,
            changes: Vec::new(),
        }
    }

    /// Adds the change of a file; nothing if it does not change.
    pub fn add(
        &mut self,
        tree: &Tree,
        path: &str,
        old: Option<&Vec<u8>>,
        new: Option<&Vec<u8>>,
    ) -> Result<()> {
        if old == new {
            return Ok(());
        }
        let (old, new) = (old.map(Vec::as_slice), new.map(Vec::as_slice));
        let mode = if tree.is_executable(path)? {
            "100755"
        } else {
            "100644"
        };
        self.changes.push(FileChange {
            path: path.to_owned(),
            diff: diff::patch(path, old, new, mode),
            lines: diff::count(old.unwrap_or_default(), new.unwrap_or_default()),
        });
        Ok(())
    }

    /// Returns the subject of its patch.
    pub fn subject(&self) -> String {
        mail::subject(&self.subsystem, self.message.0)
    }

    /// Returns the patch with its `place` in a series; without `place`, as a single patch.
    pub fn to_patch(&self, place: Option<(usize, usize)>, cover: Cover, author: &Author) -> Patch {
        let (_, body) = &self.message;
        let subject = self.subject();
        let mut head = mail::head(&subject, place, author);
        if !body.is_empty() {
            let _ = write!(head, "{body}\n\n");
        }
        let reasons = self.reasons();
        if !reasons.is_empty() {
            head.push_str("What changes, and why:\n\n");
            for (file, reason) in reasons {
                let _ = writeln!(head, "{}", mail::wrapped(&format!("- {file}: {reason}")));
            }
            head.push('\n');
        }
        let is_whole = self.subsystem == KBUILD;
        // A tree whose own build knows LTO already has these patches.
        let upstream = self.plugin.as_ref().map(|(plugin, _)| &plugin.upstream);
        let upstream =
            upstream.filter(|titles| is_whole && cover == Cover::Letter && !titles.is_empty());
        if let Some(titles) = upstream {
            head.push_str("Stands for these patches that were mailed:\n\n");
            for title in titles {
                let _ = writeln!(head, "- {title}");
            }
            head.push('\n');
        }
        let tools = self.tools();
        if cover == Cover::None && !tools.is_empty() {
            let _ = write!(
                head,
                "The tool is not part of the patch, because it is a binary. Build it in a\n\
                 checkout of kbuild-lto, with no network if its dependencies are there,\n\n\
                 \tcargo build --release -p {}\n\n\
                 and give make the directory with LTO_TOOLS=<checkout>/target/release, or\n\
                 copy it to {LTO_DIR}/bin. A release of the same version has it in bin.\n\n",
                tools.join(" -p "),
            );
        }
        let sender = &author.name_and_mail;
        let changes = self.changes.iter();
        let stat: Vec<_> = changes
            .map(|change| (change.path.clone(), change.lines))
            .collect();
        let _ = write!(
            head,
            "Signed-off-by: {sender}\n---\n{}\n",
            diff::stat(&stat)
        );
        let mut text = head.into_bytes();
        for change in &self.changes {
            text.extend_from_slice(&change.diff);
        }
        text.extend_from_slice(mail::SIGNATURE.as_bytes());
        let name = self.plugin.as_ref().map_or("", |(plugin, _)| plugin.name);
        let stem = place.map_or_else(
            || name.to_owned(),
            |(number, _)| format!("{number:04}-{}", mail::slug(&subject)),
        );
        Patch {
            file_name: format!("{stem}.patch"),
            text,
        }
    }

    /// Returns the tools of its plugin.
    pub fn tools(&self) -> &[String] {
        self.plugin
            .as_ref()
            .map_or(&[], |(plugin, _)| &plugin.tools)
    }

    /// Returns the edits that this plugin adds: each file with its reasons.
    fn reasons(&self) -> Vec<(&str, &str)> {
        let Some((plugin, plan)) = &self.plugin else {
            return Vec::new();
        };
        let reasons = plan
            .edited
            .iter()
            .filter(|(path, _)| self.changes.iter().any(|change| change.path == **path))
            .flat_map(|(path, file)| {
                file.reasons
                    .iter()
                    .filter(|(by, _)| by == plugin.name)
                    .map(|(_, reason)| (path.as_str(), reason.as_str()))
            });
        let mut told: Vec<(&str, &str)> = Vec::new();
        for reason in reasons {
            // Two edits of a file may have the same.
            if !told.contains(&reason) {
                told.push(reason);
            }
        }
        told
    }
}

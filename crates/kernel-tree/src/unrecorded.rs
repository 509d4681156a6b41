// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds an install whose record is gone by the texts that it wrote, and takes it out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;

use kernel_facts::{KnownLto, contains};
use serde::Serialize;

use crate::anchor;
use crate::condition::Condition;
use crate::edits::Edit;
use crate::error::{Error, Refusal, Result};
use crate::hook_file::{MADE_BY, PART_OF};
use crate::manifest::foreign_files;
use crate::paths::{BIN_DIR, LTO_DIR, ORIGINALS_DIR, VERSION_FILE};
use crate::plugin::{Generated, Resolved};
use crate::table::Table;
use crate::tree::Tree;

/// An install without its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unrecorded {
    /// The version of the plugins, if the tree still says it.
    pub version: Option<String>,
    /// The plugins of which an edit or a part of a generated file was found.
    pub plugins: Vec<String>,
    /// The edited files.
    pub edited: Vec<String>,
    /// The new files.
    pub created: Vec<String>,
    /// The edited files whose edits cannot be taken out exactly, because lines of them were changed.
    pub unclear: Vec<String>,
    /// The texts of the edited files without the edits.
    #[serde(skip)]
    pub(crate) texts: BTreeMap<String, Vec<u8>>,
}

impl Unrecorded {
    /// Looks for plugins of `table` in a tree; `None` if there are none, or if there is a record.
    ///
    /// Edits are recognized by their own texts. A text that only resembles one does not count.
    ///
    /// Errors: a file of the tree cannot be read.
    pub fn in_tree(tree: &Tree, table: &Table) -> Result<Option<Self>> {
        if tree.manifest().is_some() {
            return Ok(None);
        }
        let native = tree.known_lto()? == KnownLto::Native;
        let mut found = Edited::in_tree(tree, &table.edits(native))?;
        let created = created(tree, table, native)?;
        found.check_conditions(tree, &created)?;
        found.plugins.extend(plugins_of_files(tree, &created)?);
        // Without any file of ours, a single known text may be the kernel's.
        let is_certain = found.refers_to_lto_dir || !created.is_empty();
        found
            .plugins
            .retain(|plugin| is_certain || !found.lacking.contains(plugin));
        if found.plugins.is_empty() && !is_certain {
            return Ok(None);
        }
        Ok(Some(Self {
            version: version(tree)?,
            plugins: table
                .plugins()
                .map(|plugin| plugin.name.to_owned())
                .filter(|name| found.plugins.contains(name))
                .collect(),
            edited: found.texts.keys().cloned().collect(),
            created,
            unclear: found.unclear.into_iter().collect(),
            texts: found.texts,
        }))
    }

    /// Refuses a tree with such an install.
    ///
    /// # Errors
    /// Such an install is found, or a file cannot be read.
    pub fn refuse(tree: &Tree, table: &Table) -> Result<()> {
        match Self::in_tree(tree, table)? {
            None => Ok(()),
            Some(Self {
                plugins, edited, ..
            }) => Err(Error::Unrecorded {
                dir: tree.dir().to_path_buf(),
                plugins,
                edited,
            }),
        }
    }

    /// Returns the refusals of files whose edits cannot be taken out.
    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        let unclear = self.unclear.iter().cloned();
        unclear.map(|file| Refusal::UnclearEdits { file }).collect()
    }
}

/// The edits that were found.
#[derive(Default)]
struct Edited<'a> {
    texts: BTreeMap<String, Vec<u8>>,
    edits: Vec<&'a Edit>,
    unclear: BTreeSet<String>,
    plugins: BTreeSet<String>,
    /// The plugins that could still make an edit.
    lacking: BTreeSet<String>,
    refers_to_lto_dir: bool,
}

impl<'a> Edited<'a> {
    fn in_tree(tree: &Tree, edits: &[(Option<&str>, &'a Edit)]) -> Result<Self> {
        let mut found = Self::default();
        let files: BTreeSet<&str> = edits.iter().map(|(_, edit)| edit.file.as_str()).collect();
        for file in files {
            if let Some(present) = tree.read_present(file)? {
                let edits = edits.iter().filter(|(_, edit)| edit.file == file);
                found.look_at(tree, file, &present, &edits.copied().collect::<Vec<_>>())?;
            }
        }
        Ok(found)
    }

    fn look_at(
        &mut self,
        tree: &Tree,
        file: &str,
        present: &[u8],
        edits: &[(Option<&str>, &'a Edit)],
    ) -> Result<()> {
        let mut text = present.to_vec();
        let mut undone = Vec::new();
        // Later edits were made in what the earlier ones left.
        for (plugin, edit) in edits.iter().rev() {
            let plugin = plugin.map(str::to_owned);
            if let Some(without) = anchor::undo(&text, edit) {
                text = without;
                undone.push(*edit);
                self.plugins.extend(plugin);
            } else if anchor::fits(&text, edit) && all_hold(tree, edit)? {
                self.lacking.extend(plugin);
            }
        }
        let refers = contains(present, LTO_DIR);
        self.refers_to_lto_dir |= refers;
        if undone.is_empty() && !refers {
            return Ok(());
        }
        let again = undone
            .iter()
            .rev()
            .try_fold(text.clone(), |text, edit| anchor::apply(&text, edit).ok());
        if again.as_deref() != Some(present) || contains(&text, LTO_DIR) {
            self.unclear.insert(file.to_owned());
        }
        self.edits.extend(undone);
        self.texts.insert(file.to_owned(), text);
        Ok(())
    }

    /// Finds edits that would not be made in the text without edits, so that this is not the original.
    fn check_conditions(&mut self, tree: &Tree, created: &[String]) -> Result<()> {
        for edit in &self.edits {
            for condition in &edit.when {
                if !self.held_before(tree, created, condition)? {
                    self.unclear.insert(edit.file.clone());
                }
            }
        }
        Ok(())
    }

    /// Returns whether a fact held in the tree without the edits and new files that were found.
    fn held_before(&self, tree: &Tree, created: &[String], condition: &Condition) -> Result<bool> {
        let text_of = |file: &String| self.texts.get(file);
        condition.is_met(&|fact| match fact {
            Condition::Contains { file, text } if text_of(file).is_some() => {
                Ok(text_of(file).is_some_and(|found| contains(found, text)))
            }
            Condition::Lacks { file, text } if text_of(file).is_some() => {
                Ok(!text_of(file).is_some_and(|found| contains(found, text)))
            }
            Condition::Exists { path } if created.contains(path) => Ok(false),
            Condition::Absent { path } if created.contains(path) => Ok(true),
            _ => tree.holds(fact),
        })
    }
}

fn all_hold(tree: &Tree, edit: &Edit) -> Result<bool> {
    for condition in &edit.when {
        if !tree.holds(condition)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the new files of plugins that are in the tree, sorted.
///
/// In `scripts/lto` the names tell them. Elsewhere the content must be that of the plugin, because the
/// kernel may have a file of that name.
fn created(tree: &Tree, table: &Table, native: bool) -> Result<Vec<String>> {
    let mut known: BTreeSet<String> = table
        .plugins()
        .flat_map(|plugin| &plugin.tools)
        .map(|tool| format!("{BIN_DIR}/{tool}"))
        .collect();
    known.insert(VERSION_FILE.to_owned());
    let mut found = BTreeSet::new();
    for resolved in table.resolved() {
        for file in &resolved.edits.files {
            let text = resolved.text(&file.source);
            if tree.read_present(&file.dest)?.as_deref() == Some(text.as_bytes()) {
                found.insert(file.dest.clone());
            }
            known.insert(file.dest.clone());
        }
    }
    let files = foreign_files(tree.dir(), None)?;
    if !files.is_empty() {
        let resolved = table.resolved().iter();
        known.extend(resolved.flat_map(|resolved| computed(tree, resolved, native)));
    }
    for file in files {
        let is_ours = known.contains(&file)
            || tree
                .read_present(&file)?
                .is_some_and(|content| contains(&content, MADE_BY));
        if is_ours {
            found.insert(file);
        }
    }
    found.extend(kept_contents(tree)?);
    Ok(found.into_iter().collect())
}

/// Returns the plugins whose parts are in generated files.
fn plugins_of_files(tree: &Tree, created: &[String]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in created {
        let text = tree.read_present(file)?.unwrap_or_default();
        if contains(&text, MADE_BY) {
            let text = String::from_utf8_lossy(&text);
            let lines = text.lines().filter_map(|line| line.split_once(PART_OF));
            names.extend(lines.map(|(_, name)| name.trim_end_matches(" */").to_owned()));
        }
    }
    Ok(names)
}

/// Returns the contents that a record without its manifest keeps.
fn kept_contents(tree: &Tree) -> Result<Vec<String>> {
    let full = tree.full(ORIGINALS_DIR)?;
    let entries = match fs::read_dir(&full) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", &full)(error)),
    };
    entries
        .map(|entry| {
            let name = entry.map_err(Error::io("list", &full))?.file_name();
            Ok(format!("{ORIGINALS_DIR}/{}", name.to_string_lossy()))
        })
        .collect()
}

/// Returns the paths of the files that a plugin computes, if it can compute them here.
fn computed(tree: &Tree, resolved: &Resolved, native: bool) -> Vec<String> {
    let generate = resolved.generate().filter(|_| !native);
    let generated = generate.and_then(|generate| generate(tree).ok());
    let generated = generated.unwrap_or_default().into_iter();
    generated.map(|Generated { path, .. }| path).collect()
}

fn version(tree: &Tree) -> Result<Option<String>> {
    let text = tree.read_present(VERSION_FILE)?;
    Ok(text.map(|text| String::from_utf8_lossy(&text).trim().to_owned()))
}

#[cfg(test)]
mod tests;

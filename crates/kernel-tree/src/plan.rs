// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Computes a tree after an install: every edited and every new file, in memory, from the pristine texts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use kernel_facts::{KnownLto, contains};

use crate::anchor::{self, headline};
use crate::condition::Condition;
use crate::edits::{Adoption, Edit, NewFile, Trees};
use crate::error::{Error, Refusal, Result};
use crate::hook_file::joined;
use crate::manifest::foreign_files;
use crate::offer::{Parts, Withheld};
use crate::paths::{BIN_DIR, LTO_DIR, VERSION_FILE, is_record, is_under, obstacle};
use crate::plugin::{Generated, Resolved};
use crate::table::Selection;
use crate::tree::Tree;

/// An edited file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedFile {
    /// Its content before the install.
    pub pristine: Vec<u8>,
    /// Its content after the install.
    pub text: Vec<u8>,
    /// The plugins that edit it, in the order of the table. The edit of a hook counts for the first
    /// plugin that has a fragment for the hook.
    pub plugins: Vec<String>,
    /// The plugin and the reason of each edit, in the order of the edits.
    pub reasons: Vec<(String, String)>,
}

/// A new file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedFile {
    /// Its content.
    pub text: Vec<u8>,
    /// The plugins that make it, in the order of the table.
    pub plugins: Vec<String>,
}

/// A binary to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// The name of the tool and of the package that builds it.
    pub name: String,
    /// The plugins that need it.
    pub plugin: String,
}

impl Tool {
    /// Returns its path, relative to the tree.
    pub fn path(&self) -> String {
        format!("{BIN_DIR}/{}", self.name)
    }
}

/// A note to the user about a plugin and this tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The plugin.
    pub plugin: String,
    /// The note.
    pub text: String,
}

/// A tree with the chosen plugins, computed but not written.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The version of the plugins.
    pub version: String,
    /// The commit of the plugins and tools, which `status` shows; `None` unless the caller sets it.
    pub commit: Option<String>,
    /// The plugins, in the order of the table.
    pub plugins: Vec<String>,
    /// The edited files, by path.
    pub edited: BTreeMap<String, EditedFile>,
    /// The new files, by path, without the binaries.
    pub created: BTreeMap<String, CreatedFile>,
    /// The binaries.
    pub tools: Vec<Tool>,
    /// Skipped entries, and the notes of the plugins.
    pub notes: Vec<Note>,
    /// The steps that the plugins do in other trees with their own LTO, but not in this one; each with the reason.
    pub withheld: Vec<Note>,
}

impl Plan {
    /// Computes the tree with these plugins, from its pristine texts. `version` is written into
    /// the tree; a build compares it with that of the tools.
    ///
    /// Errors: [`Error::Refused`] with all obstacles; [`Error::Generate`] if a plugin
    /// cannot compute its files; a file of the tree cannot be read.
    pub fn new(tree: &Tree, selection: &Selection<'_>, version: &str) -> Result<Self> {
        let mut planner = Planner {
            tree,
            native: selection.native,
            edited: BTreeMap::new(),
            created: BTreeMap::new(),
            notes: Vec::new(),
            refusals: Vec::new(),
        };
        planner.check_tree()?;
        let hooks = planner.hook_files(selection)?;
        planner.edit_hooks(selection, &hooks)?;
        for resolved in &selection.plugins {
            planner.plugin(resolved)?;
        }
        planner.create_hook_files(hooks);
        let plugins: Vec<String> = selection.plugins().map(|p| p.name.to_owned()).collect();
        planner.create(VERSION_FILE, format!("{version}\n"), plugins.first());
        planner.check_paths()?;

        let Planner {
            tree,
            native: _,
            edited,
            created,
            notes,
            refusals,
        } = planner;
        let refusals = without_consequences(refusals);
        if !refusals.is_empty() {
            return Err(Error::Refused {
                dir: tree.dir().to_path_buf(),
                refusals,
            });
        }
        let tools = selection
            .plugins()
            .flat_map(|plugin| {
                plugin.tools.iter().map(|name| Tool {
                    name: name.clone(),
                    plugin: plugin.name.to_owned(),
                })
            })
            .collect();
        Ok(Self {
            version: version.to_owned(),
            commit: None,
            plugins,
            edited,
            created,
            tools,
            notes,
            withheld: withheld(tree, selection)?,
        })
    }

    /// Returns the files that a plugin edits, in order.
    pub fn edited_by<'a>(&'a self, plugin: &'a str) -> impl Iterator<Item = &'a str> {
        self.edited
            .iter()
            .filter(move |(_, file)| file.plugins.iter().any(|name| name == plugin))
            .map(|(path, _)| path.as_str())
    }

    /// Returns the files that a plugin makes, in order, without its binaries.
    pub fn created_by<'a>(&'a self, plugin: &'a str) -> impl Iterator<Item = &'a str> {
        self.created
            .iter()
            .filter(move |(_, file)| file.plugins.iter().any(|name| name == plugin))
            .map(|(path, _)| path.as_str())
    }
}

/// Returns what the chosen plugins do not do in a tree whose own build knows LTO.
fn withheld(tree: &Tree, selection: &Selection<'_>) -> Result<Vec<Note>> {
    let mut notes = Vec::new();
    for resolved in selection.plugins.iter().filter(|_| selection.native) {
        let parts = Parts::of(resolved, tree)?.withheld.into_iter();
        notes.extend(parts.map(|Withheld { does, reason }| Note {
            plugin: resolved.plugin.name.to_owned(),
            text: format!("does not do this here: {does}: {reason}"),
        }));
    }
    Ok(notes)
}

/// A hook that some plugin uses: the text of its file, and the contributing plugins.
struct HookFile {
    name: String,
    text: String,
    plugins: Vec<String>,
}

struct Planner<'a> {
    tree: &'a Tree,
    /// Returns whether the tree's own build knows LTO.
    native: bool,
    edited: BTreeMap<String, EditedFile>,
    created: BTreeMap<String, CreatedFile>,
    notes: Vec<Note>,
    refusals: Vec<Refusal>,
}

impl Planner<'_> {
    /// Refuses trees that got LTO, or a `scripts/lto`, in another way.
    fn check_tree(&mut self) -> Result<()> {
        match self.tree.known_lto()? {
            KnownLto::ByHand { facts } => self.refusals.push(Refusal::HasLto { facts }),
            known if (known == KnownLto::Native) != self.native => {
                self.refusals.push(Refusal::OtherKind);
            }
            KnownLto::None | KnownLto::Native => (),
        }
        if self.tree.manifest().is_none() {
            let files = foreign_files(self.tree.dir(), None)?;
            if !files.is_empty() {
                self.refusals.push(Refusal::ForeignDirectory { files });
            }
        }
        Ok(())
    }

    /// Joins the fragments for each hook.
    fn hook_files(&mut self, selection: &Selection<'_>) -> Result<Vec<HookFile>> {
        let mut files = Vec::new();
        for hook in &selection.hooks.hooks {
            let mut parts = Vec::new();
            for resolved in &selection.plugins {
                for fragment in &resolved.edits.fragments {
                    let what = format!("the fragment {}", fragment.source);
                    if fragment.hook == hook.name
                        && self.applies(
                            resolved.plugin.name,
                            &what,
                            fragment.trees,
                            &fragment.when,
                        )?
                    {
                        parts.push((resolved.plugin.name, resolved.text(&fragment.source)));
                    }
                }
            }
            if parts.is_empty() {
                continue;
            }
            let mut plugins: Vec<String> = parts.iter().map(|(name, _)| (*name).into()).collect();
            plugins.dedup();
            files.push(HookFile {
                name: hook.name.clone(),
                text: joined(hook, &parts),
                plugins,
            });
        }
        Ok(files)
    }

    fn edit_hooks(&mut self, selection: &Selection<'_>, hooks: &[HookFile]) -> Result<()> {
        let mut unread: BTreeMap<&str, &HookFile> = hooks
            .iter()
            .map(|hook| (hook.name.as_str(), hook))
            .collect();
        for edit in &selection.hooks.changes {
            let used = hooks
                .iter()
                .find(|hook| edit.hook.as_ref() == Some(&hook.name));
            if let Some(HookFile { name, plugins, .. }) = used
                && let Some(plugin) = plugins.first()
                && self.applies(
                    plugin,
                    &format!("an edit for the hook {name}"),
                    edit.trees,
                    &edit.when,
                )?
            {
                unread.remove(name.as_str());
                self.edit(plugin, edit)?;
            }
        }
        for hook in unread.into_values() {
            self.refusals.push(Refusal::UnreadHook {
                plugins: hook.plugins.clone(),
                hook: hook.name.clone(),
            });
        }
        Ok(())
    }

    fn plugin(&mut self, resolved: &Resolved) -> Result<()> {
        let Resolved { plugin, edits, .. } = resolved;
        for edit in &edits.changes {
            let what = format!("the edit of {} at `{}`", edit.file, headline(&edit.anchor));
            if self.applies(plugin.name, &what, edit.trees, &edit.when)? {
                self.edit(plugin.name, edit)?;
            }
        }
        for NewFile {
            source,
            dest,
            trees,
            part: _,
            when,
        } in &edits.files
        {
            if self.applies(plugin.name, dest, *trees, when)? {
                let text = resolved.text(source).to_owned();
                self.create(dest, text, Some(&plugin.name.to_owned()));
            }
        }
        let asked_for = match &edits.adoption {
            Some(Adoption::Offered { generate, .. }) if self.native => *generate,
            _ => !self.native,
        };
        let Some(generate) = resolved.generate().filter(|_| asked_for) else {
            return Ok(());
        };
        let generated = generate(self.tree).map_err(|source| Error::Generate {
            plugin: plugin.name.into(),
            source,
        })?;
        for Generated { path, text, notes } in generated {
            self.create(&path, text, Some(&plugin.name.to_owned()));
            for text in notes {
                self.note(plugin.name, text);
            }
        }
        Ok(())
    }

    /// Returns whether an entry is for this kind of tree and all its conditions hold; adds a note about one that does not.
    fn applies(
        &mut self,
        plugin: &str,
        what: &str,
        trees: Trees,
        when: &[Condition],
    ) -> Result<bool> {
        if !trees.include(self.native) {
            return Ok(false);
        }
        for condition in when {
            if !self.tree.holds(condition)? {
                self.note(
                    plugin,
                    format!("passed over: {what} (only when {condition})"),
                );
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn note(&mut self, plugin: &str, text: String) {
        self.notes.push(Note {
            plugin: plugin.to_owned(),
            text,
        });
    }

    fn edit(&mut self, plugin: &str, edit: &Edit) -> Result<()> {
        let file = match self.edited.entry(edit.file.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let Some(pristine) = self.tree.read(&edit.file)? else {
                    self.refusals.push(Refusal::FileMissing {
                        plugin: plugin.into(),
                        file: edit.file.clone(),
                    });
                    return Ok(());
                };
                if contains(&pristine, LTO_DIR) {
                    self.refusals.push(Refusal::InstalledWithoutRecord {
                        file: edit.file.clone(),
                    });
                }
                entry.insert(EditedFile {
                    text: pristine.clone(),
                    pristine,
                    plugins: Vec::new(),
                    reasons: Vec::new(),
                })
            }
        };
        match anchor::apply(&file.text, edit) {
            Ok(text) => file.text = text,
            Err(mismatch) => self.refusals.push(Refusal::Anchor {
                plugin: plugin.into(),
                file: edit.file.clone(),
                anchor: headline(&edit.anchor).to_owned(),
                mismatch,
            }),
        }
        if !file.plugins.iter().any(|name| name == plugin) {
            file.plugins.push(plugin.to_owned());
        }
        file.reasons.push((plugin.to_owned(), edit.reason.clone()));
        Ok(())
    }

    fn create(&mut self, path: &str, text: String, plugin: Option<&String>) {
        let plugins: Vec<String> = plugin.into_iter().cloned().collect();
        self.create_for(path, text, plugins);
    }

    fn create_for(&mut self, path: &str, text: String, plugins: Vec<String>) {
        let plugin = || plugins.first().cloned().unwrap_or_default();
        match self.created.entry(path.to_owned()) {
            Entry::Occupied(_) => self.refusals.push(Refusal::MadeTwice {
                plugin: plugin(),
                file: path.to_owned(),
            }),
            Entry::Vacant(entry) => {
                entry.insert(CreatedFile {
                    text: text.into_bytes(),
                    plugins,
                });
            }
        }
    }

    fn create_hook_files(&mut self, hooks: Vec<HookFile>) {
        for HookFile {
            name,
            text,
            plugins,
        } in hooks
        {
            self.create_for(&format!("{LTO_DIR}/{name}"), text, plugins);
        }
    }

    /// Refuses new files at existing paths, edited files that are reached through a link, and plugins
    /// that would make the record or the binaries.
    fn check_paths(&mut self) -> Result<()> {
        let mut refusals = Vec::new();
        for (path, created) in &self.created {
            let plugin = created.plugins.first().cloned().unwrap_or_default();
            let reserved =
                is_record(path) || is_under(path, BIN_DIR) || self.edited.contains_key(path);
            if reserved || self.tree.has(path)? {
                refusals.push(Refusal::FileExists {
                    plugin,
                    file: path.clone(),
                });
            }
        }
        for path in self.edited.keys().chain(self.created.keys()) {
            refusals.extend(not_plain(self.tree.dir(), path)?);
        }
        self.refusals.append(&mut refusals);
        Ok(())
    }
}

/// Refuses a tree whose record is missing, and drops all other reasons, because they follow from this one.
fn without_consequences(refusals: Vec<Refusal>) -> Vec<Refusal> {
    let is_cause = |refusal: &Refusal| matches!(refusal, Refusal::InstalledWithoutRecord { .. });
    if refusals.iter().any(is_cause) {
        return refusals.into_iter().filter(is_cause).collect();
    }
    refusals
}

/// Refuses a file that is reached through a symbolic link, or is not a plain file.
pub(crate) fn not_plain(dir: &Path, path: &str) -> Result<Option<Refusal>> {
    let what = obstacle(dir, path)?;
    Ok(what.map(|what| Refusal::NotPlain {
        file: path.to_owned(),
        what,
    }))
}

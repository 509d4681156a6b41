// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Computes the files that must be written to install a plan into a tree, or to restore the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::disk::Content;
use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::journal::{Change, Changes};
use crate::manifest::{CreatedRecord, EditedRecord, Manifest, Original};
use crate::on_change::{ChangedFiles, OnChange};
use crate::paths::{MANIFEST, original_path, parents};
use crate::plan::{Plan, Tool};
use crate::taken_out::{Since, TakenOut};
use crate::time_stamp::TimeStamp;
use crate::tree::Tree;
use crate::unrecorded::Unrecorded;

/// The permission bits that a new text file and a new binary take over from the directory of their neighbours.
const OF_TEXT: u32 = 0o666;
const OF_BINARY: u32 = 0o777;
/// All permission bits of a file's mode.
const PERMISSIONS: u32 = 0o7777;

/// The changes of an install or uninstall, and the installed files that were changed meanwhile.
pub(crate) struct Writes {
    pub changes: Changes,
    pub changed: ChangedFiles,
}

/// Computes the changes that a plan needs. Without `binaries`, recorded binaries stay, and others are
/// left out.
pub(crate) fn to_install(
    tree: &Tree,
    plan: &Plan,
    binaries: Option<&BTreeMap<String, Vec<u8>>>,
    on_change: OnChange,
) -> Result<Writes> {
    let nothing = Manifest::new("", Vec::new());
    let mut collector = Collector {
        tree,
        before: tree.manifest().unwrap_or(&nothing),
        after: Manifest {
            commit: plan.commit.clone(),
            ..Manifest::new(&plan.version, plan.plugins.clone())
        },
        kept: BTreeMap::new(),
        files: Vec::new(),
        changed: ChangedFiles::new(on_change),
    };
    let kept_tools = match binaries {
        Some(_) => BTreeSet::new(),
        None => plan.tools.iter().map(Tool::path).collect(),
    };
    for (path, wanted) in created_files(tree, plan, binaries)? {
        collector.create(path, wanted)?;
    }
    collector.keep(&kept_tools);
    let edited = plan.edited.keys().chain(collector.before.edited.keys());
    for path in edited.collect::<BTreeSet<_>>() {
        collector.edit(plan, path)?;
    }
    collector.remove_others(&kept_tools)?;
    collector.finish()
}

struct Collector<'a> {
    tree: &'a Tree,
    before: &'a Manifest,
    after: Manifest,
    /// The contents that the record keeps, by path: originals, and texts with edits.
    kept: BTreeMap<String, Vec<u8>>,
    files: Vec<Change>,
    changed: ChangedFiles,
}

impl Collector<'_> {
    fn create(&mut self, path: String, wanted: Wanted) -> Result<()> {
        let Wanted { content, plugins } = wanted;
        let present = present(self.tree, &path)?;
        let installed = sha256(&content.bytes);
        let recorded = self.before.created.get(&path);
        let recorded = recorded.map(|record| &record.installed);
        let stays = present.as_ref().is_some_and(|present| {
            let is_new = recorded != Some(&installed);
            is_foreign(&present.bytes, &[Some(&installed), recorded])
                && self
                    .changed
                    .created(&path, &present.bytes, Some(&content.bytes), is_new)
        });
        if !stays {
            push_unless_equal(&mut self.files, &path, present, content);
        }
        self.after
            .created
            .insert(path, CreatedRecord { installed, plugins });
        Ok(())
    }

    /// Keeps the record of these files unchanged.
    fn keep(&mut self, paths: &BTreeSet<String>) {
        let records = self.before.created.iter();
        self.after.created.extend(
            records
                .filter(|(path, _)| paths.contains(*path))
                .map(|(path, record)| (path.clone(), record.clone())),
        );
    }

    /// Edits a file, or restores it if only previously installed plugins edited it.
    fn edit(&mut self, plan: &Plan, path: &str) -> Result<()> {
        let present = present(self.tree, path)?;
        let Unedited {
            original,
            text: pristine,
            since,
        } = unedited(self.tree, self.before, path, present.as_ref())?;
        let (text, plugins) = match plan.edited.get(path) {
            // The plan must be of this text, or a change made meanwhile would be lost.
            Some(file) if file.pristine != pristine => {
                return Err(Error::Conflict {
                    path: path.to_owned(),
                    command: "install".to_owned(),
                    kept: None,
                });
            }
            Some(file) => (&file.text, file.plugins.clone()),
            None => (&pristine, Vec::new()),
        };
        let bytes = match &present {
            Some(present) => self.changed.edited(path, &present.bytes, &since, text),
            None => text.clone(),
        };
        let content = Content {
            bytes,
            mode: original.mode,
            modified: None,
        };
        push_unless_equal(&mut self.files, path, present, content);
        let installed = sha256(text);
        // Both texts are needed to take the edits out of a file that is changed later.
        self.kept.insert(original_path(&installed), text.clone());
        self.kept.insert(original_path(&original.sha256), pristine);
        let record = EditedRecord {
            original,
            installed,
            plugins,
        };
        self.after.edited.insert(path.to_owned(), record);
        Ok(())
    }

    /// Removes files that previously installed plugins made and the present ones do not make.
    fn remove_others(&mut self, kept: &BTreeSet<String>) -> Result<()> {
        for (path, record) in &self.before.created {
            if self.after.created.contains_key(path) || kept.contains(path) {
                continue;
            }
            let present = present(self.tree, path)?;
            refuse_removal(&mut self.changed, path, present.as_ref(), &record.installed);
            self.files.extend(removal(path, present));
        }
        Ok(())
    }

    /// Orders the changes: kept contents first, the manifest last.
    fn finish(mut self) -> Result<Writes> {
        self.after.directories = directories(self.tree.dir(), self.before, &self.after);
        let mut files = Vec::new();
        let outdated = kept_paths(self.before);
        for path in outdated
            .iter()
            .filter(|path| !self.kept.contains_key(*path))
        {
            files.extend(removal(path, present(self.tree, path)?));
        }
        for (path, bytes) in self.kept {
            let present = present(self.tree, &path)?;
            push_unless_equal(&mut files, &path, present, text_content(self.tree, bytes)?);
        }
        files.append(&mut self.files);
        // A commit that changed nothing of the install is no reason to write.
        let same = Manifest {
            commit: self.before.commit.clone(),
            ..self.after.clone()
        };
        if files.is_empty() && same == *self.before {
            self.after = same;
        }
        let manifest = present(self.tree, MANIFEST)?;
        let text = text_content(self.tree, self.after.to_bytes())?;
        push_unless_equal(&mut files, MANIFEST, manifest, text);
        let dropped = self.before.directories.difference(&self.after.directories);
        Ok(Writes {
            changes: Changes {
                command: "install",
                files,
                dropped_directories: dropped.cloned().collect(),
            },
            changed: self.changed,
        })
    }
}

/// Computes the changes that restore a tree.
pub(crate) fn to_uninstall(
    tree: &Tree,
    manifest: &Manifest,
    on_change: OnChange,
) -> Result<Writes> {
    let mut files = Vec::new();
    let mut changed = ChangedFiles::new(on_change);
    for path in manifest.edited.keys() {
        let present = present(tree, path)?;
        let Unedited {
            original,
            text,
            since,
        } = unedited(tree, manifest, path, present.as_ref())?;
        let bytes = match &present {
            Some(present) => changed.edited(path, &present.bytes, &since, &text),
            None => text,
        };
        let new = Some(Content {
            bytes,
            mode: original.mode,
            modified: Some(original.modified),
        });
        if present != new {
            files.push(Change {
                path: path.clone(),
                old: present,
                new,
            });
        }
    }
    for (path, record) in &manifest.created {
        let present = present(tree, path)?;
        refuse_removal(&mut changed, path, present.as_ref(), &record.installed);
        files.extend(removal(path, present));
    }
    for path in kept_paths(manifest)
        .iter()
        .map(String::as_str)
        .chain([MANIFEST])
    {
        files.extend(removal(path, present(tree, path)?));
    }
    Ok(Writes {
        changes: Changes {
            command: "uninstall",
            files,
            dropped_directories: manifest.directories.clone(),
        },
        changed,
    })
}

/// Computes the changes that take out an install without record.
pub(crate) fn to_uninstall_by_text(tree: &Tree, found: &Unrecorded) -> Result<Writes> {
    let mut files = Vec::new();
    for (path, text) in &found.texts {
        if let Some(old) = present(tree, path)? {
            let new = Some(Content {
                bytes: text.clone(),
                mode: old.mode,
                modified: None,
            });
            files.push(Change {
                path: path.clone(),
                old: Some(old),
                new,
            });
        }
    }
    for path in &found.created {
        files.extend(removal(path, present(tree, path)?));
    }
    let mut changed = ChangedFiles::new(OnChange::Refuse);
    changed.refusals = found.refusals();
    let parents = found.created.iter().flat_map(|path| parents(path));
    Ok(Writes {
        changes: Changes {
            command: "uninstall",
            files,
            // Only empty ones are removed.
            dropped_directories: parents.map(str::to_owned).collect(),
        },
        changed,
    })
}

/// Returns the paths of all contents that a record keeps.
fn kept_paths(manifest: &Manifest) -> BTreeSet<String> {
    let records = manifest.edited.values();
    records
        .flat_map(|record| [&record.original.sha256, &record.installed])
        .map(|hash| original_path(hash))
        .collect()
}

/// A new file, and the plugins that it is made for.
struct Wanted {
    content: Content,
    plugins: Vec<String>,
}

/// Returns all new files of a plan: texts, and binaries if there are any.
fn created_files(
    tree: &Tree,
    plan: &Plan,
    binaries: Option<&BTreeMap<String, Vec<u8>>>,
) -> Result<BTreeMap<String, Wanted>> {
    let mut files = BTreeMap::new();
    for (path, file) in &plan.created {
        let wanted = Wanted {
            content: text_content(tree, file.text.clone())?,
            plugins: file.plugins.clone(),
        };
        files.insert(path.clone(), wanted);
    }
    let Some(binaries) = binaries else {
        return Ok(files);
    };
    for tool in &plan.tools {
        let bytes = binaries.get(&tool.name).ok_or_else(|| {
            Error::Table(format!(
                "{} installs {}, which was not built",
                tool.plugin, tool.name
            ))
        })?;
        let content = Content {
            bytes: bytes.clone(),
            mode: neighbours_mode(tree)? & OF_BINARY,
            modified: None,
        };
        let plugins = vec![tool.plugin.clone()];
        files.insert(tool.path(), Wanted { content, plugins });
    }
    Ok(files)
}

/// Returns the permission bits of the directory `scripts`, beside which the new files stand.
fn neighbours_mode(tree: &Tree) -> Result<u32> {
    let scripts = tree.full("scripts")?;
    let metadata = fs::metadata(&scripts).map_err(Error::io("look at", &scripts))?;
    // Whatever the directory allows, the user needs the files.
    Ok(metadata.mode() & 0o777 | 0o700)
}

fn text_content(tree: &Tree, bytes: Vec<u8>) -> Result<Content> {
    Ok(Content {
        bytes,
        mode: neighbours_mode(tree)? & OF_TEXT,
        modified: None,
    })
}

/// An edited file as it would be without the edits.
struct Unedited {
    original: Original,
    text: Vec<u8>,
    since: Since,
}

/// Returns a file without edits, which is the present one if no install edited it.
fn unedited(
    tree: &Tree,
    before: &Manifest,
    path: &str,
    present: Option<&Content>,
) -> Result<Unedited> {
    if let Some(record) = before.edited.get(path)
        && let Some(TakenOut { text, since }) = tree.taken_out(path)?
    {
        let recorded = &record.original;
        let original = present.and_then(|present| original_of(present, &text));
        let original = original.filter(|original| original.sha256 != recorded.sha256);
        return Ok(Unedited {
            original: original.unwrap_or_else(|| recorded.clone()),
            text,
            since,
        });
    }
    // The plan has read this file, so it can only be missing if someone has just removed it.
    let found = present.and_then(|present| {
        let original = original_of(present, &present.bytes)?;
        Some(Unedited {
            original,
            text: present.bytes.clone(),
            since: Since::Unchanged,
        })
    });
    found.ok_or_else(|| match tree.full(path) {
        Ok(full) => Error::io("read", &full)(ErrorKind::NotFound.into()),
        Err(error) => error,
    })
}

/// Returns the record of a file that would have this text without the edits.
fn original_of(present: &Content, text: &[u8]) -> Option<Original> {
    Some(Original {
        sha256: sha256(text),
        mode: present.mode,
        modified: present.modified?,
    })
}

/// Returns whether a content differs from everything that an install writes.
fn is_foreign(content: &[u8], known: &[Option<&String>]) -> bool {
    let hash = sha256(content);
    !known.iter().flatten().any(|known| **known == hash)
}

/// Decides about the removal of a file that was changed.
fn refuse_removal(
    changed: &mut ChangedFiles,
    path: &str,
    present: Option<&Content>,
    installed: &String,
) {
    if let Some(present) = present
        && is_foreign(&present.bytes, &[Some(installed)])
    {
        changed.created(path, &present.bytes, None, true);
    }
}

/// Returns the present content of `path`.
fn present(tree: &Tree, path: &str) -> Result<Option<Content>> {
    let full = tree.full(path)?;
    let Some(bytes) = tree.read_present(path)? else {
        return Ok(None);
    };
    let metadata = fs::metadata(&full).map_err(Error::io("look at", &full))?;
    Ok(Some(Content {
        bytes,
        mode: metadata.mode() & PERMISSIONS,
        modified: Some(TimeStamp::of(&metadata)),
    }))
}

/// Adds the change of a file, unless the file already has the content and, if needed, is executable.
/// Other permission bits are the user's choice: a tree may be shared with a group, or not.
fn push_unless_equal(files: &mut Vec<Change>, path: &str, old: Option<Content>, new: Content) {
    const EXECUTABLE: u32 = 0o100;
    let equal = old.as_ref().is_some_and(|old| {
        old.bytes == new.bytes && old.mode & EXECUTABLE == new.mode & EXECUTABLE
    });
    if !equal {
        files.push(Change {
            path: path.to_owned(),
            old,
            new: Some(new),
        });
    }
}

/// Returns the removal of a file, if the file exists.
fn removal(path: &str, present: Option<Content>) -> Option<Change> {
    present.map(|old| Change {
        path: path.to_owned(),
        old: Some(old),
        new: None,
    })
}

/// Returns the directories that exist, or will exist, only for installed files.
fn directories(dir: &Path, before: &Manifest, after: &Manifest) -> BTreeSet<String> {
    after
        .created
        .keys()
        .flat_map(|path| parents(path))
        .filter(|path| before.directories.contains(*path) || !dir.join(path).exists())
        .map(str::to_owned)
        .collect()
}

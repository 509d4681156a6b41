// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Computes the files that must be written to install a plan into a tree, or to restore the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::disk::Content;
use crate::error::{Error, Refusal, Result};
use crate::hash::sha256;
use crate::journal::{Change, Changes};
use crate::manifest::{CreatedRecord, EditedRecord, Manifest, Original};
use crate::paths::{MANIFEST, original_path, parents};
use crate::plan::{Plan, Tool};
use crate::time_stamp::TimeStamp;
use crate::tree::{Tree, read_original};

/// The permission bits of a new text file, and of a new binary.
const TEXT_MODE: u32 = 0o644;
const BINARY_MODE: u32 = 0o755;
/// All permission bits of a file's mode.
const PERMISSIONS: u32 = 0o7777;

/// The changes of an install or uninstall, and the installed files that they would overwrite
/// although someone changed them.
pub(crate) struct Writes {
    pub changes: Changes,
    pub refusals: Vec<Refusal>,
}

/// Computes the changes that a plan needs. Without `binaries`, recorded binaries stay, and others are
/// left out.
pub(crate) fn to_install(
    tree: &Tree,
    plan: &Plan,
    binaries: Option<&BTreeMap<String, Vec<u8>>>,
) -> Result<Writes> {
    let nothing = Manifest::new("", Vec::new());
    let mut collector = Collector {
        tree,
        before: tree.manifest().unwrap_or(&nothing),
        after: Manifest::new(&plan.version, plan.plugins.clone()),
        originals: BTreeMap::new(),
        changes: Vec::new(),
        refusals: Vec::new(),
    };
    let kept_tools = match binaries {
        Some(_) => BTreeSet::new(),
        None => plan.tools.iter().map(Tool::path).collect(),
    };
    for (path, wanted) in created_files(plan, binaries)? {
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
    /// The changes, by path.
    originals: BTreeMap<String, Vec<u8>>,
    changes: Vec<Change>,
    refusals: Vec<Refusal>,
}

impl Collector<'_> {
    fn create(&mut self, path: String, wanted: Wanted) -> Result<()> {
        let Wanted { content, plugins } = wanted;
        let present = present(self.tree, &path)?;
        let installed = sha256(&content.bytes);
        let recorded = self.before.created.get(&path);
        let known = [Some(&installed), recorded.map(|record| &record.installed)];
        self.refuse_foreign(&path, present.as_ref(), &known);
        push_unless_equal(&mut self.changes, &path, present, content);
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
        let (original, pristine) = original_of(self.tree, self.before, path, present.as_ref())?;
        let (text, plugins) = match plan.edited.get(path) {
            Some(file) => (&file.text, file.plugins.clone()),
            None => (&pristine, Vec::new()),
        };
        let installed = sha256(text);
        let recorded = self.before.edited.get(path);
        let known = [
            Some(&installed),
            Some(&original.sha256),
            recorded.map(|record| &record.installed),
        ];
        self.refuse_foreign(path, present.as_ref(), &known);
        let content = Content {
            bytes: text.clone(),
            mode: original.mode,
            modified: None,
        };
        push_unless_equal(&mut self.changes, path, present, content);
        let kept = original_path(&original.sha256);
        self.originals.insert(kept, pristine);
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
            self.refuse_foreign(path, present.as_ref(), &[Some(&record.installed)]);
            self.changes.extend(removal(path, present));
        }
        Ok(())
    }

    /// Records a refusal if the file has none of the known contents.
    fn refuse_foreign(&mut self, path: &str, present: Option<&Content>, known: &[Option<&String>]) {
        self.refusals.extend(refusal(path, present, known));
    }

    /// Orders the changes: originals first, the manifest last.
    fn finish(mut self) -> Result<Writes> {
        self.after.directories = directories(self.tree.dir(), self.before, &self.after);
        let mut files = Vec::new();
        for (path, bytes) in self.originals {
            let present = present(self.tree, &path)?;
            push_unless_equal(&mut files, &path, present, text_content(bytes));
        }
        files.append(&mut self.changes);
        let manifest = present(self.tree, MANIFEST)?;
        let text = text_content(self.after.to_bytes());
        push_unless_equal(&mut files, MANIFEST, manifest, text);
        let dropped = self.before.directories.difference(&self.after.directories);
        Ok(Writes {
            changes: Changes {
                command: "install",
                files,
                dropped_directories: dropped.cloned().collect(),
            },
            refusals: self.refusals,
        })
    }
}

/// Computes the changes that restore a tree.
pub(crate) fn to_uninstall(tree: &Tree, manifest: &Manifest) -> Result<Writes> {
    let mut files = Vec::new();
    let mut refusals = Vec::new();
    let mut originals = BTreeSet::new();
    for (path, record) in &manifest.edited {
        let EditedRecord {
            original,
            installed,
            plugins: _,
        } = record;
        let present = present(tree, path)?;
        let known = [Some(installed), Some(&original.sha256)];
        refusals.extend(refusal(path, present.as_ref(), &known));
        let new = Some(Content {
            bytes: read_original(tree.dir(), &original.sha256)?,
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
        originals.insert(original_path(&original.sha256));
    }
    for (path, record) in &manifest.created {
        let present = present(tree, path)?;
        refusals.extend(refusal(path, present.as_ref(), &[Some(&record.installed)]));
        files.extend(removal(path, present));
    }
    for path in originals.iter().map(String::as_str).chain([MANIFEST]) {
        files.extend(removal(path, present(tree, path)?));
    }
    Ok(Writes {
        changes: Changes {
            command: "uninstall",
            files,
            dropped_directories: manifest.directories.clone(),
        },
        refusals,
    })
}

/// A new file, and the plugins that it is made for.
struct Wanted {
    content: Content,
    plugins: Vec<String>,
}

/// Returns all new files of a plan: texts, and binaries if there are any.
fn created_files(
    plan: &Plan,
    binaries: Option<&BTreeMap<String, Vec<u8>>>,
) -> Result<BTreeMap<String, Wanted>> {
    let mut files: BTreeMap<String, Wanted> = plan
        .created
        .iter()
        .map(|(path, file)| {
            let wanted = Wanted {
                content: text_content(file.text.clone()),
                plugins: file.plugins.clone(),
            };
            (path.clone(), wanted)
        })
        .collect();
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
            mode: BINARY_MODE,
            modified: None,
        };
        let plugins = vec![tool.plugin.clone()];
        files.insert(tool.path(), Wanted { content, plugins });
    }
    Ok(files)
}

fn text_content(bytes: Vec<u8>) -> Content {
    Content {
        bytes,
        mode: TEXT_MODE,
        modified: None,
    }
}

/// Returns the state and content of a file before any install.
fn original_of(
    tree: &Tree,
    before: &Manifest,
    path: &str,
    present: Option<&Content>,
) -> Result<(Original, Vec<u8>)> {
    if let Some(record) = before.edited.get(path) {
        let original = record.original.clone();
        let content = read_original(tree.dir(), &original.sha256)?;
        return Ok((original, content));
    }
    // The plan has read this file, so it can only be missing if someone has just removed it.
    let Some(Content {
        bytes,
        mode,
        modified: Some(modified),
    }) = present
    else {
        let full = tree.full(path)?;
        return Err(Error::io("read", &full)(ErrorKind::NotFound.into()));
    };
    let original = Original {
        sha256: sha256(bytes),
        mode: *mode,
        modified: *modified,
    };
    Ok((original, bytes.clone()))
}

/// Returns the refusal of a file whose content is neither the original nor one that an install writes.
fn refusal(path: &str, present: Option<&Content>, known: &[Option<&String>]) -> Option<Refusal> {
    let hash = sha256(&present?.bytes);
    let is_known = known.iter().flatten().any(|known| **known == hash);
    (!is_known).then(|| Refusal::Changed {
        file: path.to_owned(),
    })
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

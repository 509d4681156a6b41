// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Making a tree what a plan says, and giving it back.

use crate::diff;
use crate::disk::{Content, Disk, RealDisk};
use crate::error::{Error, Refusal, Result};
use crate::journal::{self, Change, Changes, Recovery};
use crate::manifest::{
    CreatedRecord, EditedRecord, MANIFEST, Manifest, Original, TimeStamp, foreign_files, is_record,
    original_path, parents, sha256,
};
use crate::plan::Plan;
use crate::tree::{Tree, read_original};
use rustix::fs::{Access, FlockOperation};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The permission bits of a new text, and of a new binary.
const TEXT_MODE: u32 = 0o644;
const BINARY_MODE: u32 = 0o755;
/// All permission bits of a file's mode.
const PERMISSIONS: u32 = 0o7777;

/// What an install or uninstall did, file by file, relative to the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Files that were not there.
    pub made: Vec<String>,
    /// Files that have another content now.
    pub changed: Vec<String>,
    /// Files that are gone.
    pub removed: Vec<String>,
    /// Files in `scripts/lto` that no install made. They were left alone.
    pub foreign: Vec<String>,
}

impl Report {
    /// Whether the tree is as it was.
    pub fn is_unchanged(&self) -> bool {
        let Self {
            made,
            changed,
            removed,
            foreign: _,
        } = self;
        made.is_empty() && changed.is_empty() && removed.is_empty()
    }
}

/// What an install would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// What would be written, removed or put back, texts and binaries.
    pub report: Report,
    /// The difference of the texts, as `diff -u` writes it.
    pub diff: Vec<u8>,
    /// Whether the tree or its record is not as the plan says.
    pub drift: bool,
}

/// Finishes, or sweeps away, what an interrupted install or uninstall left in the tree at `dir`.
/// To be called before [`Tree::open`] by every command that may write.
///
/// Errors: another command is at work in the tree; what was left cannot be finished.
pub fn recover(dir: &Path) -> Result<Recovery> {
    if !dir.join(crate::manifest::RECORD_DIR).exists() {
        return Ok(Recovery::Nothing);
    }
    let _lock = lock(dir)?;
    journal::recover(&mut RealDisk, dir)
}

/// Makes the tree what the plan says. `binaries` has the content of every tool of the plan, by
/// name. What is already as it should be is not written, and keeps its time stamp.
///
/// `discard_changes`: changes made to installed files since they were installed are given up;
/// without it they are refused.
///
/// Errors: [`Error::Refused`] if installed files were changed or the tree may not be written; see
/// [`recover`] for what happens if writing fails.
pub fn install(
    tree: &Tree,
    plan: &Plan,
    binaries: &BTreeMap<String, Vec<u8>>,
    discard_changes: bool,
) -> Result<Report> {
    install_on(&mut RealDisk, tree, plan, binaries, discard_changes)
}

/// What [`install`] would do, but for the content of the binaries: one that is installed and
/// unchanged counts as right. Writes nothing.
pub fn preview(tree: &Tree, plan: &Plan) -> Result<Preview> {
    let Install { changes, .. } = plan_install(tree, plan, None)?;
    let mut report = report(&changes, Vec::new());
    for tool in &plan.tools {
        let path = tool.path();
        match (
            tree.manifest().and_then(|m| m.tool(&tool.name)),
            tree.read_present(&path)?,
        ) {
            (Some(installed), Some(content)) if sha256(&content) == installed => {}
            (_, Some(_)) => report.changed.push(path),
            (_, None) => report.made.push(path),
        }
    }
    let mut text = Vec::new();
    for change in changes
        .files
        .iter()
        .filter(|change| !is_record(&change.path))
    {
        let bytes = |content: &Option<Content>| content.as_ref().map(|c| c.bytes.clone());
        text.extend(diff::unified(
            &change.path,
            bytes(&change.old).as_deref(),
            bytes(&change.new).as_deref(),
        ));
    }
    Ok(Preview {
        drift: !changes.files.is_empty() || !report.is_unchanged(),
        report,
        diff: text,
    })
}

/// Gives the tree back as it was before the first install: content, permissions and time stamps.
///
/// Errors: [`Error::NotInstalled`]; [`Error::Refused`] as for [`install`].
pub fn uninstall(tree: &Tree, discard_changes: bool) -> Result<Report> {
    uninstall_on(&mut RealDisk, tree, discard_changes)
}

pub(crate) fn install_on(
    disk: &mut dyn Disk,
    tree: &Tree,
    plan: &Plan,
    binaries: &BTreeMap<String, Vec<u8>>,
    discard_changes: bool,
) -> Result<Report> {
    let _lock = lock_and_check(tree)?;
    let Install { changes, refusals } = plan_install(tree, plan, Some(binaries))?;
    write(disk, tree, &changes, refusals, discard_changes)
}

pub(crate) fn uninstall_on(
    disk: &mut dyn Disk,
    tree: &Tree,
    discard_changes: bool,
) -> Result<Report> {
    let _lock = lock_and_check(tree)?;
    let manifest = tree.manifest().ok_or_else(|| Error::NotInstalled {
        dir: tree.dir().to_path_buf(),
    })?;
    let Install { changes, refusals } = plan_uninstall(tree, manifest)?;
    write(disk, tree, &changes, refusals, discard_changes)
}

/// The changes of an install or uninstall, and the installed files that they would overwrite
/// although someone changed them.
struct Install {
    changes: Changes,
    refusals: Vec<Refusal>,
}

fn write(
    disk: &mut dyn Disk,
    tree: &Tree,
    changes: &Changes,
    mut refusals: Vec<Refusal>,
    discard_changes: bool,
) -> Result<Report> {
    if discard_changes {
        refusals.clear();
    }
    refusals.extend(without_access(tree.dir(), changes));
    if !refusals.is_empty() {
        return Err(Error::Refused {
            dir: tree.dir().to_path_buf(),
            refusals,
        });
    }
    if !changes.files.is_empty() {
        journal::commit(disk, tree.dir(), changes)?;
    }
    let manifest = Manifest::read(tree.dir())?;
    let foreign = foreign_files(tree.dir(), manifest.as_ref())?;
    Ok(report(changes, foreign))
}

fn report(changes: &Changes, foreign: Vec<String>) -> Report {
    let mut report = Report {
        foreign,
        ..Report::default()
    };
    for Change { path, old, new } in &changes.files {
        if is_record(path) {
            continue;
        }
        match (old, new) {
            (None, _) => report.made.push(path.clone()),
            (Some(_), Some(_)) => report.changed.push(path.clone()),
            (Some(_), None) => report.removed.push(path.clone()),
        }
    }
    report
}

/// Computes what must be written for a plan. Without `binaries`, those that are recorded stay, and
/// those that are not are left out.
fn plan_install(
    tree: &Tree,
    plan: &Plan,
    binaries: Option<&BTreeMap<String, Vec<u8>>>,
) -> Result<Install> {
    let none = Manifest::new("", Vec::new());
    let before = tree.manifest().unwrap_or(&none);
    let mut after = Manifest::new(&plan.version, plan.plugins.clone());
    let mut originals = BTreeMap::new();
    let mut edits = Vec::new();
    let mut creations = Vec::new();
    let mut refusals = Vec::new();

    let edited: BTreeSet<&String> = plan.edited.keys().chain(before.edited.keys()).collect();
    for path in edited {
        let present = present(tree, path)?;
        let (original, pristine) = original_of(tree, before, path, present.as_ref())?;
        let (text, plugins) = match plan.edited.get(path) {
            Some(file) => (&file.text, file.plugins.clone()),
            None => (&pristine, Vec::new()),
        };
        let installed = sha256(text);
        if let Some(present) = &present
            && is_foreign_text(
                &present.bytes,
                [
                    Some(&installed),
                    Some(&original.sha256),
                    before.edited.get(path).map(|record| &record.installed),
                ],
            )
        {
            refusals.push(Refusal::Changed { file: path.clone() });
        }
        let content = Content {
            bytes: text.clone(),
            mode: original.mode,
            modified: None,
        };
        push_unless_equal(&mut edits, path, present, content);
        originals.insert(original_path(&original.sha256), pristine);
        let record = EditedRecord {
            original,
            installed,
            plugins,
        };
        after.edited.insert(path.clone(), record);
    }

    let kept_tools: BTreeSet<String> = match binaries {
        Some(_) => BTreeSet::new(),
        None => plan.tools.iter().map(crate::plan::Tool::path).collect(),
    };
    for (path, wanted) in created_files(plan, binaries)? {
        let present = present(tree, &path)?;
        let installed = sha256(&wanted.content.bytes);
        if let Some(present) = &present
            && is_foreign_text(
                &present.bytes,
                [
                    Some(&installed),
                    before.created.get(&path).map(|record| &record.installed),
                    None,
                ],
            )
        {
            refusals.push(Refusal::Changed { file: path.clone() });
        }
        push_unless_equal(&mut creations, &path, present, wanted.content);
        let record = CreatedRecord {
            installed,
            plugins: wanted.plugins,
        };
        after.created.insert(path, record);
    }
    for path in &kept_tools {
        if let Some(record) = before.created.get(path) {
            after.created.insert(path.clone(), record.clone());
        }
    }
    let mut removals = Vec::new();
    for (path, record) in &before.created {
        if after.created.contains_key(path) || kept_tools.contains(path) {
            continue;
        }
        let change = removal(tree, path)?;
        if let Some(Change { old: Some(old), .. }) = &change
            && sha256(&old.bytes) != record.installed
        {
            refusals.push(Refusal::Changed { file: path.clone() });
        }
        removals.extend(change);
    }

    after.directories = directories(tree.dir(), before, &after);
    let mut files = Vec::new();
    for (path, bytes) in originals {
        let present = present(tree, &path)?;
        push_unless_equal(&mut files, &path, present, text_content(bytes));
    }
    files.extend(creations);
    files.extend(edits);
    files.extend(removals);
    let manifest = present(tree, MANIFEST)?;
    push_unless_equal(
        &mut files,
        MANIFEST,
        manifest,
        text_content(after.to_bytes()),
    );
    let dropped = before.directories.difference(&after.directories).cloned();
    Ok(Install {
        changes: Changes {
            command: "install",
            files,
            dropped_directories: dropped.collect(),
        },
        refusals,
    })
}

fn plan_uninstall(tree: &Tree, manifest: &Manifest) -> Result<Install> {
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
        if let Some(present) = &present
            && is_foreign_text(
                &present.bytes,
                [Some(installed), Some(&original.sha256), None],
            )
        {
            refusals.push(Refusal::Changed { file: path.clone() });
        }
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
        let change = removal(tree, path)?;
        if let Some(Change { old: Some(old), .. }) = &change
            && sha256(&old.bytes) != record.installed
        {
            refusals.push(Refusal::Changed { file: path.clone() });
        }
        files.extend(change);
    }
    for path in originals.iter().map(String::as_str).chain([MANIFEST]) {
        files.extend(removal(tree, path)?);
    }
    Ok(Install {
        changes: Changes {
            command: "uninstall",
            files,
            dropped_directories: manifest.directories.clone(),
        },
        refusals,
    })
}

/// A new file, and for whom it is made.
struct Wanted {
    content: Content,
    plugins: Vec<String>,
}

/// All new files of a plan: texts, and the binaries if there are any.
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

/// How a file was before any install, and its content then.
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
    // The plan has read it, so that it is missing only if someone removed it since.
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

/// Whether a text is none of those that an install wrote, found, or is about to write.
fn is_foreign_text(text: &[u8], known: [Option<&String>; 3]) -> bool {
    let hash = sha256(text);
    !known.into_iter().flatten().any(|known| *known == hash)
}

/// What stands at `path` now.
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

/// Adds the change of a file, unless it has the content already, and is executable if it should
/// be. Other permission bits are the user's: a tree may be shared with a group, or not.
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

/// The removal of a file, if it is there.
fn removal(tree: &Tree, path: &str) -> Result<Option<Change>> {
    Ok(present(tree, path)?.map(|old| Change {
        path: path.to_owned(),
        old: Some(old),
        new: None,
    }))
}

/// The directories that are there, or will be, only for what is installed.
fn directories(dir: &Path, before: &Manifest, after: &Manifest) -> BTreeSet<String> {
    after
        .created
        .keys()
        .flat_map(|path| parents(path))
        .filter(|path| before.directories.contains(*path) || !dir.join(path).exists())
        .map(str::to_owned)
        .collect()
}

/// The directories in which something must be written and may not be.
fn without_access(dir: &Path, changes: &Changes) -> Vec<Refusal> {
    // A replaced file changes a name in its directory; a made directory one in its parent.
    let directories: BTreeSet<&Path> = changes
        .files
        .iter()
        .filter_map(|change| Path::new(&change.path).parent())
        .filter_map(|parent| parent.ancestors().find(|path| dir.join(path).exists()))
        .collect();
    directories
        .into_iter()
        .filter_map(|directory| {
            let full = dir.join(directory);
            let error = rustix::fs::access(&full, Access::WRITE_OK | Access::EXEC_OK).err()?;
            Some(Refusal::NoAccess {
                directory: full.display().to_string(),
                reason: std::io::Error::from(error).to_string(),
            })
        })
        .collect()
}

/// Locks a tree against other installs and uninstalls, until the result is dropped.
fn lock(dir: &Path) -> Result<File> {
    let file = File::open(dir).map_err(Error::io("open", dir))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Busy {
            dir: dir.to_path_buf(),
        }),
        // Some network file systems lock no directories: there, two commands at once are the
        // user's to avoid.
        Ok(()) | Err(_) => Ok(file),
    }
}

/// Locks the tree, and makes sure that it is still as it was when it was opened.
fn lock_and_check(tree: &Tree) -> Result<File> {
    let file = lock(tree.dir())?;
    let changed =
        journal::is_pending(tree.dir())? || Manifest::read(tree.dir())?.as_ref() != tree.manifest();
    if changed {
        return Err(Error::Busy {
            dir: tree.dir().to_path_buf(),
        });
    }
    Ok(file)
}

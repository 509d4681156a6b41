// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Installs a plan into a tree, and restores the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use rustix::fs::{Access, FlockOperation};

use crate::attributes::Attributes;
use crate::changes::{Writes, to_install, to_uninstall, to_uninstall_by_text};
use crate::diff;
use crate::disk::{Content, Disk, RealDisk};
use crate::error::{Error, Refusal, Result};
use crate::journal::{self, Change, Changes, Recovery};
use crate::manifest::{Manifest, foreign_files};
use crate::on_change::OnChange;
use crate::paths::{BIN_DIR, LTO_DIR, check_directories, is_record, is_under};
use crate::plan::{Plan, not_plain};
use crate::tree::Tree;
use crate::unrecorded::Unrecorded;

/// The files that an install or uninstall changed, relative to the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// New files.
    pub made: Vec<String>,
    /// Files with new content.
    pub changed: Vec<String>,
    /// Removed files.
    pub removed: Vec<String>,
    /// Files in `scripts/lto` that no install made; they were not touched.
    pub foreign: Vec<String>,
    /// Attributes that edited files lost, and names that no longer share them, because they were replaced.
    pub notes: Vec<String>,
    /// Changed files with marks at places that only the user can put together.
    pub unresolved: Vec<String>,
}

impl Report {
    /// Returns whether nothing was changed.
    pub fn is_unchanged(&self) -> bool {
        let Self {
            made,
            changed,
            removed,
            foreign: _,
            notes: _,
            unresolved: _,
        } = self;
        made.is_empty() && changed.is_empty() && removed.is_empty()
    }
}

/// The changes that an install would make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// The files that would be written, removed or restored, texts and binaries.
    pub report: Report,
    /// The difference of the texts, as `diff -u` writes it.
    pub diff: Vec<u8>,
    /// Returns whether the tree or its record differs from the plan.
    pub drift: bool,
    /// The reasons why the install would be refused.
    pub refusals: Vec<Refusal>,
}

/// Finishes an interrupted install or uninstall in the tree at `dir`, or removes its staged files.
/// Every command that may write must call this before [`Tree::open`].
///
/// Errors: another command is running in the tree; the interrupted command cannot be finished.
pub fn recover(dir: &Path) -> Result<Recovery> {
    if !dir.join(LTO_DIR).exists() {
        return Ok(Recovery::Nothing);
    }
    let _lock = lock(dir)?;
    journal::recover(&mut RealDisk, dir)
}

/// Installs the plan. `binaries` has the content of every tool of the plan, by name. Unchanged files
/// are not rewritten, and keep their time stamps.
///
/// `on_change` decides about installed lines and files that were changed meanwhile. Other changes of
/// edited files are kept.
///
/// Errors: [`Error::Refused`] if changed files are refused or the tree cannot be written; see
/// [`recover`] for what happens if writing fails.
pub fn install(
    tree: &Tree,
    plan: &Plan,
    binaries: &BTreeMap<String, Vec<u8>>,
    on_change: OnChange,
) -> Result<Report> {
    install_on(&mut RealDisk, tree, plan, binaries, on_change)
}

/// Checks whether [`install`] would refuse the plan, before the binaries are built. Returns the changes
/// of installed files that would be lost, as a difference.
pub fn check_install(tree: &Tree, plan: &Plan, on_change: OnChange) -> Result<Vec<u8>> {
    let writes = allowed(tree, to_install(tree, plan, None, on_change)?)?;
    Ok(writes.changed.lost)
}

/// Checks whether [`uninstall`] would refuse the tree. Returns the changes of installed files that would be
/// lost, as a difference.
pub fn check_uninstall(tree: &Tree, on_change: OnChange) -> Result<Vec<u8>> {
    let writes = allowed(tree, to_uninstall(tree, installed(tree)?, on_change)?)?;
    Ok(writes.changed.lost)
}

/// Returns the changes that [`install`] would make, and the reasons why it would refuse, and writes nothing.
/// Changes of installed lines and files are part of the difference, as if they were given up.
pub fn preview(tree: &Tree, plan: &Plan, binaries: &BTreeMap<String, Vec<u8>>) -> Result<Preview> {
    let writes = to_install(tree, plan, Some(binaries), OnChange::Refuse)?;
    let changes = writes.changes.clone();
    let refusals = match allowed(tree, writes) {
        Err(Error::Refused { refusals, .. }) => refusals,
        result => {
            result?;
            Vec::new()
        }
    };
    let mut text = Vec::new();
    for change in changes
        .files
        .iter()
        .filter(|change| !is_record(&change.path) && !is_under(&change.path, BIN_DIR))
    {
        let bytes = |content: &Option<Content>| content.as_ref().map(|c| c.bytes.clone());
        text.extend(diff::unified(
            &change.path,
            bytes(&change.old).as_deref(),
            bytes(&change.new).as_deref(),
        ));
    }
    Ok(Preview {
        drift: !changes.files.is_empty(),
        report: report(&changes),
        diff: text,
        refusals,
    })
}

/// Restores the tree as it was before the first install: content, permissions and time stamps. Lines that
/// were changed meanwhile, and that no plugin edits, keep their changes.
///
/// Errors: [`Error::NotInstalled`]; [`Error::Refused`] as for [`install`].
pub fn uninstall(tree: &Tree, on_change: OnChange) -> Result<Report> {
    uninstall_on(&mut RealDisk, tree, on_change)
}

/// Takes out an install without record, by the texts that it wrote. Permissions stay, and the time stamps of
/// the edited files are those of now.
///
/// Errors: [`Error::Refused`] if lines of plugins were changed or the tree cannot be written.
pub fn uninstall_by_text(tree: &Tree, found: &Unrecorded) -> Result<Report> {
    uninstall_by_text_on(&mut RealDisk, tree, found)
}

pub(crate) fn uninstall_by_text_on(
    disk: &mut dyn Disk,
    tree: &Tree,
    found: &Unrecorded,
) -> Result<Report> {
    let _lock = lock_and_check(tree)?;
    write(disk, tree, to_uninstall_by_text(tree, found)?)
}

pub(crate) fn install_on(
    disk: &mut dyn Disk,
    tree: &Tree,
    plan: &Plan,
    binaries: &BTreeMap<String, Vec<u8>>,
    on_change: OnChange,
) -> Result<Report> {
    let _lock = lock_and_check(tree)?;
    write(
        disk,
        tree,
        to_install(tree, plan, Some(binaries), on_change)?,
    )
}

pub(crate) fn uninstall_on(
    disk: &mut dyn Disk,
    tree: &Tree,
    on_change: OnChange,
) -> Result<Report> {
    let _lock = lock_and_check(tree)?;
    write(disk, tree, to_uninstall(tree, installed(tree)?, on_change)?)
}

fn installed(tree: &Tree) -> Result<&Manifest> {
    tree.manifest().ok_or_else(|| Error::NotInstalled {
        dir: tree.dir().to_path_buf(),
    })
}

fn write(disk: &mut dyn Disk, tree: &Tree, writes: Writes) -> Result<Report> {
    let Writes { changes, changed } = allowed(tree, writes)?;
    let before = attributes(tree, &changes);
    if !changes.files.is_empty() {
        journal::commit(disk, tree.dir(), &changes)?;
    }
    let manifest = Manifest::read(tree.dir())?;
    Ok(Report {
        foreign: foreign_files(tree.dir(), manifest.as_ref())?,
        notes: lost_attributes(tree, &before),
        unresolved: changed.unresolved,
        ..report(&changes)
    })
}

/// Returns the attributes of the files that are replaced, by path. Files of the record do not matter.
fn attributes(tree: &Tree, changes: &Changes) -> BTreeMap<String, Attributes> {
    let replaced = changes
        .files
        .iter()
        .filter(|change| change.old.is_some() && change.new.is_some() && !is_record(&change.path));
    replaced
        .filter_map(|change| {
            let found = Attributes::of(&tree.dir().join(&change.path)).ok()?;
            Some((change.path.clone(), found))
        })
        .collect()
}

/// Returns a line for each attribute that a replaced file does not have any more.
fn lost_attributes(tree: &Tree, before: &BTreeMap<String, Attributes>) -> Vec<String> {
    let mut notes = Vec::new();
    for (path, before) in before {
        if let Ok(after) = Attributes::of(&tree.dir().join(path)) {
            let lost = before.lost(&after);
            notes.extend(lost.iter().map(|lost| format!("{path}: {lost}")));
        }
    }
    notes
}

/// Returns the changes, unless there is a reason to refuse them.
fn allowed(tree: &Tree, mut writes: Writes) -> Result<Writes> {
    let mut refusals = std::mem::take(&mut writes.changed.refusals);
    refusals.extend(without_access(tree.dir(), &writes.changes));
    for Change { path, new, .. } in &writes.changes.files {
        match new {
            Some(_) => refusals.extend(not_plain(tree.dir(), path)?),
            // A link that is to be removed is removed itself; what it leads to stays.
            None => check_directories(tree.dir(), path)?,
        }
    }
    refusals.dedup();
    if refusals.is_empty() {
        return Ok(writes);
    }
    Err(Error::Refused {
        dir: tree.dir().to_path_buf(),
        refusals,
    })
}

/// Returns the files that are changed, without those of the record.
fn report(changes: &Changes) -> Report {
    let mut report = Report::default();
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

/// Returns the directories that must be written and cannot be.
fn without_access(dir: &Path, changes: &Changes) -> Vec<Refusal> {
    // Replacing a file changes a name in its directory; making a directory changes one in its parent.
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

/// The lock of the command that may write to a tree.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Unlock explicitly, because a child process that is just being started may share the file
        // until it begins to run. This cannot fail while the lock is held.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// Locks a tree against other installs and uninstalls.
fn lock(dir: &Path) -> Result<Lock> {
    let file = File::open(dir).map_err(Error::io("open", dir))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Busy {
            dir: dir.to_path_buf(),
        }),
        // Some network file systems cannot lock directories. There, the user must not run two
        // commands at once.
        Ok(()) | Err(_) => Ok(Lock(file)),
    }
}

/// Locks the tree, and checks that it is unchanged since it was opened.
fn lock_and_check(tree: &Tree) -> Result<Lock> {
    let lock = lock(tree.dir())?;
    let changed =
        journal::is_pending(tree.dir())? || Manifest::read(tree.dir())?.as_ref() != tree.manifest();
    if changed {
        return Err(Error::Busy {
            dir: tree.dir().to_path_buf(),
        });
    }
    Ok(lock)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod update_tests;

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Replaces many files as if they were one.
//!
//! 1. Every new content is written beside the record and synced, and every file that it replaces gets a second
//!    name there,
//!    together with two journals that list all replacements: one to go forward, one to go back.
//!    Missing directories are made. If the disk is full, the command fails here, before any file of
//!    the tree is touched.
//! 2. The forward journal is renamed into place. From here on the change counts as decided.
//! 3. The staged files are renamed into place, and other files are removed. This needs no space.
//! 4. The journal is renamed again, so that it says that all is done; the remaining staged files are
//!    removed, and it last.
//!
//! After a kill before step 2, there are only staged files, which the next command removes. After a
//! kill following step 2, the next command continues with step 3. If a step of 3 fails, the backward
//! journal is renamed over the forward one, and the replaced files are renamed back.

mod steps;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use self::steps::{
    BACK_JOURNAL, DONE_JOURNAL, Direction, Found, JOURNAL, Journal, NEW_DIR, NEXT_JOURNAL, OLD_DIR,
    Step,
};
use crate::disk::{Content, Disk};
use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::paths::{LTO_DIR, ORIGINALS_DIR, RECORD_DIR, check_directories, full_path, parents};

/// One file to be replaced, made or removed.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// Relative to the tree.
    pub path: String,
    /// The present content.
    pub old: Option<Content>,
    /// The new content.
    pub new: Option<Content>,
}

/// Many files to be changed together.
#[derive(Debug, Clone)]
pub(crate) struct Changes {
    /// `install` or `uninstall`.
    pub command: &'static str,
    pub files: Vec<Change>,
    /// Directories that are removed if they are empty.
    pub dropped_directories: BTreeSet<String>,
}

/// The outcome of looking for an interrupted command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// There was none.
    Nothing,
    /// The command had not begun to change the tree, or was done; what it left was removed.
    Swept,
    /// The command was finished.
    Finished {
        /// `install` or `uninstall`.
        command: String,
    },
    /// The command had failed and was being undone; the undo was finished.
    Undone {
        /// `install` or `uninstall`.
        command: String,
    },
}

/// Returns whether a command was interrupted after its change was decided.
pub(crate) fn is_pending(dir: &Path) -> Result<bool> {
    let path = dir.join(JOURNAL);
    path.try_exists().map_err(Error::io("look at", &path))
}

/// Makes all changes, or none.
///
/// Errors: [`Error::File`] if nothing was changed, [`Error::Undone`] if everything was restored,
/// [`Error::HalfWay`] if neither could be done and the journal stays.
pub(crate) fn commit(disk: &mut dyn Disk, dir: &Path, changes: &Changes) -> Result<()> {
    check_staging(dir)?;
    let mut writer = Writer { disk, dir };
    let journal = match writer.stage(changes) {
        Ok(journal) => journal,
        Err(error) => {
            writer.give_up_staging();
            return Err(without_space(error, dir, changes));
        }
    };
    writer.forward_or_back(&journal)
}

/// Finishes an interrupted command. The caller holds the lock.
pub(crate) fn recover(disk: &mut dyn Disk, dir: &Path) -> Result<Recovery> {
    check_staging(dir)?;
    let mut writer = Writer { disk, dir };
    let Some(journal) = Journal::read(dir, JOURNAL)? else {
        // The command had done its work, and was sweeping.
        let done = Journal::read(dir, DONE_JOURNAL)?;
        let swept = writer.sweep()?;
        return Ok(match done {
            Some(journal) => Recovery::of(&journal),
            None if swept => Recovery::Swept,
            None => Recovery::Nothing,
        });
    };
    match journal.direction {
        Direction::Forward => writer.forward_or_back(&journal)?,
        Direction::Back => writer.back(&journal)?,
    }
    Ok(Recovery::of(&journal))
}

impl Recovery {
    fn of(journal: &Journal) -> Self {
        let command = journal.command.clone();
        match journal.direction {
            Direction::Forward => Self::Finished { command },
            Direction::Back => Self::Undone { command },
        }
    }
}

/// Checks that the directories of the record are those of the tree, and no links.
fn check_staging(dir: &Path) -> Result<()> {
    for directory in [NEW_DIR, OLD_DIR, ORIGINALS_DIR] {
        check_directories(dir, &staged(directory, 0))?;
    }
    Ok(())
}

/// Says of a full disk how much space the command needs.
fn without_space(error: Error, dir: &Path, changes: &Changes) -> Error {
    /// A block for each staged file, and room for the journals.
    const BLOCK: u64 = 4096;
    match error {
        Error::File(kernel_facts::Error::Io { source, .. })
            if matches!(
                source.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            ) =>
        {
            let new = changes
                .files
                .iter()
                .filter_map(|change| change.new.as_ref());
            let blocks = new.map(|content| (content.bytes.len() as u64).div_ceil(BLOCK) + 1);
            let n_journal_blocks = 4 + changes.files.len() as u64 / 8;
            Error::NoSpace {
                dir: dir.to_path_buf(),
                command: changes.command,
                kilobytes: (blocks.sum::<u64>() + n_journal_blocks) * BLOCK / 1024,
                source,
            }
        }
        error => error,
    }
}

struct Writer<'a> {
    disk: &'a mut dyn Disk,
    dir: &'a Path,
}

impl Writer<'_> {
    /// Writes everything beside the record, then the journal.
    fn stage(&mut self, changes: &Changes) -> Result<Journal> {
        let Changes {
            command,
            files,
            dropped_directories,
        } = changes;
        for directory in [LTO_DIR, RECORD_DIR, NEW_DIR, OLD_DIR] {
            self.make_dir(directory)?;
        }
        let mut steps = Vec::new();
        for (index, change) in files.iter().enumerate() {
            let Change { path, old, new } = change;
            let like = self.owner_like(path)?;
            if let Some(content) = new {
                let staged = self.dir.join(staged(NEW_DIR, index));
                self.write(&staged, content, &like)?;
            }
            if let Some(content) = old {
                self.stage_old(path, index, content, &like)?;
            }
            let hash = |content: &Option<Content>| content.as_ref().map(|c| sha256(&c.bytes));
            steps.push(Step {
                path: path.clone(),
                old: hash(old),
                new: hash(new),
            });
        }
        let made: BTreeSet<&str> = files
            .iter()
            .filter(|change| change.new.is_some())
            .flat_map(|change| parents(&change.path))
            .filter(|directory| !self.dir.join(directory).exists())
            .collect();
        let back = Journal {
            format: steps::FORMAT,
            command: (*command).to_owned(),
            direction: Direction::Back,
            steps,
            made_directories: made.into_iter().map(str::to_owned).collect(),
            dropped_directories: dropped_directories.iter().rev().cloned().collect(),
        };
        let forward = Journal {
            direction: Direction::Forward,
            ..back.clone()
        };
        // Written first: this journal is needed to find directories that were made in vain.
        self.write_journal(BACK_JOURNAL, &back)?;
        for directory in &back.made_directories {
            self.make_dir(directory)?;
        }
        self.write_journal(NEXT_JOURNAL, &forward)?;
        for directory in [NEW_DIR, OLD_DIR, RECORD_DIR, LTO_DIR, "scripts"] {
            self.sync_dir(directory)?;
        }
        self.rename(NEXT_JOURNAL, JOURNAL)?;
        self.sync_dir(RECORD_DIR)?;
        Ok(forward)
    }

    /// Keeps the content that a step replaces or removes: by a second name of the file, which needs no space
    /// and keeps all that belongs to it, or by a copy.
    fn stage_old(&mut self, path: &str, index: usize, old: &Content, like: &Path) -> Result<()> {
        let staged = self.dir.join(staged(OLD_DIR, index));
        match self.disk.link(&self.dir.join(path), &staged) {
            Ok(()) => Ok(()),
            // Some file systems know no second name, and some users may not give one to a file of others.
            Err(_) => self.write(&staged, old, like),
        }
    }

    fn write(&mut self, path: &Path, content: &Content, like: &Path) -> Result<()> {
        self.disk
            .write(path, content, like)
            .map_err(Error::io("write", path))
    }

    fn write_journal(&mut self, path: &str, journal: &Journal) -> Result<()> {
        let full = self.dir.join(path);
        let record_dir = self.dir.join(RECORD_DIR);
        self.write(&full, &journal.to_content(), &record_dir)
    }

    /// Removes the staged files after a failure before anything was replaced. The next command
    /// removes those that cannot be removed now.
    fn give_up_staging(&mut self) {
        let journal_is_gone = !self.dir.join(JOURNAL).exists() || self.remove_file(JOURNAL).is_ok();
        if journal_is_gone {
            let _ = self.sweep();
        }
    }

    /// Makes the changes of a journal, and undoes them if one fails.
    fn forward_or_back(&mut self, journal: &Journal) -> Result<()> {
        let Err(error) = self.forward(journal) else {
            return Ok(());
        };
        if !is_pending(self.dir)? {
            // Only the staged files remain, and the next command removes them.
            return Err(error);
        }
        match self.turn_back(journal) {
            Ok(()) => Err(Error::Undone(Box::new(error))),
            Err(undo) => Err(Error::HalfWay {
                command: journal.command.clone(),
                undo: Box::new(undo),
                source: Box::new(error),
            }),
        }
    }

    fn turn_back(&mut self, journal: &Journal) -> Result<()> {
        self.rename(BACK_JOURNAL, JOURNAL)?;
        self.sync_dir(RECORD_DIR)?;
        self.back(journal)
    }

    fn forward(&mut self, journal: &Journal) -> Result<()> {
        for (index, step) in journal.steps.iter().enumerate() {
            self.step_forward(index, step, journal)?;
        }
        self.finish(journal)
    }

    fn step_forward(&mut self, index: usize, step: &Step, journal: &Journal) -> Result<()> {
        let target = self.dir.join(&step.path);
        let staged = staged(NEW_DIR, index);
        if step.new.is_some() && !self.dir.join(&staged).exists() {
            // It was renamed into place before an interruption.
            return Ok(());
        }
        let found = Found::at(&target)?;
        if !found.is(step.old.as_ref()) && !found.is(step.new.as_ref()) {
            return Err(Error::Conflict {
                path: step.path.clone(),
                command: journal.command.clone(),
                kept: None,
            });
        }
        match (&step.new, found) {
            (Some(_), _) => self.rename(&staged, &step.path),
            (None, Found::Hash(_)) => self.remove_file(&step.path),
            (None, Found::Nothing) => Ok(()),
        }
    }

    fn back(&mut self, journal: &Journal) -> Result<()> {
        for (index, step) in journal.steps.iter().enumerate().rev() {
            self.step_back(index, step, journal)?;
        }
        self.remove_empty(journal.made_directories.iter().rev())?;
        self.finish(journal)
    }

    fn step_back(&mut self, index: usize, step: &Step, journal: &Journal) -> Result<()> {
        let target = self.dir.join(&step.path);
        let staged_old = staged(OLD_DIR, index);
        if step.old.is_some() && !self.dir.join(&staged_old).exists() {
            // It was renamed back before an interruption.
            return Ok(());
        }
        let found = Found::at(&target)?;
        if found.is(step.old.as_ref()) {
            return Ok(());
        }
        if !found.is(step.new.as_ref()) {
            if self.dir.join(staged(NEW_DIR, index)).exists() {
                // This file was never replaced, so its content must not be touched.
                return Ok(());
            }
            return Err(Error::Conflict {
                path: step.path.clone(),
                command: journal.command.clone(),
                kept: step.old.is_some().then_some(staged_old),
            });
        }
        match &step.old {
            Some(_) => self.rename(&staged_old, &step.path),
            None => self.remove_file(&step.path),
        }
    }

    /// Syncs all names, then removes the journal.
    fn finish(&mut self, journal: &Journal) -> Result<()> {
        let directories: BTreeSet<&str> = journal
            .steps
            .iter()
            .flat_map(|step| parents(&step.path))
            .collect();
        for directory in directories {
            if self.dir.join(directory).exists() {
                self.sync_dir(directory)?;
            }
        }
        self.rename(JOURNAL, DONE_JOURNAL)?;
        self.sync_dir(RECORD_DIR)?;
        self.sweep()?;
        Ok(())
    }

    fn remove_empty<'d>(
        &mut self,
        directories: impl IntoIterator<Item = &'d String>,
    ) -> Result<()> {
        for directory in directories {
            self.remove_dir_if_empty(directory)?;
        }
        Ok(())
    }

    /// Removes the staged files, and our directories that are empty. Returns whether there were any.
    fn sweep(&mut self) -> Result<bool> {
        let mut swept = false;
        for directory in [NEW_DIR, OLD_DIR] {
            let full = self.dir.join(directory);
            let entries = match fs::read_dir(&full) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("list", &full)(error)),
            };
            for entry in entries {
                let path = entry.map_err(Error::io("list", &full))?.path();
                self.disk
                    .remove_file(&path)
                    .map_err(Error::io("remove", &path))?;
            }
            swept |= self.remove_dir_if_empty(directory)?;
        }
        // If a journal is incomplete, its directories have not been made yet. The other directories
        // are removed here and not in `forward`, so that `back` always finds them.
        if let Ok(Some(journal)) = Journal::read(self.dir, BACK_JOURNAL) {
            self.remove_empty(journal.made_directories.iter().rev())?;
            self.remove_empty(&journal.dropped_directories)?;
        }
        for journal in [NEXT_JOURNAL, BACK_JOURNAL, DONE_JOURNAL] {
            if self.dir.join(journal).exists() {
                self.remove_file(journal)?;
                swept = true;
            }
        }
        for directory in [ORIGINALS_DIR, RECORD_DIR, LTO_DIR] {
            swept |= self.remove_dir_if_empty(directory)?;
        }
        Ok(swept)
    }

    /// Returns the file or directory whose owner a new file at `path` gets.
    fn owner_like(&self, path: &str) -> Result<PathBuf> {
        let full = full_path(self.dir, path)?;
        Ok(full
            .ancestors()
            .find(|ancestor| ancestor.exists())
            .unwrap_or(self.dir)
            .to_path_buf())
    }

    fn make_dir(&mut self, path: &str) -> Result<()> {
        let full = self.dir.join(path);
        if full.is_dir() {
            return Ok(());
        }
        let like = self.owner_like(path)?;
        self.disk
            .make_dir(&full, &like)
            .map_err(Error::io("make the directory", &full))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        let to = self.dir.join(to);
        self.disk
            .rename(&self.dir.join(from), &to)
            .map_err(Error::io("replace", &to))
    }

    fn remove_file(&mut self, path: &str) -> Result<()> {
        let full = self.dir.join(path);
        self.disk
            .remove_file(&full)
            .map_err(Error::io("remove", &full))
    }

    fn sync_dir(&mut self, path: &str) -> Result<()> {
        let full = self.dir.join(path);
        self.disk.sync_dir(&full).map_err(Error::io("sync", &full))
    }

    /// Removes a directory if it is empty; returns whether it was removed.
    fn remove_dir_if_empty(&mut self, path: &str) -> Result<bool> {
        let full = self.dir.join(path);
        match is_empty_dir(&full) {
            Ok(true) => {
                self.disk
                    .remove_dir(&full)
                    .map_err(Error::io("remove", &full))?;
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => Err(Error::io("list", &full)(error)),
        }
    }
}

/// Returns the path of the staged content of the step with this index, relative to the tree.
fn staged(directory: &str, index: usize) -> String {
    format!("{directory}/{index}")
}

/// Returns false for a missing file, and for anything other than a directory.
fn is_empty_dir(path: &Path) -> io::Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The errors of this crate, in the words that a user reads.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::description::EditsError;
use crate::mismatch::Mismatch;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate. Each names its file and, if the user can do something, says what.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory is no kernel tree, or a file or directory could not be read or written.
    #[error(transparent)]
    File(#[from] kernel_facts::Error),
    /// There is no such directory.
    #[error("{}: there is no such directory: check --tree", dir.display())]
    NoDirectory {
        /// The directory.
        dir: PathBuf,
    },
    /// Plugins are installed in a tree that lacks a file that every kernel tree has.
    #[error(
        "{} has no {}, but plugins are installed there: bring back what is missing, for example by git, and run \
         the command again",
        dir.display(), missing.join(", no ")
    )]
    Incomplete {
        /// The directory.
        dir: PathBuf,
        /// The missing files.
        missing: Vec<&'static str>,
    },
    /// A path leaves the tree, or goes through something other than a plain directory.
    #[error("{path}: {reason}")]
    Path {
        /// The path as given.
        path: String,
        /// The fault.
        reason: String,
    },
    /// A plugin's `edits.toml` is wrong.
    #[error("kconfig/{plugin}/edits.toml")]
    Edits {
        /// The plugin, or `hooks`.
        plugin: String,
        /// The fault.
        source: EditsError,
    },
    /// The plugin table contradicts itself.
    #[error("the plugin table: {0}")]
    Table(String),
    /// The chosen plugins cannot be installed together.
    #[error("{0}")]
    Selection(String),
    /// A plugin could not compute its files from the tree.
    #[error("{plugin}")]
    Generate {
        /// The plugin.
        plugin: String,
        /// Its error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tree differs from what the plugins expect. All reasons are listed; nothing was written.
    #[error("{}: the tree was not changed:{}", dir.display(), listed(refusals))]
    Refused {
        /// The tree.
        dir: PathBuf,
        /// All reasons.
        refusals: Vec<Refusal>,
    },
    /// An earlier install or uninstall was interrupted, and this command must not write.
    #[error(
        "{}: an install or uninstall was interrupted; `cargo xtask status --tree {}` finishes it",
        dir.display(), dir.display()
    )]
    Interrupted {
        /// The tree.
        dir: PathBuf,
    },
    /// Another process is changing the tree.
    #[error("{}: another install or uninstall is running there; wait for it to end", dir.display())]
    Busy {
        /// The tree.
        dir: PathBuf,
    },
    /// Nothing is installed.
    #[error(
        "{}: nothing is installed there: it has no scripts/lto/.install/manifest.json",
        dir.display()
    )]
    NotInstalled {
        /// The tree.
        dir: PathBuf,
    },
    /// Plugins are installed, and their record is gone.
    #[error(
        "{}: installed, without record: {}; edited: {}. The record, scripts/lto/.install, was removed, or not \
         copied or committed with the rest: bring it back, or take the plugins out by their texts: \
         `cargo xtask uninstall --tree {} --by-text`",
        dir.display(), some_of(plugins), some_of(edited), dir.display()
    )]
    Unrecorded {
        /// The tree.
        dir: PathBuf,
        /// The plugins.
        plugins: Vec<String>,
        /// The edited files.
        edited: Vec<String>,
    },
    /// The record of an install cannot be used.
    #[error(
        "{}: {reason}; bring the record back, or remove the folder .install and take the plugins out by their \
         texts: `cargo xtask uninstall --by-text`",
        path.display()
    )]
    Record {
        /// The manifest, journal or kept original.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// While files were being replaced, one had neither the old nor the new content.
    #[error(
        "{path} was changed by someone else in the middle of the {command}{}",
        former_content(kept.as_deref())
    )]
    Conflict {
        /// The file.
        path: String,
        /// `install` or `uninstall`.
        command: String,
        /// The file with the earlier content, if the user needs it to go on.
        kept: Option<String>,
    },
    /// The disk has no space for the new contents.
    #[error(
        "{}: its disk is full: {command} needs about {kilobytes} KB there; the tree was not changed",
        dir.display()
    )]
    NoSpace {
        /// The tree.
        dir: PathBuf,
        /// `install` or `uninstall`.
        command: &'static str,
        /// The space that is needed.
        kilobytes: u64,
        /// The error of the system.
        source: io::Error,
    },
    /// Writing failed after some files were replaced, and all of them were restored.
    #[error("the tree is as it was before")]
    Undone(#[source] Box<Error>),
    /// Writing failed after some files were replaced, and they could not be restored.
    #[error(
        "the {command} stopped half-way, and putting the tree back failed as well ({undo}); \
         fix the cause and run any command again: it finishes this one"
    )]
    HalfWay {
        /// `install` or `uninstall`.
        command: String,
        /// The reason why it could not be undone.
        undo: Box<Error>,
        /// The reason why it stopped.
        source: Box<Error>,
    },
}

impl Error {
    /// Makes an [`Error::File`] from an error of the system.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let error = kernel_facts::Error::io(action, path);
        move |source| Self::File(error(source))
    }
}

/// One reason why a tree is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The file to be edited is missing.
    FileMissing {
        /// The plugin or hook of the edit.
        plugin: String,
        /// The file.
        file: String,
    },
    /// The anchor of an edit is not found, or not as often as expected.
    Anchor {
        /// The plugin or hook of the edit.
        plugin: String,
        /// The file.
        file: String,
        /// The first line of the anchor that identifies it.
        anchor: String,
        /// The result of the search.
        mismatch: Mismatch,
    },
    /// No file of the tree would read the generated file of a hook.
    UnreadHook {
        /// The plugins that have texts for it.
        plugins: Vec<String>,
        /// The hook.
        hook: String,
    },
    /// A file to be made already exists.
    FileExists {
        /// The plugin that would make it.
        plugin: String,
        /// The file.
        file: String,
    },
    /// Two plugins make the same file.
    MadeTwice {
        /// The second of them.
        plugin: String,
        /// The file.
        file: String,
    },
    /// A file to be edited is a symbolic link, or reached through one that leaves the tree.
    NotPlain {
        /// The file.
        file: String,
        /// Its kind.
        what: String,
    },
    /// `scripts/lto` exists, but no install made it.
    ForeignDirectory {
        /// A file in it.
        files: Vec<String>,
    },
    /// The tree refers to `scripts/lto`, but no install is recorded.
    InstalledWithoutRecord {
        /// The file that refers to it.
        file: String,
    },
    /// The edits of a file cannot be taken out by their texts.
    UnclearEdits {
        /// The file.
        file: String,
    },
    /// The tree has parts of LTO, but not a build of its own for it.
    HasLto {
        /// The fact that shows it.
        facts: Vec<String>,
    },
    /// The tree's own build knows LTO, and the plugins were chosen for one that does not, or the
    /// other way round.
    OtherKind,
    /// A plugin makes no sense in a tree whose own build knows LTO.
    NotForNative {
        /// The plugin.
        plugin: String,
        /// The reason.
        reason: String,
    },
    /// Installed lines, or a new file, were changed after the install.
    Changed {
        /// The file.
        file: String,
        /// The changes.
        difference: String,
    },
    /// The record lacks the text that a merge begins with.
    CannotMerge {
        /// The file.
        file: String,
        /// The changes.
        difference: String,
    },
    /// A file or directory cannot be written.
    NoAccess {
        /// The directory.
        directory: String,
        /// The error of the system.
        reason: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileMissing { plugin, file } => {
                write!(f, "{plugin}: {file}: the file to be edited is not there")
            }
            Self::Anchor {
                plugin,
                file,
                anchor,
                mismatch,
            } => write!(
                f,
                "{plugin}: {file}: the text that begins `{anchor}` {mismatch}"
            ),
            Self::UnreadHook { plugins, hook } => write!(
                f,
                "{}: nothing in this tree would read scripts/lto/{hook}: none of the hook's edits is for a tree \
                 like this",
                plugins.join(", ")
            ),
            Self::FileExists { plugin, file } => write!(
                f,
                "{plugin}: {file}: the file to be made is already there, and was not made by an install"
            ),
            Self::MadeTwice { plugin, file } => {
                write!(f, "{plugin}: {file}: another plugin makes this file too")
            }
            Self::NotPlain { file, what } => write!(
                f,
                "{file}: {what}; only plain files inside the tree are edited, so that uninstall \
                 can restore them: use a plain copy of the tree"
            ),
            Self::ForeignDirectory { files } => write!(
                f,
                "scripts/lto exists but was not made by an install ({}): move it away",
                some_of(files)
            ),
            Self::InstalledWithoutRecord { file } => write!(
                f,
                "{file} refers to scripts/lto, but the record of the install, \
                 scripts/lto/.install, is gone (removed, or not copied or committed with the \
                 rest): bring it back, or take these lines out"
            ),
            Self::UnclearEdits { file } => write!(
                f,
                "{file}: lines of plugins were changed there, or belong to another version: take them out by \
                 hand, and run the command again"
            ),
            Self::HasLto { facts } => write!(
                f,
                "the tree has LTO already: {}. It looks patched by hand: revert those patches \
                 first, or begin with a pristine tree",
                facts.join("; ")
            ),
            Self::OtherKind => f.write_str(
                "the plugins were chosen for another kind of tree: one whose own build knows LTO \
                 takes them one by one, one without LTO takes each with all that it requires",
            ),
            Self::NotForNative { plugin, reason } => write!(
                f,
                "{plugin}: is not for this tree, whose own build knows LTO: {reason}"
            ),
            Self::Changed { file, difference } => write!(
                f,
                "{file} was changed after the install, in lines that a plugin wrote: undo this change, \
                 keep it with --merge, or drop it with --discard-changes{}",
                shown(difference)
            ),
            Self::CannotMerge { file, difference } => write!(
                f,
                "{file} cannot be merged: the record does not tell its changes from those of the \
                 plugins, or the file is to be removed; undo the change, or give it up with \
                 --discard-changes{}",
                shown(difference)
            ),
            Self::NoAccess { directory, reason } => {
                write!(f, "{directory} cannot be written ({reason})")
            }
        }
    }
}

fn former_content(kept: Option<&str>) -> String {
    kept.map_or_else(String::new, |kept| {
        format!("; what stood there before is in {kept}: copy it back and give the command again")
    })
}

/// Returns the lines of a difference, indented, and not all of a long one.
fn shown(difference: &str) -> String {
    const SHOWN: usize = 40;
    let mut lines: Vec<String> = difference
        .lines()
        .take(SHOWN)
        .map(|line| format!("\n    {line}"))
        .collect();
    let n_left_out = difference.lines().count().saturating_sub(SHOWN);
    if n_left_out > 0 {
        lines.push(format!("\n    … and {n_left_out} lines more"));
    }
    lines.concat()
}

fn listed(refusals: &[Refusal]) -> String {
    let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    format!("\n  {}", lines.join("\n  "))
}

/// Names the first few items, and gives their number.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    if names.is_empty() {
        return "nothing that is known".to_owned();
    }
    if names.len() <= SHOWN {
        return names.join(", ");
    }
    format!("{}, … {} in all", names[..SHOWN].join(", "), names.len())
}

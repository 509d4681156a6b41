// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The list, and what it means in one tree.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use globset::{Glob, GlobBuilder, GlobMatcher};
use kernel_facts::KnownLto;
use serde::Deserialize;
use walkdir::{DirEntry, WalkDir};

/// The list as it stands in `kconfig/`.
pub const LIST: &str = include_str!("../../../kconfig/lto-disable/objects.toml");

/// The list of what LTO must leave alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Its entries, in the order in which they were written.
    pub disable: Vec<Disabled>,
}

/// One entry of the list.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Entry")]
pub struct Disabled {
    /// What it is about.
    pub pattern: Pattern,
    /// Why.
    pub reason: String,
    /// Whether it is so only where lto-link makes the links: a tree that knows LTO itself decides
    /// otherwise.
    pub only_ours: bool,
}

/// An entry as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    source: Option<String>,
    folder: Option<String>,
    reason: String,
    #[serde(default)]
    only_ours: bool,
}

impl TryFrom<Entry> for Disabled {
    type Error = String;

    fn try_from(entry: Entry) -> Result<Self, Self::Error> {
        let pattern = match (entry.source, entry.folder) {
            (Some(glob), None) => Pattern::Source(glob),
            (None, Some(glob)) => Pattern::Folder(glob),
            (None, None) => return Err("an entry has neither `source` nor `folder`".into()),
            (Some(_), Some(_)) => return Err("an entry has both `source` and `folder`".into()),
        };
        for (name, text) in [
            ("pattern", pattern.glob()),
            ("reason", entry.reason.as_str()),
        ] {
            // In a Makefile a line's end ends a comment, and a backslash before it does not.
            if text.contains(char::is_control) || text.ends_with('\\') {
                return Err(format!(
                    "the {name} {text:?} of an entry cannot be a comment in a Makefile: write it in one \
                     line without control characters and without a backslash at its end"
                ));
            }
        }
        Ok(Self {
            pattern,
            reason: entry.reason,
            only_ours: entry.only_ours,
        })
    }
}

/// What an entry is about.
#[derive(Debug)]
pub enum Pattern {
    /// A glob over source files: the object of each.
    Source(String),
    /// A glob over folders: every object that is made in one of them.
    Folder(String),
}

impl Pattern {
    fn glob(&self) -> &str {
        match self {
            Self::Source(glob) | Self::Folder(glob) => glob,
        }
    }
}

/// Why the list cannot be read or resolved.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Not a list.
    #[error("the list of disabled objects")]
    Parse(#[from] toml::de::Error),
    /// Not a glob.
    #[error("the list of disabled objects: pattern {pattern}")]
    Pattern {
        /// As written.
        pattern: String,
        /// The fault.
        source: globset::Error,
    },
    /// make would read the name of a file or folder as something else.
    #[error(
        "{path:?}, which the list of disabled objects means by {pattern}, cannot stand in a Makefile: \
         rename it, or write a pattern that leaves it out"
    )]
    Name {
        /// The file or folder, relative to the tree.
        path: PathBuf,
        /// The pattern that matches it, as written.
        pattern: String,
    },
    /// The tree cannot be read. The error itself says its cause.
    #[error("looking for the objects that LTO must leave alone: {0}")]
    Walk(walkdir::Error),
}

impl List {
    /// Reads a list written in TOML.
    ///
    /// # Errors
    /// Anything but tables `disable` with a `reason` and either `source` or `folder`, and texts that
    /// would end the comment in which the fragment quotes them.
    pub fn parse(text: &str) -> Result<Self, ListError> {
        Ok(toml::from_str(text)?)
    }

    /// Finds what each entry matches in the kernel tree at `root`, which is walked once. `known` is
    /// what the tree knew of LTO by itself.
    ///
    /// # Errors
    /// Patterns that are no globs, folders that cannot be read, matches whose names make cannot take.
    pub fn resolve(&self, root: &Path, known: &KnownLto) -> Result<Vec<DisabledEntry>, ListError> {
        let is_ours = *known != KnownLto::Native;
        let entries = self.disable.iter();
        let disable: Vec<_> = entries
            .filter(|disabled| is_ours || !disabled.only_ours)
            .collect();
        let matchers = disable
            .iter()
            .map(|disabled| matcher(disabled))
            .collect::<Result<Vec<_>, _>>()?;
        let mut found = vec![BTreeSet::new(); matchers.len()];
        let walk = WalkDir::new(root)
            .into_iter()
            .filter_entry(|entry| is_source(entry, root));
        for entry in walk {
            let entry = entry.map_err(ListError::Walk)?;
            let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
            for ((disabled, matcher), found) in disable.iter().zip(&matchers).zip(&mut found) {
                let is_dir = entry.file_type().is_dir();
                if is_dir == matches!(disabled.pattern, Pattern::Folder(_))
                    && matcher.is_match(path)
                {
                    if !is_word_of_make(path) {
                        return Err(ListError::Name {
                            path: path.to_owned(),
                            pattern: disabled.pattern.glob().to_owned(),
                        });
                    }
                    found.insert(objects(&disabled.pattern, path));
                }
            }
        }
        let entries = disable.into_iter().zip(found);
        Ok(entries
            .map(|(disabled, objects)| DisabledEntry {
                pattern: disabled.pattern.glob().to_owned(),
                reason: disabled.reason.clone(),
                objects: objects.into_iter().collect(),
            })
            .collect())
    }
}

fn matcher(disabled: &Disabled) -> Result<GlobMatcher, ListError> {
    let pattern = disabled.pattern.glob();
    let glob: Result<Glob, _> = GlobBuilder::new(pattern).literal_separator(true).build();
    match glob {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(source) => Err(ListError::Pattern {
            pattern: pattern.to_owned(),
            source,
        }),
    }
}

/// Leaves out what holds no source of the kernel and takes long to walk.
fn is_source(entry: &DirEntry, root: &Path) -> bool {
    let depth_one = entry.depth() == 1;
    let name = entry.file_name();
    let skipped = [".git", "Documentation", "tools"];
    entry.path() == root || !(depth_one && skipped.iter().any(|skip| name == *skip))
}

/// Whether `path` is one word to make, and means itself: in `lto-disabled-objs += PATH`, and as a
/// pattern of `filter`.
fn is_word_of_make(path: &Path) -> bool {
    let is_special = |character: char| {
        character.is_control() || character.is_whitespace() || "#$%\\".contains(character)
    };
    path.to_str().is_some_and(|text| !text.contains(is_special))
}

/// The objects that `path`, which `pattern` matched, stands for, in make's notation.
fn objects(pattern: &Pattern, path: &Path) -> String {
    match pattern {
        Pattern::Source(_) => path.with_extension("o").display().to_string(),
        Pattern::Folder(_) => format!("{}/%", path.display()),
    }
}

/// An entry of the list in one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisabledEntry {
    /// The pattern as written.
    pub pattern: String,
    /// Why.
    pub reason: String,
    /// What it matches: paths of objects below the object tree, or a folder and `/%` for all
    /// objects in it. Empty if the tree has nothing of the kind.
    pub objects: Vec<String>,
}

impl DisabledEntry {
    /// The Makefile fragment that sets `lto-disabled-objs`, with the reasons as comments, and a
    /// comment for each pattern without a match.
    pub fn fragment(entries: &[Self]) -> String {
        let mut text = String::from(
            "# SPDX-License-Identifier: GPL-2.0-only\n\
             # Made by lto-disable when it was installed: the objects that stay native code.\n\n\
             lto-disabled-objs :=\n",
        );
        for Self {
            pattern,
            reason,
            objects,
        } in entries
        {
            // Writing to a string does not fail.
            let _ = writeln!(text, "\n# {pattern}: {reason}");
            if objects.is_empty() {
                text.push_str("# (nothing in this tree)\n");
            }
            for object in objects {
                let _ = writeln!(text, "lto-disabled-objs += {object}");
            }
        }
        text
    }
}

/// The patterns that a fragment sets, as [`DisabledEntry::fragment`] wrote it.
pub fn parse_fragment(text: &str) -> Matcher {
    let patterns = text
        .lines()
        .filter_map(|line| line.strip_prefix("lto-disabled-objs += "));
    Matcher {
        patterns: patterns.map(str::to_owned).collect(),
    }
}

/// Tells which objects are disabled.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    patterns: Vec<String>,
}

impl Matcher {
    /// Whether the object at `path`, relative to the object tree, is disabled. Folders cover what
    /// lies below them, as `%` in make's `filter` does.
    ///
    /// A path with `..` counts as it is written and as the place that it leads to, as for make
    /// (`kconfig/lto-disable/Makefile.build`): nVHE compiles files of its parent folder anew, and a
    /// Makefile or an archive may name an object from another folder.
    pub fn is_disabled(&self, path: &str) -> bool {
        let place = normal(path);
        self.patterns
            .iter()
            .any(|pattern| match pattern.strip_suffix('%') {
                Some(folder) => path.starts_with(folder) || place.starts_with(folder),
                None => path == pattern || place == *pattern,
            })
    }
}

/// `a/b/../c` as `a/c`: make names some objects so.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.iter().collect::<PathBuf>().display().to_string()
}

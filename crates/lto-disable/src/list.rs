// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the list, and resolves it for one tree.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use globset::{Glob, GlobBuilder, GlobMatcher};
use kernel_facts::KnownLto;
use serde::Deserialize;
use walkdir::{DirEntry, WalkDir};

/// The list in `kconfig/`.
pub const LIST: &str = include_str!("../../../kconfig/lto-disable/objects.toml");

/// The list of objects that must stay native code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Its entries, in the order of the file.
    pub disable: Vec<Disabled>,
}

/// One entry of the list.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Entry")]
pub struct Disabled {
    /// Its pattern.
    pub pattern: Pattern,
    /// The reason.
    pub reason: String,
    /// Whether it applies only if lto-link makes the links, and not in a tree with its own LTO.
    pub only_ours: bool,
}

/// An entry as written.
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
            // A comment in a Makefile ends at the end of the line, except after a backslash.
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

/// The pattern of an entry.
#[derive(Debug)]
pub enum Pattern {
    /// A glob over source files, which stands for the object of each.
    Source(String),
    /// A glob over folders, which stands for every object in them.
    Folder(String),
}

impl Pattern {
    fn glob(&self) -> &str {
        match self {
            Self::Source(glob) | Self::Folder(glob) => glob,
        }
    }
}

/// The reason why the list cannot be read or resolved.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The text is not a list.
    #[error("the list of disabled objects")]
    Parse(#[from] toml::de::Error),
    /// A pattern is not a glob.
    #[error("the list of disabled objects: pattern {pattern}")]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// The fault.
        source: globset::Error,
    },
    /// make would read the name of a file or folder differently.
    #[error(
        "{path:?}, which {pattern} in the list of disabled objects matches, cannot be written in a Makefile: \
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
    /// The file has anything but tables `disable` with a `reason` and either `source` or `folder`, or a
    /// text would end the comment in which the fragment quotes it.
    pub fn parse(text: &str) -> Result<Self, ListError> {
        Ok(toml::from_str(text)?)
    }

    /// Finds the matches of each entry in the kernel tree at `root`, which is walked once. `known` is the
    /// LTO that the tree has by itself.
    ///
    /// # Errors
    /// A pattern is not a glob, a folder cannot be read, or make cannot use the name of a match.
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

/// Skips folders that have no kernel source and take long to walk.
fn is_source(entry: &DirEntry, root: &Path) -> bool {
    let depth_one = entry.depth() == 1;
    let name = entry.file_name();
    let skipped = [".git", "Documentation", "tools"];
    entry.path() == root || !(depth_one && skipped.iter().any(|skip| name == *skip))
}

/// Returns whether make reads `path` as one literal word: in `lto-disabled-objs += PATH`, and as a
/// pattern of `filter`.
fn is_word_of_make(path: &Path) -> bool {
    let is_special = |character: char| {
        character.is_control() || character.is_whitespace() || "#$%\\".contains(character)
    };
    path.to_str().is_some_and(|text| !text.contains(is_special))
}

/// Returns the objects that `path`, a match of `pattern`, stands for, in make's notation.
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
    /// The reason.
    pub reason: String,
    /// Its matches: paths of objects below the object tree, or a folder and `/%` for all objects in it.
    /// Empty if nothing in the tree matches.
    pub objects: Vec<String>,
}

impl DisabledEntry {
    /// Returns the Makefile fragment that sets `lto-disabled-objs`, with the reasons as comments, and a
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

/// Returns the patterns of a fragment that [`DisabledEntry::fragment`] wrote.
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
    /// Returns whether the object at `path`, relative to the object tree, is disabled. A folder includes
    /// everything below it, like `%` in make's `filter`.
    ///
    /// A path with `..` is looked up as written and as the path that it leads to, as in
    /// `kconfig/lto-disable/Makefile.build`: nVHE compiles files of its parent folder again, and a
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

/// Returns `a/c` for `a/b/../c`; make names some objects in the latter form.
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

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads `edits.toml`, which lists the changes that a plugin makes. `docs/install.md` describes the format.

use crate::error::Result as TreeResult;
use crate::tree::Tree;
use serde::Deserialize;
use std::fmt;

/// A fault of an `edits.toml`.
#[derive(Debug, thiserror::Error)]
pub enum EditsError {
    /// The text is not TOML, or has an unknown entry.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// An entry makes no sense.
    #[error("{entry}: {reason}")]
    Entry {
        /// The kind of the entry, and its file or hook.
        entry: String,
        /// The fault.
        reason: String,
    },
}

/// The content of one `edits.toml`, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    pub(crate) adoption: Option<Adoption>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) changes: Vec<Edit>,
    pub(crate) files: Vec<NewFile>,
    pub(crate) fragments: Vec<Fragment>,
}

/// A place where the tree reads a generated file of this name under `scripts/lto`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hook {
    pub name: String,
    /// The beginning of a comment in the generated file; `/*` is closed with `*/`.
    #[serde(default = "hash")]
    pub comment: String,
    /// The text before the fragments in the generated file.
    #[serde(default)]
    pub text: String,
}

/// The offer of a plugin to trees whose own build knows LTO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Adoption {
    /// The plugin can be taken alone.
    Offered {
        /// The subject of its patch: imperative, no full stop.
        title: String,
        /// The step that it replaces or checks, on one line.
        does: String,
        /// The measured gain, which is the first paragraph of its patch.
        gain: String,
        /// The facts that the tree must have.
        needs: Vec<Need>,
        /// Whether [`crate::Plugin::generate`] is called there, too.
        generate: bool,
    },
    /// The plugin makes no sense in such trees.
    Refused {
        /// The reason.
        reason: String,
    },
}

/// A fact that a tree must have for a plugin to be adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub fact: Condition,
    /// The explanation if it does not hold.
    pub otherwise: String,
}

/// The trees that an entry is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trees {
    /// Trees without LTO, which get it from the plugins.
    #[default]
    None,
    /// Trees whose own build has LTO.
    Native,
    /// All trees.
    Any,
}

impl Trees {
    /// Returns whether a tree is among them. `native` says that its own build knows LTO.
    pub fn include(self, native: bool) -> bool {
        match self {
            Self::None => !native,
            Self::Native => native,
            Self::Any => true,
        }
    }
}

/// A change of an existing file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The hook of this edit. The edit is made only if an installed plugin has a fragment for it.
    pub hook: Option<String>,
    pub file: String,
    pub anchor: String,
    pub occurs: usize,
    pub change: Change,
    pub reason: String,
    pub trees: Trees,
    pub when: Vec<Condition>,
}

/// The change at an anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Replace(String),
    Before(String),
    After(String),
}

impl Change {
    pub fn text(&self) -> &str {
        match self {
            Self::Replace(text) | Self::Before(text) | Self::After(text) => text,
        }
    }
}

/// A file that is made from one of the plugin's glue texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewFile {
    pub source: String,
    pub dest: String,
    pub trees: Trees,
    pub when: Vec<Condition>,
}

/// A glue text that is appended to the generated file of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub hook: String,
    pub source: String,
    pub trees: Trees,
    pub when: Vec<Condition>,
}

/// A fact that must hold in the pristine tree for an entry to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The file contains the text.
    Contains {
        /// The file.
        file: String,
        /// The text.
        text: String,
    },
    /// The file does not contain the text. This also holds for a missing file, so that an edit of
    /// it is refused and not skipped.
    Lacks {
        /// The file.
        file: String,
        /// The text.
        text: String,
    },
    /// The file or directory exists.
    Exists {
        /// The file or directory.
        path: String,
    },
    /// The file or directory does not exist.
    Absent {
        /// The file or directory.
        path: String,
    },
}

impl Condition {
    /// Returns whether the fact holds in the tree as it was before any install.
    pub fn holds(&self, tree: &Tree) -> TreeResult<bool> {
        match self {
            Self::Contains { file, text } => tree.contains(file, text),
            Self::Lacks { file, text } => tree.contains(file, text).map(|found| !found),
            Self::Exists { path } => tree.has(path),
            Self::Absent { path } => tree.has(path).map(|found| !found),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contains { file, text } => write!(f, "{file} contains `{}`", text.trim()),
            Self::Lacks { file, text } => write!(f, "{file} lacks `{}`", text.trim()),
            Self::Exists { path } => write!(f, "{path} is there"),
            Self::Absent { path } => write!(f, "{path} is not there"),
        }
    }
}

impl Edits {
    /// Reads the text of an `edits.toml`.
    pub fn parse(text: &str) -> Result<Self, EditsError> {
        let raw: RawEdits = toml::from_str(text)?;
        let hooks = raw
            .hook
            .into_iter()
            .map(checked_hook)
            .collect::<Result<_, _>>()?;
        let changes = raw
            .edit
            .into_iter()
            .map(Edit::try_from)
            .collect::<Result<_, _>>()?;
        let files = raw
            .file
            .into_iter()
            .map(NewFile::try_from)
            .collect::<Result<_, _>>()?;
        let fragments = raw
            .fragment
            .into_iter()
            .map(Fragment::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            adoption: raw.adopt.map(Adoption::try_from).transpose()?,
            hooks,
            changes,
            files,
            fragments,
        })
    }
}

fn hash() -> String {
    "#".into()
}

fn one() -> usize {
    1
}

/// The parsed file, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEdits {
    adopt: Option<RawAdoption>,
    #[serde(default)]
    hook: Vec<Hook>,
    #[serde(default)]
    edit: Vec<RawEdit>,
    #[serde(default)]
    file: Vec<RawFile>,
    #[serde(default)]
    fragment: Vec<RawFragment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEdit {
    hook: Option<String>,
    file: String,
    anchor: String,
    #[serde(default = "one")]
    occurs: usize,
    replace: Option<String>,
    before: Option<String>,
    after: Option<String>,
    reason: String,
    #[serde(default)]
    lto: Trees,
    #[serde(default)]
    when: Vec<RawCondition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    source: String,
    dest: String,
    #[serde(default)]
    lto: Trees,
    #[serde(default)]
    when: Vec<RawCondition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFragment {
    hook: String,
    source: String,
    #[serde(default)]
    lto: Trees,
    #[serde(default)]
    when: Vec<RawCondition>,
}

/// The offer, or the reason why there is none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAdoption {
    refused: Option<String>,
    title: Option<String>,
    does: Option<String>,
    gain: Option<String>,
    #[serde(default)]
    needs: Vec<RawNeed>,
    #[serde(default)]
    generate: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNeed {
    fact: RawCondition,
    otherwise: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCondition {
    file: Option<String>,
    contains: Option<String>,
    lacks: Option<String>,
    exists: Option<String>,
    absent: Option<String>,
}

fn checked_hook(hook: Hook) -> Result<Hook, EditsError> {
    // The generated file is in scripts/lto, beside these files.
    let taken = ["bin", "VERSION", ".install"];
    if hook.name.is_empty() || hook.name.contains('/') || taken.contains(&hook.name.as_str()) {
        return Err(EditsError::Entry {
            entry: format!("[[hook]] `{}`", hook.name),
            reason: "the name must be one of a file in scripts/lto that is not used otherwise"
                .into(),
        });
    }
    Ok(hook)
}

impl TryFrom<RawEdit> for Edit {
    type Error = EditsError;

    fn try_from(raw: RawEdit) -> Result<Self, EditsError> {
        let wrong = |reason: &str| EditsError::Entry {
            entry: format!("[[edit]] of {}", raw.file),
            reason: reason.into(),
        };
        if raw.anchor.is_empty() {
            return Err(wrong("the anchor is empty"));
        }
        if raw.occurs == 0 {
            return Err(wrong("an anchor that occurs 0 times anchors nothing"));
        }
        if raw.reason.trim().is_empty() {
            return Err(wrong("the reason is empty"));
        }
        let change = match (raw.replace, raw.before, raw.after) {
            (Some(text), None, None) => Change::Replace(text),
            (None, Some(text), None) => Change::Before(text),
            (None, None, Some(text)) => Change::After(text),
            _ => return Err(wrong("exactly one of replace, before and after is needed")),
        };
        let changes_nothing = match &change {
            Change::Replace(text) => *text == raw.anchor,
            Change::Before(text) | Change::After(text) => text.is_empty(),
        };
        if changes_nothing {
            return Err(wrong("it changes nothing"));
        }
        let when = conditions(raw.when).map_err(|reason| wrong(&reason))?;
        Ok(Self {
            hook: raw.hook,
            file: raw.file,
            anchor: raw.anchor,
            occurs: raw.occurs,
            change,
            reason: raw.reason,
            trees: raw.lto,
            when,
        })
    }
}

impl TryFrom<RawFile> for NewFile {
    type Error = EditsError;

    fn try_from(raw: RawFile) -> Result<Self, EditsError> {
        let when = conditions(raw.when).map_err(|reason| EditsError::Entry {
            entry: format!("[[file]] {}", raw.dest),
            reason,
        })?;
        Ok(Self {
            source: raw.source,
            dest: raw.dest,
            trees: raw.lto,
            when,
        })
    }
}

impl TryFrom<RawFragment> for Fragment {
    type Error = EditsError;

    fn try_from(raw: RawFragment) -> Result<Self, EditsError> {
        let when = conditions(raw.when).map_err(|reason| EditsError::Entry {
            entry: format!("[[fragment]] {} for {}", raw.source, raw.hook),
            reason,
        })?;
        Ok(Self {
            hook: raw.hook,
            source: raw.source,
            trees: raw.lto,
            when,
        })
    }
}

impl TryFrom<RawAdoption> for Adoption {
    type Error = EditsError;

    fn try_from(raw: RawAdoption) -> Result<Self, EditsError> {
        let wrong = |reason: String| EditsError::Entry {
            entry: "[adopt]".into(),
            reason,
        };
        let RawAdoption {
            refused,
            title,
            does,
            gain,
            needs,
            generate,
        } = raw;
        match (refused, title, does, gain) {
            (Some(reason), None, None, None) if needs.is_empty() && !generate => {
                Ok(Self::Refused { reason })
            }
            (None, Some(title), Some(does), Some(gain)) => Ok(Self::Offered {
                title,
                does,
                gain,
                needs: needs
                    .into_iter()
                    .map(|RawNeed { fact, otherwise }| {
                        let fact = condition(fact)?;
                        Ok(Need { fact, otherwise })
                    })
                    .collect::<Result<_, _>>()
                    .map_err(wrong)?,
                generate,
            }),
            _ => Err(wrong(
                "it has either `refused`, or `title`, `does` and `gain`".into(),
            )),
        }
    }
}

fn conditions(raw: Vec<RawCondition>) -> Result<Vec<Condition>, String> {
    raw.into_iter().map(condition).collect()
}

fn condition(raw: RawCondition) -> Result<Condition, String> {
    let RawCondition {
        file,
        contains,
        lacks,
        exists,
        absent,
    } = raw;
    match (file, contains, lacks, exists, absent) {
        (Some(file), Some(text), None, None, None) => Ok(Condition::Contains { file, text }),
        (Some(file), None, Some(text), None, None) => Ok(Condition::Lacks { file, text }),
        (None, None, None, Some(path), None) => Ok(Condition::Exists { path }),
        (None, None, None, None, Some(path)) => Ok(Condition::Absent { path }),
        _ => Err(
            "a condition is { file, contains }, { file, lacks }, { exists } or { absent }"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_entry() {
        let edits = Edits::parse(
            r#"
            [[hook]]
            name = "Makefile.top"
            [[edit]]
            hook = "Makefile.top"
            file = "Makefile"
            anchor = '''
include x
'''
            after = '''
include y
'''
            reason = "why"
            when = [{ file = "a", lacks = "b" }, { exists = "c" }]
            [[file]]
            source = "rwonce.h"
            dest = "arch/arm64/include/asm/rwonce.h"
            when = [{ absent = "d" }, { file = "e", contains = "f" }]
            [[fragment]]
            hook = "Makefile.top"
            source = "Makefile.top"
            "#,
        )
        .unwrap();
        assert_eq!(edits.hooks[0].name, "Makefile.top");
        assert_eq!(edits.hooks[0].comment, "#");
        let edit = &edits.changes[0];
        assert_eq!(edit.anchor, "include x\n");
        assert_eq!(edit.occurs, 1);
        assert_eq!(edit.change, Change::After("include y\n".into()));
        assert_eq!(edit.when.len(), 2);
        assert_eq!(edits.files[0].when.len(), 2);
        assert_eq!(edits.fragments[0].source, "Makefile.top");
    }

    #[test]
    fn entries_that_make_no_sense_are_refused() {
        let edit = |rest: &str| format!("[[edit]]\nfile = \"f\"\n{rest}");
        let cases = [
            ("unknown entry", "[[edti]]\n".to_owned()),
            (
                "unknown key",
                edit("anchor='a'\nreplace='b'\nreason='r'\nfuzz=2\n"),
            ),
            ("no reason", edit("anchor='a'\nreplace='b'\n")),
            (
                "empty reason",
                edit("anchor='a'\nreplace='b'\nreason=' '\n"),
            ),
            ("empty anchor", edit("anchor=''\nreplace='b'\nreason='r'\n")),
            ("no change", edit("anchor='a'\nreason='r'\n")),
            (
                "two changes",
                edit("anchor='a'\nreplace='b'\nafter='c'\nreason='r'\n"),
            ),
            ("no effect", edit("anchor='a'\nreplace='a'\nreason='r'\n")),
            (
                "empty insertion",
                edit("anchor='a'\nafter=''\nreason='r'\n"),
            ),
            (
                "never",
                edit("anchor='a'\noccurs=0\nreplace='b'\nreason='r'\n"),
            ),
            (
                "half a condition",
                edit("anchor='a'\nreplace='b'\nreason='r'\nwhen=[{file='x'}]\n"),
            ),
            (
                "two conditions in one",
                "[[file]]\nsource='s'\ndest='d'\nwhen=[{exists='x',absent='y'}]\n".into(),
            ),
            ("half an adoption", "[adopt]\ntitle='t'\ndoes='d'\n".into()),
            (
                "an adoption that is refused and offered",
                "[adopt]\nrefused='r'\ntitle='t'\ndoes='d'\ngain='g'\n".into(),
            ),
            (
                "an unknown kind of tree",
                edit("anchor='a'\nreplace='b'\nreason='r'\nlto='some'\n"),
            ),
            ("hook outside", "[[hook]]\nname='../x'\n".into()),
            ("hook in the way", "[[hook]]\nname='bin'\n".into()),
        ];
        for (name, text) in cases {
            assert!(Edits::parse(&text).is_err(), "{name} was accepted");
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Facts of a tree on which entries of `edits.toml` depend.

use std::fmt;

use serde::Deserialize;

/// A fact that must hold in the pristine tree for an entry to count.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a condition is { file, contains }, { file, lacks }, { exists }, { absent }, { any } or { none }"
)]
pub(crate) enum Condition {
    Contains {
        file: String,
        #[serde(rename = "contains")]
        text: String,
    },
    /// The file does not contain the text. This also holds for a missing file, so that an edit of
    /// it is refused and not skipped.
    Lacks {
        file: String,
        #[serde(rename = "lacks")]
        text: String,
    },
    /// The file or directory exists.
    Exists {
        #[serde(rename = "exists")]
        path: String,
    },
    /// The file or directory does not exist.
    Absent {
        #[serde(rename = "absent")]
        path: String,
    },
    /// At least one of these facts holds.
    Any {
        #[serde(rename = "any")]
        facts: Vec<Condition>,
    },
    /// None of these facts holds.
    None {
        #[serde(rename = "none")]
        facts: Vec<Condition>,
    },
}

impl Condition {
    /// Returns the condition that holds if this one does not.
    pub(crate) fn opposite(&self) -> Self {
        match self.clone() {
            Self::Contains { file, text } => Self::Lacks { file, text },
            Self::Lacks { file, text } => Self::Contains { file, text },
            Self::Exists { path } => Self::Absent { path },
            Self::Absent { path } => Self::Exists { path },
            Self::Any { facts } => Self::None { facts },
            Self::None { facts } => Self::Any { facts },
        }
    }

    /// Returns whether the condition holds, if `holds` answers for plain facts.
    pub fn is_met<E>(&self, holds: &impl Fn(&Self) -> Result<bool, E>) -> Result<bool, E> {
        let any = |facts: &[Self]| {
            for fact in facts {
                if fact.is_met(holds)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        match self {
            Self::Any { facts } => any(facts),
            Self::None { facts } => any(facts).map(|found| !found),
            plain => holds(plain),
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
            Self::Any { facts } | Self::None { facts } => {
                let facts: Vec<String> = facts.iter().map(ToString::to_string).collect();
                if matches!(self, Self::None { .. }) {
                    f.write_str("none of: ")?;
                }
                f.write_str(&facts.join(" or "))
            }
        }
    }
}

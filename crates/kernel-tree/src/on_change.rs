// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Decides about installed files that were changed after the install.

use crate::diff;
use crate::error::Refusal;
use crate::merge::merge;
use crate::taken_out::Since;

/// The fate of changes that were made to installed lines and files after the install. Changes of other
/// lines are always kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnChange {
    /// Refuse to change the tree.
    #[default]
    Refuse,
    /// Put the changes and those of the command together; both stand between marks where they meet.
    Merge,
    /// Give the changes up.
    Discard,
}

/// The changed files that a command found, and the decisions about them.
#[derive(Debug)]
pub(crate) struct ChangedFiles {
    on_change: OnChange,
    pub refusals: Vec<Refusal>,
    /// The changes that are given up, as a difference.
    pub lost: Vec<u8>,
    /// The files with marks at places that only the user can put together.
    pub unresolved: Vec<String>,
}

impl ChangedFiles {
    pub fn new(on_change: OnChange) -> Self {
        Self {
            on_change,
            refusals: Vec::new(),
            lost: Vec::new(),
            unresolved: Vec::new(),
        }
    }

    /// Returns the text that an edited file gets, if it would get `wanted` without changes of edited lines.
    pub fn edited(&mut self, path: &str, present: &[u8], since: &Since, wanted: &[u8]) -> Vec<u8> {
        let Since::InEdits { expected } = since else {
            return wanted.to_vec();
        };
        let base = expected.as_deref().unwrap_or(wanted);
        let difference = diff::unified(path, Some(base), Some(present));
        match (self.on_change, expected) {
            (OnChange::Discard, _) => self.lost.extend(difference),
            (OnChange::Refuse, _) => self.refuse(path, &difference),
            (OnChange::Merge, None) => self.refuse_merge(path, &difference),
            (OnChange::Merge, Some(expected)) => {
                let merged = merge(expected, wanted, present);
                if merged.n_conflicts() > 0 {
                    self.unresolved.push(path.to_owned());
                }
                return merged.with_marks("kbuild-lto", "present file");
            }
        }
        wanted.to_vec()
    }

    /// Decides about a new file that was changed, and would get the text `wanted`, or would be removed.
    /// Returns whether it stays as it is.
    pub fn created(
        &mut self,
        path: &str,
        present: &[u8],
        wanted: Option<&[u8]>,
        is_new: bool,
    ) -> bool {
        let difference = diff::unified(path, wanted, Some(present));
        match self.on_change {
            OnChange::Discard => self.lost.extend(difference),
            OnChange::Refuse => self.refuse(path, &difference),
            OnChange::Merge if wanted.is_some() && !is_new => return true,
            OnChange::Merge => self.refuse_merge(path, &difference),
        }
        false
    }

    fn refuse(&mut self, path: &str, difference: &[u8]) {
        self.refusals.push(Refusal::Changed {
            file: path.to_owned(),
            difference: String::from_utf8_lossy(difference).into_owned(),
        });
    }

    fn refuse_merge(&mut self, path: &str, difference: &[u8]) {
        self.refusals.push(Refusal::CannotMerge {
            file: path.to_owned(),
            difference: String::from_utf8_lossy(difference).into_owned(),
        });
    }
}

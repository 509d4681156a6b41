// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The file that lists the steps of a command, and the places of all that is staged.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk::Content;
use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::paths::{check_directories, full_path, read_if_there};

/// The steps of a decided change.
pub(super) const JOURNAL: &str = "scripts/lto/.install/journal";
/// The forward journal before the change is decided.
pub(super) const NEXT_JOURNAL: &str = "scripts/lto/.install/journal.forward";
/// The backward journal, as long as it is not needed.
pub(super) const BACK_JOURNAL: &str = "scripts/lto/.install/journal.back";
/// The journal of a command that is done, as long as staged files are left.
pub(super) const DONE_JOURNAL: &str = "scripts/lto/.install/journal.done";
pub(super) const NEW_DIR: &str = "scripts/lto/.install/new";
pub(super) const OLD_DIR: &str = "scripts/lto/.install/old";

/// The form of the journal that this version reads and writes.
pub(super) const FORMAT: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Forward,
    Back,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    pub format: u32,
    pub command: String,
    pub direction: Direction,
    /// The steps; the contents of step n are staged under the name n.
    pub steps: Vec<Step>,
    /// New directories, the outermost first.
    pub made_directories: Vec<String>,
    /// Directories that are removed if they are empty, the innermost first.
    pub dropped_directories: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub path: String,
    /// The SHA-256 of the old content, if there was a file.
    pub old: Option<String>,
    /// The SHA-256 of the new content, unless the file is removed.
    pub new: Option<String>,
}

impl Journal {
    pub fn read(dir: &Path, journal: &str) -> Result<Option<Self>> {
        let path = dir.join(journal);
        let Some(text) = read_if_there(&path)? else {
            return Ok(None);
        };
        let wrong = |reason| Error::Record {
            path: path.clone(),
            reason,
        };
        let journal: Self =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if journal.format != FORMAT {
            return Err(wrong(format!(
                "this is form {} of the journal, and only form {FORMAT} is known here: use the \
                 version of kbuild-lto that wrote it",
                journal.format
            )));
        }
        let steps = journal.steps.iter().map(|step| &step.path);
        for path in steps
            .chain(&journal.made_directories)
            .chain(&journal.dropped_directories)
        {
            full_path(dir, path)?;
            check_directories(dir, path)?;
        }
        Ok(Some(journal))
    }

    pub fn to_content(&self) -> Content {
        Content {
            bytes: serde_json::to_vec_pretty(self).unwrap_or_default(),
            mode: 0o644,
            modified: None,
        }
    }
}

/// The content of a path, compared with the contents that a step knows.
pub(super) enum Found {
    Nothing,
    Hash(String),
}

impl Found {
    pub fn at(path: &Path) -> Result<Self> {
        Ok(match read_if_there(path)? {
            None => Self::Nothing,
            Some(content) => Self::Hash(sha256(&content)),
        })
    }

    pub fn is(&self, state: Option<&String>) -> bool {
        match self {
            Self::Nothing => state.is_none(),
            Self::Hash(hash) => state == Some(hash),
        }
    }
}

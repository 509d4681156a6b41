// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Takes edits out of a file whose text changed after the install.

use std::collections::HashSet;

use kernel_facts::contains;

use crate::merge::merge;
use crate::paths::LTO_DIR;

/// An edited file as it would be without the edits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TakenOut {
    /// Its text. Where edited lines were changed after the install, it has the lines of the original.
    pub text: Vec<u8>,
    pub since: Since,
}

/// The changes of an edited file since the install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Since {
    /// It has the installed content or its original content, or is missing.
    Unchanged,
    /// Lines were changed that no plugin edits: the tree was updated, for example.
    Elsewhere,
    /// Edited lines were changed.
    InEdits {
        /// The present text with the edited lines as they were installed; `None` if the record does not
        /// have them, or if they were moved.
        expected: Option<Vec<u8>>,
    },
}

/// Takes the edits that led from `original` to `installed` out of the present text.
pub(crate) fn take_out(original: &[u8], installed: Option<&[u8]>, present: &[u8]) -> TakenOut {
    if present == original || Some(present) == installed {
        return TakenOut {
            text: original.to_vec(),
            since: Since::Unchanged,
        };
    }
    let Some(installed) = installed else {
        return TakenOut {
            text: original.to_vec(),
            since: Since::InEdits { expected: None },
        };
    };
    if is_without_edits(original, installed, present) {
        return TakenOut {
            text: present.to_vec(),
            since: Since::Elsewhere,
        };
    }
    let merged = merge(installed, original, present);
    let text = merged.preferring_left();
    // A line of ours that someone moved is not found by its place.
    let was_moved = contains(&text, LTO_DIR) && !contains(original, LTO_DIR);
    let since = match merged.n_conflicts() {
        0 if was_moved => Since::InEdits { expected: None },
        0 => Since::Elsewhere,
        _ => Since::InEdits {
            expected: Some(merged.right_without_conflicts()),
        },
    };
    TakenOut { text, since }
}

/// Returns whether a text is another version of the original, without any edit: none of the edited lines
/// is there, and all edits could be made.
fn is_without_edits(original: &[u8], installed: &[u8], present: &[u8]) -> bool {
    let lines = |text| <[u8]>::split(text, |&byte: &u8| byte == b'\n');
    let says_something = |line: &&[u8]| line.iter().any(u8::is_ascii_alphanumeric);
    let before: HashSet<&[u8]> = lines(original).collect();
    let now: HashSet<&[u8]> = lines(present).collect();
    let mut edited = lines(installed)
        .filter(says_something)
        .filter(|line| !before.contains(line));
    !edited.any(|line| now.contains(line)) && merge(original, installed, present).n_conflicts() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGINAL: &[u8] = b"VERSION = 5\nSUBLEVEL = 262\nall:\n\tlink\n";
    const INSTALLED: &[u8] =
        b"VERSION = 5\nSUBLEVEL = 262\ninclude scripts/lto/Makefile\nall:\n\tlto link\n";

    fn taken_out(present: &str) -> (String, Since) {
        let TakenOut { text, since } = take_out(ORIGINAL, Some(INSTALLED), present.as_bytes());
        (String::from_utf8(text).unwrap(), since)
    }

    #[test]
    fn lines_of_a_newer_release_stay() {
        for (present, expected) in [
            (
                "VERSION = 5\nSUBLEVEL = 263\ninclude scripts/lto/Makefile\nall:\n\tlto link\n\tmore\n",
                "VERSION = 5\nSUBLEVEL = 263\nall:\n\tlink\n\tmore\n",
            ),
            // Without the edits, or with one of them.
            (
                "VERSION = 5\nSUBLEVEL = 263\nall:\n\tlink\n",
                "VERSION = 5\nSUBLEVEL = 263\nall:\n\tlink\n",
            ),
            (
                "VERSION = 6\nSUBLEVEL = 262\nall:\n\tlto link\n",
                "VERSION = 6\nSUBLEVEL = 262\nall:\n\tlink\n",
            ),
        ] {
            assert_eq!(taken_out(present), (expected.to_owned(), Since::Elsewhere));
        }
    }

    #[test]
    fn changed_lines_of_an_edit_are_named_and_nothing_else_is_lost() {
        let present =
            "VERSION = 5\nSUBLEVEL = 263\ninclude scripts/lto/Makefile\nall:\n\tlto link -v\n";
        let (text, since) = taken_out(present);
        assert_eq!(text, "VERSION = 5\nSUBLEVEL = 263\nall:\n\tlink\n");
        let expected = present.replace(" -v", "").into_bytes();
        assert_eq!(
            since,
            Since::InEdits {
                expected: Some(expected)
            }
        );
        // The only line of an edit, and the line beside it.
        let present = "VERSION = 5\nSUBLEVEL = 263\n-include my/Makefile\nall:\n\tld\n";
        assert!(matches!(taken_out(present).1, Since::InEdits { .. }));
        // Moved: it would stay in the tree.
        let moved = "VERSION = 5\nSUBLEVEL = 262\nall:\n\tlto link\ninclude scripts/lto/Makefile\n";
        assert!(matches!(taken_out(moved).1, Since::InEdits { .. }));
    }

    #[test]
    fn a_record_without_the_installed_text_takes_nothing_out() {
        let found = take_out(ORIGINAL, None, b"VERSION = 6\n");
        assert_eq!(found.since, Since::InEdits { expected: None });
        let found = take_out(ORIGINAL, None, ORIGINAL);
        assert_eq!(found.since, Since::Unchanged);
    }
}

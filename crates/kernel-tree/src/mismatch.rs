// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The ways in which an anchor does not match, as messages describe them.

use std::fmt;

/// The way in which an anchor does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// It is nowhere.
    Missing {
        /// The place that resembles it most; `None` if nothing does.
        nearest: Option<Nearest>,
    },
    /// It is there, but not as often as it should be.
    Count {
        /// How often it should be there.
        expected: usize,
        /// The lines, from 1, at which it begins.
        lines: Vec<usize>,
    },
    /// Two of its places share text, so that changing one changes the other.
    Overlap {
        /// The lines, from 1, at which they begin.
        lines: (usize, usize),
    },
}

/// The place in a text that resembles an anchor most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// The line, from 1, that differs.
    pub line: usize,
    /// The text of the tree.
    pub found: String,
    /// The text of the anchor.
    pub wanted: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { nearest: None } => f.write_str("is not there, nor anything like it"),
            Self::Missing {
                nearest:
                    Some(Nearest {
                        line,
                        found,
                        wanted,
                    }),
            } => {
                let (found, wanted, note) = shown(found, wanted);
                write!(
                    f,
                    "is not there; nearest is line {line}, which has `{found}` where `{wanted}` \
                     should be{note}"
                )
            }
            Self::Count { expected, lines } => {
                let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "is there {} times (lines {}), not {expected}",
                    lines.len(),
                    lines.join(", ")
                )
            }
            Self::Overlap { lines: (a, b) } => {
                write!(f, "is there at lines {a} and {b}, which share text")
            }
        }
    }
}

/// Returns two lines as a message shows them. If they differ in blanks only, these are made visible.
fn shown(found: &str, wanted: &str) -> (String, String, &'static str) {
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    if words(found) != words(wanted) {
        return (found.trim().to_owned(), wanted.trim().to_owned(), "");
    }
    let visible = |line: &str| line.replace(' ', "·").replace('\t', "→").replace('\r', "␍");
    let note = " (they differ in blanks: · is a blank, → a tab, ␍ a carriage return)";
    (visible(found), visible(wanted), note)
}

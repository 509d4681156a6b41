// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Three-way merges of texts, line by line.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

use similar::{Algorithm, DiffTag, capture_diff_slices};

/// The changes of two texts to one base, put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merged {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Unchanged lines, and changes of the right side or of both.
    Text(Vec<u8>),
    /// A change of the left side.
    Left { base: Vec<u8>, left: Vec<u8> },
    /// Both sides changed the same lines, and not in the same way.
    Conflict {
        base: Vec<u8>,
        left: Vec<u8>,
        right: Vec<u8>,
    },
}

/// Puts the changes of `left` and `right` to `base` together.
///
/// Changes of both sides conflict if they share a line of `base`, or if both insert lines at the same
/// place. Changes of neighbouring lines do not, as long as it is certain which line became which.
pub(crate) fn merge(base: &[u8], left: &[u8], right: &[u8]) -> Merged {
    let (base, left, right) = (lines(base), lines(left), lines(right));
    let mut sides = [Side::new(&base, &left), Side::new(&base, &right)];
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(mut place) = sides.iter_mut().filter_map(Side::next_place).min_by(first) {
        let mut hunks: [Vec<Hunk>; 2] = [Vec::new(), Vec::new()];
        while let Some(side) = (0..2).find(|&side| sides[side].is_next_in(&place)) {
            if let Some(hunk) = sides[side].hunks.next() {
                place.include(&hunk);
                hunks[side].push(hunk);
            }
        }
        let place = place.lines;
        push_text(&mut parts, base[at..place.start].concat());
        let of_base = base[place.clone()].concat();
        let [of_left, of_right] = hunks
            .each_ref()
            .map(|hunks| changed_text(&base, &place, hunks));
        match hunks.each_ref().map(Vec::is_empty) {
            [_, true] => parts.push(Part::Left {
                base: of_base,
                left: of_left,
            }),
            [true, _] => push_text(&mut parts, of_right),
            _ if of_left == of_right => push_text(&mut parts, of_left),
            _ => parts.push(Part::Conflict {
                base: of_base,
                left: of_left,
                right: of_right,
            }),
        }
        at = place.end;
    }
    push_text(&mut parts, base[at..].concat());
    Merged { parts }
}

impl Merged {
    /// Returns the number of conflicts.
    pub fn n_conflicts(&self) -> usize {
        let conflict = |part: &&Part| matches!(part, Part::Conflict { .. });
        self.parts.iter().filter(conflict).count()
    }

    /// Returns the text with the lines of the left side where the sides conflict.
    pub fn preferring_left(&self) -> Vec<u8> {
        self.text(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Left { left, .. } | Part::Conflict { left, .. } => left.clone(),
        })
    }

    /// Returns the right side with the lines of the base where the sides conflict.
    pub fn right_without_conflicts(&self) -> Vec<u8> {
        self.text(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Left { base, .. } | Part::Conflict { base, .. } => base.clone(),
        })
    }

    /// Returns the text with both sides of each conflict between marks, as git writes them.
    pub fn with_marks(&self, left_name: &str, right_name: &str) -> Vec<u8> {
        self.text(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Left { left, .. } => left.clone(),
            Part::Conflict { left, right, .. } => {
                let mut text = format!("<<<<<<< {left_name}\n").into_bytes();
                push_lines(&mut text, left);
                text.extend(b"=======\n");
                push_lines(&mut text, right);
                text.extend(format!(">>>>>>> {right_name}\n").bytes());
                text
            }
        })
    }

    fn text(&self, of_part: impl Fn(&Part) -> Vec<u8>) -> Vec<u8> {
        self.parts.iter().flat_map(of_part).collect()
    }
}

/// Adds lines that end with a newline, so that a mark can follow.
fn push_lines(text: &mut Vec<u8>, lines: &[u8]) {
    text.extend_from_slice(lines);
    if !lines.is_empty() && !lines.ends_with(b"\n") {
        text.push(b'\n');
    }
}

fn push_text(parts: &mut Vec<Part>, text: Vec<u8>) {
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

/// A change of one side: lines of the base, and those that replace them.
#[derive(Debug, Clone)]
struct Hunk<'a> {
    base: Range<usize>,
    new: Vec<&'a [u8]>,
}

impl Hunk<'_> {
    /// Splits a change of as many lines as it had before into changes of single lines.
    fn split(self) -> Vec<Self> {
        if self.base.len() != self.new.len() {
            return vec![self];
        }
        let lines = self.base.zip(self.new);
        lines
            .map(|(at, line)| Hunk {
                base: at..at + 1,
                new: vec![line],
            })
            .collect()
    }

    /// Returns whether it is not known which of the new lines replace the old ones.
    fn is_uneven(&self) -> bool {
        !self.base.is_empty() && !self.new.is_empty() && self.base.len() != self.new.len()
    }
}

/// Lines of the base that changes of both sides replace.
struct Place {
    lines: Range<usize>,
    is_uneven: bool,
    is_begun: bool,
}

impl Place {
    fn of(hunk: &Hunk<'_>) -> Self {
        Self {
            lines: hunk.base.clone(),
            is_uneven: hunk.is_uneven(),
            is_begun: false,
        }
    }

    fn include(&mut self, hunk: &Hunk<'_>) {
        self.lines.end = self.lines.end.max(hunk.base.end);
        self.is_uneven |= hunk.is_uneven();
        self.is_begun = true;
    }

    /// Returns whether a change is at this place, or conflicts with one that is.
    fn meets(&self, hunk: &Hunk<'_>) -> bool {
        let (place, lines) = (&self.lines, &hunk.base);
        if place == lines {
            return true;
        }
        if !self.is_begun {
            return false;
        }
        let (is_insertion, at_end) = (lines.is_empty(), lines.start == place.end);
        if at_end {
            return (is_insertion && self.is_uneven) || (place.is_empty() && hunk.is_uneven());
        }
        lines.start < place.end && (!is_insertion || place.start < lines.start)
    }
}

/// The changes of one side that are still to be merged.
struct Side<'a> {
    hunks: Peekable<IntoIter<Hunk<'a>>>,
}

impl<'a> Side<'a> {
    fn new(base: &[&[u8]], side: &[&'a [u8]]) -> Self {
        let mut hunks: Vec<Hunk<'a>> = Vec::new();
        for op in capture_diff_slices(Algorithm::Patience, base, side) {
            let (tag, base, new) = op.as_tag_tuple();
            if tag == DiffTag::Equal {
                continue;
            }
            let new = side[new].to_vec();
            match hunks.last_mut() {
                Some(last) if last.base.end == base.start => {
                    last.base.end = base.end;
                    last.new.extend(new);
                }
                _ => hunks.push(Hunk { base, new }),
            }
        }
        let hunks: Vec<Hunk<'a>> = hunks.into_iter().flat_map(Hunk::split).collect();
        Self {
            hunks: hunks.into_iter().peekable(),
        }
    }

    /// Returns the place of the next change.
    fn next_place(&mut self) -> Option<Place> {
        self.hunks.peek().map(Place::of)
    }

    fn is_next_in(&mut self, place: &Place) -> bool {
        self.hunks.peek().is_some_and(|hunk| place.meets(hunk))
    }
}

/// Returns the lines at a place of the base with the changes of one side.
fn changed_text(base: &[&[u8]], place: &Range<usize>, hunks: &[Hunk<'_>]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut at = place.start;
    for hunk in hunks {
        text.extend(base[at..hunk.base.start].concat());
        text.extend(hunk.new.concat());
        at = hunk.base.end;
    }
    text.extend(base[at..place.end].concat());
    text
}

/// Orders places of the base: an insertion precedes a change of the line behind it.
fn first(left: &Place, right: &Place) -> Ordering {
    let bounds = |place: &Place| (place.lines.start, place.lines.end);
    bounds(left).cmp(&bounds(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &[u8] = b"one\ntwo\nthree\nfour\nfive\n";

    fn merged(left: &[u8], right: &[u8]) -> (usize, String) {
        let merged = merge(BASE, left, right);
        let text = merged.with_marks("left", "right");
        (merged.n_conflicts(), String::from_utf8(text).unwrap())
    }

    #[test]
    fn changes_at_different_places_are_put_together() {
        for (left, right, expected) in [
            (
                "one\nTWO\nthree\nfour\nfive\n",
                "one\ntwo\nthree\nfour\nFIVE\n",
                "one\nTWO\nthree\nfour\nFIVE\n",
            ),
            // Neighbouring lines.
            (
                "one\nTWO\nthree\nfour\nfive\n",
                "one\ntwo\nTHREE\nfour\nfive\n",
                "one\nTWO\nTHREE\nfour\nfive\n",
            ),
            // A removed line, and one that is inserted before or after it.
            (
                "one\nthree\nfour\nfive\n",
                "one\nnew\ntwo\nthree\nfour\nfive\n",
                "one\nnew\nthree\nfour\nfive\n",
            ),
            (
                "one\nthree\nfour\nfive\n",
                "one\ntwo\nnew\nthree\nfour\nfive\n",
                "one\nnew\nthree\nfour\nfive\n",
            ),
            // The same change on both sides, with another one.
            (
                "ONE\ntwo\nthree\nfour\nfive\n",
                "ONE\ntwo\nthree\nfour\n",
                "ONE\ntwo\nthree\nfour\n",
            ),
            ("", "one\ntwo\nthree\nfour\nfive\n", ""),
        ] {
            for (left, right) in [(left, right), (right, left)] {
                let found = merged(left.as_bytes(), right.as_bytes());
                assert_eq!(found, (0, expected.to_owned()), "{left}\n{right}");
            }
        }
    }

    #[test]
    fn changes_of_the_same_lines_conflict() {
        let left = b"one\n2\nthree\nfour\nfive\n";
        let right = b"one\nzwei\ndrei\nfour\nFIVE";
        let (conflicts, text) = merged(left, right);
        assert_eq!(conflicts, 1);
        assert_eq!(
            text,
            "one\n<<<<<<< left\n2\n=======\nzwei\n>>>>>>> right\ndrei\nfour\nFIVE"
        );
        assert_eq!(
            merge(BASE, left, right).preferring_left(),
            b"one\n2\ndrei\nfour\nFIVE"
        );
        assert_eq!(
            merge(BASE, left, right).right_without_conflicts(),
            b"one\ntwo\ndrei\nfour\nFIVE"
        );
        // Two insertions at one place: which is first is not known.
        let (conflicts, _) = merged(
            b"one\na\ntwo\nthree\nfour\nfive\n",
            b"one\nb\ntwo\nthree\nfour\nfive\n",
        );
        assert_eq!(conflicts, 1);
        // Which of the two new lines is the old one is not known.
        let (conflicts, _) = merged(
            b"one\ntwo\nnew\nthree\nfour\nfive\n",
            b"one\nzwei\n2\nthree\nfour\nfive\n",
        );
        assert_eq!(conflicts, 1);
        // A line inserted among lines that the other side removes.
        let (conflicts, text) = merged(b"one\nfour\nfive\n", b"one\ntwo\nx\nthree\nfour\nfive\n");
        assert_eq!(conflicts, 1);
        assert_eq!(
            text,
            "one\n<<<<<<< left\n=======\ntwo\nx\nthree\n>>>>>>> right\nfour\nfive\n"
        );
    }

    mod random {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            /// Whole lines with numbers, so that each line is at one place only.
            #[test]
            fn changes_of_different_lines_never_conflict(
                changes in proptest::collection::vec(0_u8..7, 1..40),
            ) {
                let mut texts = [String::new(), String::new(), String::new(), String::new()];
                for (index, change) in changes.iter().enumerate() {
                    let line = format!("{index}\n");
                    let [left, right] = match change {
                        0 => [format!("{index} left\n"), line.clone()],
                        1 => [line.clone(), format!("{index} right\n")],
                        2 => [String::new(), line.clone()],
                        3 => [line.clone(), String::new()],
                        _ => [line.clone(), line.clone()],
                    };
                    let both = if left == line { &right } else { &left };
                    texts[3].push_str(both);
                    texts[0].push_str(&line);
                    texts[1].push_str(&left);
                    texts[2].push_str(&right);
                }
                let [base, left, right, expected] = texts.each_ref().map(String::as_bytes);
                let found = merge(base, left, right);
                prop_assert_eq!(found.n_conflicts(), 0);
                prop_assert_eq!(found.preferring_left(), expected);
            }

            /// One side alone is taken as it is, whatever the texts are.
            #[test]
            fn a_side_without_changes_yields(base in "[ab\n]{0,40}", side in "[ab\n]{0,40}") {
                let (base, side) = (base.as_bytes(), side.as_bytes());
                for (left, right) in [(base, side), (side, base), (side, side)] {
                    let found = merge(base, left, right);
                    prop_assert_eq!(found.n_conflicts(), 0);
                    prop_assert_eq!(&found.preferring_left(), side);
                }
            }
        }
    }
}

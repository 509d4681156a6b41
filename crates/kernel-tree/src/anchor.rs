// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Applies one edit to one text: finds the anchor exactly as often as expected, and changes it there.

use crate::edits::{Edit, Placement};
use crate::mismatch::{Mismatch, Nearest};

/// Applies one edit to a text.
///
/// An anchor that ends with a newline stands for whole lines: it is found only where a line
/// begins. Everything else must match exactly, white space included.
pub(crate) fn apply(text: &[u8], edit: &Edit) -> Result<Vec<u8>, Mismatch> {
    let anchor = edit.anchor.as_bytes();
    let starts = places(text, anchor);
    if starts.len() != edit.occurs {
        if starts.is_empty() {
            return Err(Mismatch::Missing {
                nearest: nearest(text, anchor),
            });
        }
        return Err(Mismatch::Count {
            expected: edit.occurs,
            lines: starts.iter().map(|&at| line_of(text, at)).collect(),
        });
    }
    if let Some(pair) = starts
        .windows(2)
        .find(|pair| pair[1] - pair[0] < anchor.len())
    {
        return Err(Mismatch::Overlap {
            lines: (line_of(text, pair[0]), line_of(text, pair[1])),
        });
    }

    let mut result = Vec::with_capacity(text.len() + edit.occurs * edit.placement.text().len());
    let mut copied = 0;
    for start in starts {
        let end = start + anchor.len();
        result.extend_from_slice(&text[copied..start]);
        match &edit.placement {
            Placement::Replace(new) => result.extend_from_slice(new.as_bytes()),
            Placement::Before(new) => {
                result.extend_from_slice(new.as_bytes());
                result.extend_from_slice(anchor);
            }
            Placement::After(new) => {
                result.extend_from_slice(anchor);
                result.extend_from_slice(new.as_bytes());
            }
        }
        copied = end;
    }
    result.extend_from_slice(&text[copied..]);
    Ok(result)
}

/// Takes an edit out of a text; `None` if the text does not have what the edit writes, as often as it writes
/// it.
pub(crate) fn undo(text: &[u8], edit: &Edit) -> Option<Vec<u8>> {
    let Edit {
        anchor, placement, ..
    } = edit;
    let written = match placement {
        Placement::Replace(new) => new.clone(),
        Placement::Before(new) => format!("{new}{anchor}"),
        Placement::After(new) => format!("{anchor}{new}"),
    };
    let back = Edit {
        anchor: written,
        placement: Placement::Replace(anchor.clone()),
        ..edit.clone()
    };
    // Text that was removed leaves nothing to be found by.
    let is_there = !back.anchor.is_empty() && fits(text, &back);
    is_there.then(|| apply(text, &back).ok()).flatten()
}

/// Returns whether a text has the anchor of an edit, as often as it should.
pub(crate) fn fits(text: &[u8], edit: &Edit) -> bool {
    places(text, edit.anchor.as_bytes()).len() == edit.occurs
}

/// Returns every place at which the anchor begins, overlapping places included.
fn places(text: &[u8], anchor: &[u8]) -> Vec<usize> {
    let whole_lines = anchor.ends_with(b"\n");
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(offset) = text.get(from..).and_then(|rest| position_of(rest, anchor)) {
        let at = from + offset;
        if !whole_lines || at == 0 || text[at - 1] == b'\n' {
            places.push(at);
        }
        from = at + 1;
    }
    places
}

/// Returns the line, counted from 1, that contains the byte at `at`.
fn line_of(text: &[u8], at: usize) -> usize {
    text[..at].split(|&byte| byte == b'\n').count()
}

/// Returns the first place of `needle` in `haystack`.
fn position_of(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// Returns the first line of an anchor that has a letter or digit, by which a reader recognizes it.
pub(crate) fn headline(anchor: &str) -> &str {
    let says_something = |line: &&str| line.contains(char::is_alphanumeric);
    let lines = || anchor.lines().map(str::trim);
    lines()
        .find(says_something)
        .or_else(|| lines().find(|line| !line.is_empty()))
        .unwrap_or(anchor)
}

/// Returns the first differing line of the place that resembles an anchor most; `None` if nothing does.
fn nearest(text: &[u8], anchor: &[u8]) -> Option<Nearest> {
    let text = String::from_utf8_lossy(text);
    let anchor = String::from_utf8_lossy(anchor);
    // Not `lines()`, which hides carriage returns.
    let lines: Vec<&str> = text.split('\n').collect();
    let wanted: Vec<&str> = anchor.trim_end_matches('\n').split('\n').collect();
    let weight = |line: &str| line.trim().len();
    let all: usize = wanted.iter().map(|line| weight(line)).sum();
    let likeness = |start: usize| {
        let pairs = wanted.iter().zip(&lines[start..]);
        pairs
            .map(|(wanted, line)| weight(wanted) * likeness(wanted, line))
            .sum::<usize>()
    };
    let places = (0..lines.len()).map(|start| (start, likeness(start)));
    let (start, likeness) = places.max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)))?;
    // Below the half, texts have only letters in common.
    if likeness < all * EQUAL / 2 || all == 0 {
        return None;
    }
    let differs = |offset: &usize| lines.get(start + offset) != wanted.get(*offset);
    let offset = (0..wanted.len()).find(differs).unwrap_or(0);
    Some(Nearest {
        line: start + offset + 1,
        found: lines.get(start + offset).unwrap_or(&"the end").to_string(),
        wanted: wanted[offset].to_owned(),
    })
}

/// The likeness of equal lines.
const EQUAL: usize = 1000;

/// Returns the part of two lines that is equal, from 0 to [`EQUAL`]. Blanks count little, but more than nothing,
/// so that equal lines are the most similar ones.
fn likeness(left: &str, right: &str) -> usize {
    const BUT_FOR_BLANKS: usize = EQUAL - EQUAL / 20;
    if left == right {
        return EQUAL;
    }
    let words = |line: &str| {
        line.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .into_bytes()
    };
    let (left, right) = (words(left), words(right));
    let equal = |(left, right): &(&u8, &u8)| left == right;
    let begin = left.iter().zip(&right).take_while(equal).count();
    let ends = left[begin..].iter().rev().zip(right[begin..].iter().rev());
    let end = ends.take_while(equal).count();
    let longest = left.len().max(right.len());
    (BUT_FOR_BLANKS * (begin + end))
        .checked_div(longest)
        .unwrap_or(BUT_FOR_BLANKS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edits::Trees;

    fn edit(anchor: &str, occurs: usize, placement: Placement) -> Edit {
        Edit {
            hook: None,
            file: "f".into(),
            anchor: anchor.into(),
            occurs,
            placement,
            reason: "test".into(),
            trees: Trees::None,
            part: None,
            when: Vec::new(),
        }
    }

    fn replace(anchor: &str) -> Edit {
        edit(anchor, 1, Placement::Replace("X\n".into()))
    }

    #[test]
    fn replaces_and_inserts_at_the_anchor() {
        let text = b"one\ntwo\nthree\n";
        assert_eq!(apply(text, &replace("two\n")).unwrap(), b"one\nX\nthree\n");
        let before = edit("two\n", 1, Placement::Before("X\n".into()));
        assert_eq!(apply(text, &before).unwrap(), b"one\nX\ntwo\nthree\n");
        let after = edit("two\n", 1, Placement::After("X\n".into()));
        assert_eq!(apply(text, &after).unwrap(), b"one\ntwo\nX\nthree\n");
    }

    #[test]
    fn changes_each_of_several_places() {
        let every = edit("a\n", 3, Placement::Replace("b\n".into()));
        assert_eq!(apply(b"a\na\nc\na\n", &every).unwrap(), b"b\nb\nc\nb\n");
    }

    #[test]
    fn bytes_that_are_not_utf8_stay() {
        let text = b"\xe9\xff\ntwo\n\xfe";
        assert_eq!(
            apply(text, &replace("two\n")).unwrap(),
            b"\xe9\xff\nX\n\xfe"
        );
    }

    #[test]
    fn whole_lines_match_only_where_a_line_begins() {
        let found = apply(b"\t\tfoo\n", &replace("\tfoo\n"));
        assert!(matches!(found, Err(Mismatch::Missing { .. })), "{found:?}");
        assert!(apply(b"\t\tfoo\n", &replace("\tfoo")).is_ok());
    }

    #[test]
    fn an_anchor_is_known_by_a_line_that_says_something() {
        assert_eq!(headline("\n}\n\n\tfoo();\n"), "foo();");
        assert_eq!(headline("\n}\n"), "}");
        assert_eq!(headline("\n"), "\n");
    }

    #[test]
    fn an_edit_is_taken_out_by_its_text() {
        let text = b"one\ntwo\nthree\n";
        for placement in [
            Placement::Replace("2\n".into()),
            Placement::Before("1.5\n".into()),
            Placement::After("2.5\n".into()),
        ] {
            let edit = edit("two\n", 1, placement);
            let edited = apply(text, &edit).unwrap();
            assert_eq!(undo(&edited, &edit).unwrap(), text);
            assert_eq!(undo(text, &edit), None);
            let twice = [&edited[..], &edited].concat();
            assert_eq!(undo(&twice, &edit), None);
        }
        let removal = edit("two\n", 1, Placement::Replace(String::new()));
        assert_eq!(undo(b"one\nthree\n", &removal), None);
    }

    #[test]
    fn a_line_too_often_is_refused_with_its_lines() {
        assert_eq!(
            apply(b"a\nb\na\n", &replace("a\n")),
            Err(Mismatch::Count {
                expected: 1,
                lines: vec![1, 3]
            })
        );
    }

    #[test]
    fn places_that_share_text_are_refused() {
        let twice = edit("aba", 2, Placement::Replace("x".into()));
        assert_eq!(
            apply(b"ababa", &twice),
            Err(Mismatch::Overlap { lines: (1, 1) })
        );
        // They are counted, too, so that none of them is taken for the only one.
        let once = edit("aba", 1, Placement::Replace("x".into()));
        assert!(matches!(
            apply(b"ababa", &once),
            Err(Mismatch::Count { .. })
        ));
    }

    #[test]
    fn a_missing_anchor_names_the_line_that_differs() {
        let text = b"zero\nif x\n\tfirst\n\tsecond\nfi\n";
        let Err(Mismatch::Missing {
            nearest: Some(nearest),
        }) = apply(text, &replace("if x\n\tfirst\n\tother\nfi\n"))
        else {
            panic!("no nearest line");
        };
        assert_eq!(nearest.line, 4);
        assert_eq!(nearest.found, "\tsecond");
        assert_eq!(nearest.wanted, "\tother");
    }

    /// The message about an anchor that is missing.
    fn said(text: &str, anchor: &str) -> String {
        apply(text.as_bytes(), &replace(anchor))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_blank_a_tab_or_a_letter_is_found_and_shown() {
        let others = "}\n\nfoo()\n{\n\treturn;\n}\n\n";
        let place = "static int a_function(int argument)\n{\n\treturn argument;\n}\n";
        let text = format!("{others}{others}{place}{others}");
        for (from, to, line, shown) in [
            (
                "int a_",
                "int  a_",
                15,
                "has `static·int··a_function(int·argument)` where `static·int·a_function(int·argument)` should be (they differ in blanks",
            ),
            (
                "\treturn argument",
                "        return argument",
                17,
                "has `········return·argument;` where `→return·argument;` should be",
            ),
            (
                "return argument;",
                "return argumen;",
                17,
                "has `return argumen;` where `return argument;` should be",
            ),
            (
                "(int argument)\n",
                "(int argument)\r\n",
                15,
                "argument)␍` where",
            ),
            (
                "argument;\n",
                "argument; \n",
                17,
                "return·argument;·` where",
            ),
        ] {
            let text = text.replace(from, to);
            let said = said(&text, place);
            let place = format!("nearest is line {line}, which ");
            assert!(
                said.contains(&place) && said.contains(shown),
                "{from}: {said}"
            );
        }
        // A whole file with carriage returns.
        let said = said(&text.replace('\n', "\r\n"), place);
        assert!(
            said.contains("line 15, which has `static·int") && said.contains('␍'),
            "{said}"
        );
    }

    #[test]
    fn a_missing_line_names_the_most_similar_one() {
        let text = b"alpha\n  vmlinux_link(objects, kallsyms)\nomega\n";
        let Err(Mismatch::Missing {
            nearest: Some(nearest),
        }) = apply(text, &replace("vmlinux_link(object, kallsyms)\n"))
        else {
            panic!("no nearest line");
        };
        assert_eq!(nearest.line, 2);
        let nothing = apply(b"0\n1\n", &replace("vmlinux_link(object)\n"));
        assert_eq!(nothing, Err(Mismatch::Missing { nearest: None }));
        assert_eq!(
            apply(b"", &replace("x\n")),
            Err(Mismatch::Missing { nearest: None })
        );
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Differences of texts, as `git diff` writes them.

use std::io::Write as _;

use similar::{ChangeTag, TextDiff};

use crate::hash::git_blob;

/// Returns the difference of two contents of the file `path`, which is empty if they are equal.
/// `None` stands for a missing file.
pub(crate) fn unified(path: &str, old: Option<&[u8]>, new: Option<&[u8]>) -> Vec<u8> {
    if old == new {
        return Vec::new();
    }
    let mut text = format!("diff --git a/{path} b/{path}\n").into_bytes();
    let name = |side: char, content: Option<&[u8]>| {
        content.map_or_else(|| "/dev/null".to_owned(), |_| format!("{side}/{path}"))
    };
    match (old, new) {
        (None, _) => text.extend(b"new file mode 100644\n"),
        (_, None) => text.extend(b"deleted file mode 100644\n"),
        _ => {}
    }
    let (before, after) = (name('a', old), name('b', new));
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    if old.contains(&0) || new.contains(&0) {
        text.extend(format!("Binary files {before} and {after} differ\n").bytes());
        return text;
    }
    let difference = TextDiff::from_lines(old, new);
    for (index, hunk) in difference.unified_diff().iter_hunks().enumerate() {
        if index == 0 {
            text.extend(format!("--- {before}\n+++ {after}\n").bytes());
        }
        // Writing to a Vec does not fail.
        let _ = hunk.to_writer(&mut text);
    }
    text
}

/// Returns the same difference with the line by which `git am -3` finds the contents that the patch was made of.
/// `mode` is that of a file that stays.
pub(crate) fn patch(path: &str, old: Option<&[u8]>, new: Option<&[u8]>, mode: &str) -> Vec<u8> {
    let nothing = || "0".repeat(40);
    let [before, after] = [old, new].map(|content| content.map_or_else(nothing, git_blob));
    let mode = match (old, new) {
        (Some(_), Some(_)) => format!(" {mode}"),
        _ => String::new(),
    };
    let text = unified(path, old, new);
    let Some(at) = text.windows(5).position(|window| window == b"\n--- ") else {
        return text;
    };
    let index = format!("index {before}..{after}{mode}\n");
    let (head, hunks) = text.split_at(at + 1);
    [head, index.as_bytes(), hunks].concat()
}

/// Returns the numbers of lines that a difference adds and removes.
pub(crate) fn count(old: &[u8], new: &[u8]) -> (usize, usize) {
    let difference = TextDiff::from_lines(old, new);
    let of = |tag| {
        difference
            .iter_all_changes()
            .filter(|change| change.tag() == tag)
            .count()
    };
    (of(ChangeTag::Insert), of(ChangeTag::Delete))
}

/// Returns a table of files with the added and removed lines of each, as `git diff --stat` prints it.
pub(crate) fn stat(files: &[(String, (usize, usize))]) -> String {
    /// The largest number of signs per file.
    const WIDTH: usize = 40;
    let longest = files.iter().map(|(path, _)| path.len()).max().unwrap_or(0);
    let most = files.iter().map(|(_, (a, r))| a + r).max().unwrap_or(0);
    let mut text = Vec::new();
    for (path, (added, removed)) in files {
        let scaled = |lines: usize| match lines {
            0 => 0,
            _ if most <= WIDTH => lines,
            _ => (lines * WIDTH / most).max(1),
        };
        let signs = "+".repeat(scaled(*added)) + &"-".repeat(scaled(*removed));
        let lines = added + removed;
        let _ = writeln!(text, " {path:longest$} | {lines:>4} {signs}");
    }
    let (added, removed) = files
        .iter()
        .fold((0, 0), |sum, (_, (a, r))| (sum.0 + a, sum.1 + r));
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let _ = write!(text, " {} file{} changed", files.len(), plural(files.len()));
    if added > 0 {
        let _ = write!(text, ", {added} insertion{}(+)", plural(added));
    }
    if removed > 0 {
        let _ = write!(text, ", {removed} deletion{}(-)", plural(removed));
    }
    let _ = writeln!(text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_both_sides_and_keeps_bytes() {
        let text = unified("f", Some(b"a\n\xe9\nc\n"), Some(b"a\n\xe9\nd\n"));
        assert_eq!(
            text,
            b"diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n \xe9\n-c\n+d\n"
        );
        assert!(unified("f", Some(b"a"), Some(b"a")).is_empty());
    }

    #[test]
    fn new_removed_and_binary_files_are_said_to_be_so() {
        let made = String::from_utf8(unified("f", None, Some(b"x\n"))).unwrap();
        assert!(
            made.contains("new file mode 100644\n--- /dev/null\n+++ b/f\n"),
            "{made}"
        );
        let gone = String::from_utf8(unified("f", Some(b"x\n"), None)).unwrap();
        assert!(
            gone.contains("deleted file mode 100644\n--- a/f\n+++ /dev/null\n"),
            "{gone}"
        );
        let binary = String::from_utf8(unified("f", None, Some(b"\0"))).unwrap();
        assert!(binary.contains("Binary files"), "{binary}");
    }

    #[test]
    fn the_table_adds_up() {
        let files = [
            ("Makefile".to_owned(), count(b"a\nb\n", b"a\nc\nd\n")),
            ("long/name".to_owned(), (1, 0)),
        ];
        assert_eq!(
            stat(&files),
            " Makefile  |    3 ++-\n long/name |    1 +\n 2 files changed, 3 insertions(+), \
             1 deletion(-)\n"
        );
    }
}

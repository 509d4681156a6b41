// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The last patch of a series: the page in the kernel's documentation, and the entry in MAINTAINERS.

use crate::error::Result;
use crate::tree::Tree;

/// The subject of the patch.
pub const TITLE: &str = "Describe LTO, and name who maintains it";
/// Its text.
pub const BODY: &str = "\
Describe the options, how kernels with LTO are built, how an object is kept
out of it, and what code must take care of. Add an entry to MAINTAINERS.";

const PAGE: &str = "Documentation/kbuild/llvm-lto.rst";
const INDEX: &str = "Documentation/kbuild/index.rst";
/// The page after which the index lists the new one.
const LISTED_BEFORE: &str = "llvm";
const MAINTAINERS: &str = "MAINTAINERS";
const ENTRY: &str = "CLANG LINK TIME OPTIMIZATION";

/// A file of the patch.
pub struct Change {
    /// Its path in the tree.
    pub path: &'static str,
    /// Its content before; `None` if it is new.
    pub before: Option<Vec<u8>>,
    /// Its content after.
    pub after: Vec<u8>,
}

/// Returns the changes for a series by `sender`; none if the tree has no documentation, as parts of a tree have.
pub fn changes(tree: &Tree, page: &str, sender: &str) -> Result<Vec<Change>> {
    let (Some(index), Some(maintainers)) = (text(tree, INDEX)?, text(tree, MAINTAINERS)?) else {
        return Ok(Vec::new());
    };
    let edited = |path, before: String, after: Option<String>| {
        after.map(|after| Change {
            path,
            before: Some(before.into_bytes()),
            after: after.into_bytes(),
        })
    };
    let listed = with_page(&index);
    let named = with_entry(&maintainers, sender);
    let mut changes = vec![Change {
        path: PAGE,
        before: None,
        after: page.as_bytes().to_vec(),
    }];
    changes.extend(edited(INDEX, index, listed));
    changes.extend(edited(MAINTAINERS, maintainers, named));
    Ok(changes)
}

/// Returns a file of the tree, if it is there and text.
fn text(tree: &Tree, path: &str) -> Result<Option<String>> {
    let bytes = tree.read(path)?;
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
}

/// Returns the index with the page; `None` if it does not list the page before.
fn with_page(index: &str) -> Option<String> {
    let line = index.lines().find(|line| line.trim() == LISTED_BEFORE)?;
    let at = index.find(&format!("\n{line}\n"))? + line.len() + 2;
    let (before, after) = index.split_at(at);
    let indent = line.strip_suffix(LISTED_BEFORE)?;
    Some(format!("{before}{indent}llvm-lto\n{after}"))
}

/// Returns MAINTAINERS with an entry in its place: entries are sorted by their titles
/// (`scripts/parse-maintainers.pl`). `None` if the file has no entries.
fn with_entry(maintainers: &str, sender: &str) -> Option<String> {
    let mut at = 0;
    let mut place = None;
    for paragraph in maintainers.split_inclusive("\n\n") {
        let mut lines = paragraph.trim_start_matches('\n').lines();
        let title = lines.next().unwrap_or_default();
        let field = lines.next().unwrap_or_default().as_bytes();
        let is_entry = matches!(field, [b'A'..=b'Z', b':', b'\t', ..]);
        if is_entry && title > ENTRY {
            place = Some(at + paragraph.len() - paragraph.trim_start_matches('\n').len());
            break;
        }
        at += paragraph.len();
    }
    let (before, after) = maintainers.split_at(place?);
    let entry = format!(
        "{ENTRY}\n\
         M:\t{sender}\n\
         L:\tlinux-kbuild@vger.kernel.org\n\
         S:\tMaintained\n\
         F:\t{PAGE}\n\
         F:\tinclude/linux/lto_*.h\n\
         F:\tscripts/lto/\n\n"
    );
    Some(format!("{before}{entry}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_lists_the_page_after_that_on_llvm() {
        let index = "Title\n\n.. toctree::\n\n    kbuild\n    llvm\n\n.. only::\n";
        let expected = "Title\n\n.. toctree::\n\n    kbuild\n    llvm\n    llvm-lto\n\n.. only::\n";
        assert_eq!(with_page(index).as_deref(), Some(expected));
        assert_eq!(with_page("Title\n\n    kbuild\n"), None);
    }

    #[test]
    fn the_entry_stands_where_its_title_belongs() {
        let before = "List of maintainers\n===================\n\nZ: a field is explained here\n\n";
        let first = "CIRRUS\nM:\tB <b@example.org>\nS:\tMaintained\n\n";
        let second = "CLANG-FORMAT FILE\nM:\tC <c@example.org>\nS:\tMaintained\n";
        let text = format!("{before}{first}{second}");
        let text = with_entry(&text, "A <a@example.org>").unwrap();
        let (found, rest) = text.split_once(ENTRY).unwrap();
        assert_eq!(found, format!("{before}{first}"));
        assert!(rest.starts_with("\nM:\tA <a@example.org>\n"), "{rest}");
        assert!(
            rest.ends_with(&format!("F:\tscripts/lto/\n\n{second}")),
            "{rest}"
        );
        assert_eq!(with_entry("no entry\n", "A <a@example.org>"), None);
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Files that may be missing, and texts in them.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Returns whether a file or directory exists.
///
/// # Errors
/// The system returns another error than "not found".
pub fn exists(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the content of a file, or `None` if it is missing.
///
/// # Errors
/// The file exists and cannot be read.
pub fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Returns whether a text contains another.
pub fn contains(text: &[u8], part: &str) -> bool {
    let part = part.as_bytes();
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_contained_byte_by_byte() {
        assert!(contains(b"abc", "bc") && contains(b"abc", "") && contains(b"", ""));
        assert!(!contains(b"ab", "abc") && !contains(b"", "a"));
    }
}

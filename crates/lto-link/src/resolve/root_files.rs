// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Definitions that files name: linker scripts, sources, objects, and patterns of names to keep.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use globset::{Glob, GlobMatcher};
use object_model::{FileKind, Object};

use crate::error::RootError;

/// Returns the names in `defined` that a file contains as words; of a C file, as words in strings. Names may be
/// repeated.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn definitions_named_in<'data>(
    path: &Path,
    defined: &HashMap<&'data str, usize>,
) -> Result<Vec<&'data str>, RootError> {
    let text = read(path)?;
    let extension = path.extension();
    let is_c = extension.is_some_and(|kind| kind == "c" || kind == "h");
    let texts = if is_c {
        strings(&text)
    } else {
        vec![&text[..]]
    };
    let words = texts.into_iter().flat_map(words);
    Ok(words.filter_map(known(defined)).collect())
}

/// Returns the names in `defined` that a source or object of the last link contains: any word of a
/// text, or any symbol of an object. Names may be repeated.
///
/// # Errors
/// The file cannot be read, or is a damaged object.
pub(crate) fn names_of_last_link<'data>(
    path: &Path,
    defined: &HashMap<&'data str, usize>,
) -> Result<Vec<&'data str>, RootError> {
    let data = read(path)?;
    if FileKind::of(&data).is_none() {
        return Ok(words(&data).filter_map(known(defined)).collect());
    }
    let object = Object::parse(&data)
        .map_err(|error| RootError::Read(path.to_owned(), io::Error::other(error)))?;
    let symbols = object.linker_symbols();
    Ok(symbols
        .map(|symbol| symbol.name)
        .filter_map(known(defined))
        .collect())
}

/// Returns the names in `defined` that match patterns of the file at `path`, each with the pattern and its
/// reason.
///
/// # Errors
/// The file cannot be read, a pattern is malformed or matches no definition.
pub(crate) fn kept_by_patterns<'data>(
    path: &Path,
    defined: &HashMap<&'data str, usize>,
) -> Result<Vec<(&'data str, String, String)>, RootError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| RootError::Read(path.to_owned(), error))?;
    let mut kept = Vec::new();
    for (matcher, why) in patterns(path, &text)? {
        let pattern = matcher.glob().glob().to_owned();
        let before = kept.len();
        for name in defined.keys().filter(|name| matcher.is_match(name)) {
            kept.push((*name, pattern.clone(), why.clone()));
        }
        if kept.len() == before {
            let path = path.to_owned();
            return Err(RootError::Unmatched { path, pattern });
        }
    }
    Ok(kept)
}

fn read(path: &Path) -> Result<Vec<u8>, RootError> {
    std::fs::read(path).map_err(|error| RootError::Read(path.to_owned(), error))
}

/// Returns a function from a word to the same name in `defined`.
fn known<'word, 'data>(
    defined: &HashMap<&'data str, usize>,
) -> impl Fn(&'word str) -> Option<&'data str> {
    move |word| defined.get_key_value(word).map(|(name, _)| *name)
}

/// Returns the words of `text` that may be names of C. The text may be binary data.
fn words(text: &[u8]) -> impl Iterator<Item = &str> {
    text.split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))
        .filter_map(|word| std::str::from_utf8(word).ok())
        .filter(|word| !word.is_empty())
}

/// Returns the strings in a C source, without their quotes. Comments and character constants are not
/// recognized: a quote in them starts or ends a string, but only up to the end of its line.
fn strings(text: &[u8]) -> Vec<&[u8]> {
    let mut strings = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut start = None;
        let mut is_escaped = false;
        for (at, byte) in line.iter().enumerate() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => match start.take() {
                    Some(start) => strings.push(&line[start..at]),
                    None => start = Some(at + 1),
                },
                _ => (),
            }
        }
    }
    strings
}

/// Returns the patterns of a file with their reasons.
fn patterns(path: &Path, text: &str) -> Result<Vec<(GlobMatcher, String)>, RootError> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let wrong = |what: String| RootError::Pattern {
                path: path.to_owned(),
                line: index + 1,
                what,
            };
            let (pattern, why) = line
                .trim()
                .split_once(char::is_whitespace)
                .ok_or_else(|| wrong(format!("`{}` has no reason", line.trim())))?;
            let glob = Glob::new(pattern).map_err(|error| wrong(error.to_string()))?;
            Ok((glob.compile_matcher(), why.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_c_are_those_in_its_strings() {
        let text = br#"if (!strcmp(name, "main_table")) die("no \"other\" %s\n", "x", sort);"#;
        let found: Vec<&str> = strings(text).into_iter().flat_map(words).collect();
        assert_eq!(found, ["main_table", "no", "other", "s", "n", "x"]);
    }
}

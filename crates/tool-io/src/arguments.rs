// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads arguments from files, for command lines longer than the system allows.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The reason why an argument file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentFileError {
    /// The file cannot be read.
    #[error("argument file {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A quotation mark is opened and not closed.
    #[error("argument file {}: a {quote} is not closed", path.display())]
    Unclosed {
        /// The file.
        path: PathBuf,
        /// The quotation mark.
        quote: char,
    },
    /// An argument file names another.
    #[error(
        "argument file {} names the argument file {}; write its arguments into the first",
        path.display(),
        nested.display()
    )]
    Nested {
        /// The file.
        path: PathBuf,
        /// The file it names.
        nested: PathBuf,
    },
}

/// Returns the arguments of this process, its name first, with `@FILE` replaced; see
/// [`expand_arguments`].
///
/// # Errors
/// As [`expand_arguments`].
pub fn arguments() -> Result<Vec<OsString>, ArgumentFileError> {
    let mut arguments = std::env::args_os();
    let mut expanded: Vec<_> = arguments.next().into_iter().collect();
    expanded.extend(expand_arguments(arguments)?);
    Ok(expanded)
}

/// Replaces each argument `@FILE` by the arguments in FILE, like the tools of GNU and LLVM: white
/// space separates arguments; single and double quotation marks keep it; a backslash takes the next
/// character literally, inside quotation marks, too. A lone `@` is kept.
///
/// # Errors
/// A file that cannot be read, an open quotation mark, an `@FILE` within a file.
pub fn expand_arguments(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, ArgumentFileError> {
    let mut expanded = Vec::new();
    for argument in arguments {
        match named_file(&argument) {
            Some(path) => expanded.extend(read(path)?),
            None => expanded.push(argument),
        }
    }
    Ok(expanded)
}

/// Returns the content of a file for [`expand_arguments`], with a line for each of `arguments`.
pub fn argument_file<'a>(arguments: impl IntoIterator<Item = &'a OsString>) -> Vec<u8> {
    let mut content = Vec::new();
    for argument in arguments {
        content.push(b'"');
        for byte in argument.as_bytes() {
            if matches!(byte, b'"' | b'\\') {
                content.push(b'\\');
            }
            content.push(*byte);
        }
        content.extend(b"\"\n");
    }
    content
}

fn named_file(argument: &OsStr) -> Option<PathBuf> {
    let path = argument.as_bytes().strip_prefix(b"@")?;
    (!path.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(path)))
}

fn read(path: PathBuf) -> Result<Vec<OsString>, ArgumentFileError> {
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(source) => return Err(ArgumentFileError::Read { path, source }),
    };
    let arguments = match split(&content) {
        Ok(arguments) => arguments,
        Err(quote) => return Err(ArgumentFileError::Unclosed { path, quote }),
    };
    match arguments.iter().find_map(|argument| named_file(argument)) {
        Some(nested) => Err(ArgumentFileError::Nested { path, nested }),
        None => Ok(arguments),
    }
}

/// Splits the content of an argument file; the error is the unclosed quotation mark.
fn split(content: &[u8]) -> Result<Vec<OsString>, char> {
    let mut arguments = Vec::new();
    // `Some` while in an argument; an empty one, written as '', counts.
    let mut current: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = content.iter().copied();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            // A backslash at the very end stands for itself.
            (b'\\', _) => current
                .get_or_insert_default()
                .push(bytes.next().unwrap_or(byte)),
            (_, Some(open)) if byte == open => quote = None,
            (b'\'' | b'"', None) => {
                current.get_or_insert_default();
                quote = Some(byte);
            }
            (_, None) if byte.is_ascii_whitespace() || byte == b'\x0b' => {
                arguments.extend(current.take());
            }
            _ => current.get_or_insert_default().push(byte),
        }
    }
    arguments.extend(current);
    match quote {
        Some(quote) => Err(char::from(quote)),
        None => Ok(arguments.into_iter().map(OsString::from_vec).collect()),
    }
}

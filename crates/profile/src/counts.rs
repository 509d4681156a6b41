// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads what a profile says of each function.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::MergeError;

/// The counts of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Its name in the source.
    pub name: String,
    /// The source file of a static function, as the compiler was told it.
    pub file: Option<String>,
    /// The sum of its counters: how often parts of it were executed.
    pub count: u64,
}

/// The reason why the text of a profile cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what llvm-profdata says of function {function} is not a list of counters: {line:?}")]
pub struct TextError {
    /// The function.
    pub function: String,
    /// The line that should be a number.
    pub line: String,
}

/// Lets llvm-profdata write a profile as text, and returns the text.
///
/// # Errors
/// `llvm_profdata` cannot be run or fails, for example because the file is no profile.
pub fn text_of(llvm_profdata: &Path, profile: &Path) -> Result<String, MergeError> {
    let mut command = Command::new(llvm_profdata);
    command.args(["merge", "--text", "-o", "-"]).arg(profile);
    let text = crate::merge::run(&mut command)?;
    let no_text = |error| MergeError::Write(io::Error::new(io::ErrorKind::InvalidData, error));
    String::from_utf8(text).map_err(no_text)
}

/// Reads the functions of a profile from its text.
///
/// The text has a record for each function, with an empty line behind it: name, hash of the control flow,
/// number of counters, the counters; all else in a record is skipped. (Text format in the manual of
/// llvm-profdata; the name of a static function is `<file>;<name>`, before LLVM 17 `<file>:<name>`.)
///
/// # Errors
/// A counter is not a number, or some are missing.
pub fn functions(text: &str) -> Result<Vec<Counted>, TextError> {
    let lines = text.lines().filter(|line| !line.starts_with([':', '#']));
    let mut lines = lines.peekable();
    let mut found = Vec::new();
    while let Some(name) = lines.next() {
        if name.is_empty() {
            continue;
        }
        let mut record = std::iter::from_fn(|| lines.next_if(|line| !line.is_empty()));
        let number = |line: Option<&str>| {
            let line = line.unwrap_or_default();
            line.parse::<u64>().map_err(|_| TextError {
                function: name.to_owned(),
                line: line.to_owned(),
            })
        };
        let _hash = record.next();
        let n_counters = number(record.next())?;
        let mut count = 0_u64;
        for _ in 0..n_counters {
            count = count.saturating_add(number(record.next())?);
        }
        record.for_each(drop);
        let (file, name) = match name.rsplit_once([';', ':']) {
            Some((file, name)) => (Some(file.to_owned()), name),
            None => (None, name),
        };
        found.push(Counted {
            name: name.to_owned(),
            file,
            count,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# IR level Instrumentation Flag\n:ir\nopen\n# Func Hash:\n7\n# Num Counters:\n2\n\
        # Counter Values:\n3\n4\n\nfs/a.c;look\n# Func Hash:\n8\n# Num Counters:\n1\n# Counter Values:\n\
        5\n# Num Bitmap Bytes:\n$0\n\n";

    fn counted(name: &str, file: Option<&str>, count: u64) -> Counted {
        Counted {
            name: name.into(),
            file: file.map(Into::into),
            count,
        }
    }

    #[test]
    fn records_are_read_one_by_one() {
        let expected = [counted("open", None, 7), counted("look", Some("fs/a.c"), 5)];
        assert_eq!(functions(TEXT).unwrap(), expected);
        let before_17 = TEXT.replace(';', ":");
        assert_eq!(functions(&before_17).unwrap(), expected);
    }

    #[test]
    fn a_record_that_is_not_whole_names_its_function() {
        let cut = TEXT.split("4\n").next().unwrap();
        let error = functions(cut).unwrap_err();
        assert_eq!((&*error.function, &*error.line), ("open", ""));
        let error = functions(&TEXT.replace("5\n", "x\n")).unwrap_err();
        assert_eq!((&*error.function, &*error.line), ("fs/a.c;look", "x"));
    }
}

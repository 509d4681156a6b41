// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The files that one code generation reads, and their places below the root of an action.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::actions::hermetic::{file_of_option, folders_on_the_way, normal, place_of_file};

/// The reason why an action reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The bitcode whose code is generated.
    Object,
    /// The index that the thin link wrote for it.
    Index,
    /// Bitcode that functions are imported from.
    Import,
    /// A file that an option names, such as a profile.
    Option,
}

impl Role {
    /// Returns the words for messages: "fork.o, from which code is imported, …".
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Object => "whose code is generated",
            Self::Index => "its index",
            Self::Import => "from which code is imported",
            Self::Option => "which an option names",
        }
    }
}

/// A file that a code generation reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputFile {
    /// Its path in the command or in the list of imports.
    pub(crate) path: PathBuf,
    /// The reason why it is read.
    pub(crate) role: Role,
}

impl InputFile {
    pub(crate) fn new(path: impl Into<PathBuf>, role: Role) -> Self {
        Self {
            path: path.into(),
            role,
        }
    }

    /// Returns its path below the root. `None` if it must be below, because the index names it by its path, and is
    /// not; files of options get a place.
    pub(crate) fn place(&self, root: &Path) -> Option<PathBuf> {
        match self.role {
            Role::Option => Some(place_of_file(root, &self.path)),
            Role::Object | Role::Index | Role::Import => normal(&self.path),
        }
    }

    /// Returns the folders that must exist below the root, because `..` in its path goes through them.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        match self.role {
            // The command names it by its place.
            Role::Option => Vec::new(),
            Role::Object | Role::Index | Role::Import => folders_on_the_way(&self.path),
        }
    }
}

/// Reads the list `path` of the objects that code is imported from, one on each line.
///
/// # Errors
/// The list cannot be read.
pub(crate) fn read_imports(path: &Path) -> io::Result<Vec<PathBuf>> {
    let text = fs::read(path)?;
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    Ok(lines.map(|line| OsStr::from_bytes(line).into()).collect())
}

/// Returns the files that the code generation of `object` reads; `words` are the options of its command.
pub(crate) fn input_files<'a>(
    object: &Path,
    index: &Path,
    imports: Vec<PathBuf>,
    words: impl Iterator<Item = &'a str>,
) -> Vec<InputFile> {
    let mut inputs = vec![
        InputFile::new(object, Role::Object),
        InputFile::new(index, Role::Index),
    ];
    let imports = imports.into_iter();
    inputs.extend(imports.map(|path| InputFile::new(path, Role::Import)));
    let of_options = words.filter_map(file_of_option);
    inputs.extend(of_options.map(|(_, path)| InputFile::new(path, Role::Option)));
    inputs
}

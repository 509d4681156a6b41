// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Folders for the output files of a linker, and the removal of files and folders.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use object_model::Input;

use crate::error::{LinkError, io_error};
use crate::read::inputs::Inputs;

/// Makes the folder `dir`.
///
/// # Errors
/// It exists, or cannot be made.
pub(crate) fn make_dir(dir: &Path) -> Result<(), LinkError> {
    fs::create_dir(dir).map_err(io_error(format!("making {}", dir.display())))
}

/// Removes the folder `dir` if it exists.
///
/// # Errors
/// It cannot be removed.
pub(crate) fn remove_dir(dir: &Path) -> Result<(), LinkError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error(format!("removing {}", dir.display()))(error))
        }
        _ => Ok(()),
    }
}

/// Does `work`, and removes the folder `dir` if it fails: a failed link leaves no object that looks finished.
///
/// # Errors
/// `work` fails.
pub(crate) fn removed_on_failure<T>(
    dir: &Path,
    work: impl FnOnce() -> Result<T, LinkError>,
) -> Result<T, LinkError> {
    let result = work();
    if result.is_err() {
        // Only the first error helps.
        let _ = remove_dir(dir);
    }
    result
}

/// Removes the file at `path` if it exists.
///
/// # Errors
/// It cannot be removed.
pub(crate) fn remove_file(path: &Path) -> Result<(), LinkError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error(format!("removing {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}

/// The folder in which lld writes the indexes of objects, wherever the objects are.
#[derive(Clone, Debug)]
pub(crate) struct IndexDir(PathBuf);

impl IndexDir {
    /// Makes the empty folder `dir` for the indexes of `inputs`. Old content is removed.
    ///
    /// # Errors
    /// The folder cannot be removed or made.
    pub(crate) fn make(dir: &Path, inputs: &Inputs) -> Result<Self, LinkError> {
        remove_dir(dir)?;
        // Make it so deep that no `..` in the path of an object leads out of it.
        let ups = |input: &Input| {
            let path = input.path.as_deref().unwrap_or(Path::new(&input.name));
            let parts = path.components();
            parts.filter(|part| *part == Component::ParentDir).count()
        };
        let depth = inputs.objects.iter().map(ups).max().unwrap_or_default();
        let deepest = (0..depth).fold(dir.to_owned(), |dir, _| dir.join("d"));
        fs::create_dir_all(&deepest).map_err(io_error(format!("making {}", deepest.display())))?;
        Ok(Self(deepest))
    }

    /// Returns lld's option for writing there.
    pub(crate) fn prefix_option(&self) -> OsString {
        // lld puts this prefix in front of each path, unchanged.
        let mut prefix = OsString::from("--thinlto-prefix-replace=;");
        prefix.push(&self.0);
        prefix.push("/");
        prefix
    }

    /// Returns the path to which lld appends the suffixes of an object's files.
    pub(crate) fn place(&self, object: &Path) -> PathBuf {
        self.0.join(object.strip_prefix("/").unwrap_or(object))
    }
}

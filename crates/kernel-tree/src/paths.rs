// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Paths in a kernel tree: the places of an install, and how a path of a tree is read.

use std::fs::{self, Metadata};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// The directory of the kernel tree in which everything new stands.
pub(crate) const LTO_DIR: &str = "scripts/lto";
/// Where the tools of the plugins stand.
pub(crate) const BIN_DIR: &str = "scripts/lto/bin";
/// The file that holds the version of what is installed.
pub(crate) const VERSION_FILE: &str = "scripts/lto/VERSION";

/// Where the record, the journal and the originals stand.
///
/// The names in it are chosen so that neither the kernel's `make clean` nor `make distclean`,
/// which remove files by name in the whole tree, takes one of them.
pub(crate) const RECORD_DIR: &str = "scripts/lto/.install";
pub(crate) const MANIFEST: &str = "scripts/lto/.install/manifest.json";
pub(crate) const ORIGINALS_DIR: &str = "scripts/lto/.install/originals";

/// Whether `path` is `dir` or something in it.
pub(crate) fn is_under(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether `path` is part of the record and not of what is installed.
pub(crate) fn is_record(path: &str) -> bool {
    is_under(path, RECORD_DIR)
}

/// Where the original of that hash is kept, relative to the tree.
pub(crate) fn original_path(hash: &str) -> String {
    format!("{ORIGINALS_DIR}/{hash}")
}

/// The directories that must be there for `path`, the outermost first.
pub(crate) fn parents(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// Joins a path of the tree to its directory. It must be made of plain names, so that nothing
/// outside the tree is ever read or written.
pub(crate) fn full_path(dir: &Path, path: &str) -> Result<PathBuf> {
    let plain = !path.is_empty()
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
    if !plain {
        return Err(Error::Path {
            path: path.to_owned(),
            reason: "must be relative to the kernel tree, without `..`".into(),
        });
    }
    Ok(dir.join(path))
}

/// Returns why a file of the tree is not a plain file in plain directories; `None` if it is, or is missing.
pub(crate) fn obstacle(dir: &Path, path: &str) -> Result<Option<String>> {
    let link_or_other = |metadata: Metadata, other: &'static str| {
        if metadata.is_symlink() {
            "a symbolic link"
        } else {
            other
        }
    };
    if let Some((part, metadata)) = not_a_directory(dir, path)? {
        let what = link_or_other(metadata, "no directory");
        return Ok(Some(format!("{part} is {what}")));
    }
    match fs::symlink_metadata(full_path(dir, path)?) {
        Ok(metadata) if !metadata.is_file() => {
            let what = link_or_other(metadata, "no plain file");
            Ok(Some(format!("{path} is {what}")))
        }
        _ => Ok(None),
    }
}

/// Checks that the directories of a path are plain ones, so that files outside the tree are never changed.
pub(crate) fn check_directories(dir: &Path, path: &str) -> Result<()> {
    match not_a_directory(dir, path)? {
        None => Ok(()),
        Some((part, _)) => Err(Error::Path {
            path: part.to_owned(),
            reason: "is a symbolic link or not a directory; files outside the tree are never changed: put a \
                     plain directory in its place"
                .into(),
        }),
    }
}

/// Returns the first part of the way to a path that is there and is not a plain directory.
fn not_a_directory<'a>(dir: &Path, path: &'a str) -> Result<Option<(&'a str, Metadata)>> {
    for part in parents(path) {
        match fs::symlink_metadata(full_path(dir, part)?) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) => return Ok(Some((part, metadata))),
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// The content of a file, or `None` if there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    kernel_facts::read_if_there(path).map_err(Error::io("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_named_from_outside_in() {
        let found: Vec<_> = parents("a/b/c").collect();
        assert_eq!(found, ["a", "a/b"]);
        assert_eq!(parents("a").count(), 0);
    }

    #[test]
    fn under_means_a_whole_name() {
        assert!(is_under("a/b", "a"));
        assert!(is_under("a", "a"));
        assert!(!is_under("ab", "a"));
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The record of an install: the edited and new files, and the originals of the edited ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::paths::{LTO_DIR, MANIFEST, RECORD_DIR, full_path, is_record, is_under, read_if_there};
use crate::time_stamp::TimeStamp;

/// The form of the manifest that this version reads and writes.
const FORMAT: u32 = 1;

/// The record of an install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub format: u32,
    /// The version of the plugins.
    pub version: String,
    /// The commit of the plugins and tools, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    pub plugins: Vec<String>,
    /// Edited files, by path. A file that earlier plugins edited and the present ones do not stays
    /// recorded because of its time stamp.
    pub edited: BTreeMap<String, EditedRecord>,
    /// New files, by path.
    pub created: BTreeMap<String, CreatedRecord>,
    /// New directories.
    pub directories: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditedRecord {
    pub original: Original,
    /// The SHA-256 of the installed content.
    pub installed: String,
    pub plugins: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreatedRecord {
    /// The SHA-256 of the installed content.
    pub installed: String,
    pub plugins: Vec<String>,
}

/// The state of a file before it was edited. Its content is in the folder of originals, named by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Original {
    pub sha256: String,
    /// The permission bits.
    pub mode: u32,
    pub modified: TimeStamp,
}

impl Manifest {
    pub fn new(version: &str, plugins: Vec<String>) -> Self {
        Self {
            format: FORMAT,
            version: version.to_owned(),
            commit: None,
            plugins,
            edited: BTreeMap::new(),
            created: BTreeMap::new(),
            directories: BTreeSet::new(),
        }
    }

    /// Reads the manifest of the tree in `dir`; `None` if nothing is installed.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(MANIFEST);
        let Some(text) = read_if_there(&path)? else {
            return Ok(None);
        };
        Self::parse(&text, dir)
            .map(Some)
            .map_err(|reason| Error::Record { path, reason })
    }

    fn parse(text: &[u8], dir: &Path) -> std::result::Result<Self, String> {
        /// This field is read first, because another form may differ in everything else.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if format != FORMAT {
            return Err(format!(
                "this is form {format} of the record, and only form {FORMAT} is known here: use \
                 the version of kbuild-lto that installed it"
            ));
        }
        let manifest: Self = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        let paths = manifest
            .edited
            .keys()
            .chain(manifest.created.keys())
            .chain(&manifest.directories);
        for path in paths {
            full_path(dir, path).map_err(|error| error.to_string())?;
        }
        Ok(manifest)
    }

    /// Returns the text of the manifest file. The same manifest gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// Returns whether `path` exists only because of an install.
    pub fn made(&self, path: &str) -> bool {
        self.created.contains_key(path)
            || self.directories.contains(path)
            || is_under(path, RECORD_DIR)
    }

    /// Returns the files that differ from their originals because of edits.
    pub fn edited_by_plugins(&self) -> impl Iterator<Item = &String> {
        self.edited
            .iter()
            .filter(|(_, record)| record.installed != record.original.sha256)
            .map(|(path, _)| path)
    }
}

/// Returns all files in `scripts/lto` that are in no record, sorted, relative to the tree.
pub(crate) fn foreign_files(dir: &Path, manifest: Option<&Manifest>) -> Result<Vec<String>> {
    let root = dir.join(LTO_DIR);
    let mut found = Vec::new();
    if !root.exists() {
        return Ok(found);
    }
    for entry in walkdir::WalkDir::new(&root)
        .min_depth(1)
        .sort_by_file_name()
    {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(&root).to_path_buf();
            Error::io("list", &path)(error.into())
        })?;
        let relative = entry.path().strip_prefix(dir).unwrap_or(entry.path());
        let path = relative.to_string_lossy().into_owned();
        let ours = is_record(&path) || manifest.is_some_and(|manifest| manifest.made(&path));
        if !ours && !entry.file_type().is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;

    #[test]
    fn a_manifest_reads_back() {
        let mut manifest = Manifest::new("1.2.3", vec!["a".into()]);
        manifest.edited.insert(
            "Makefile".into(),
            EditedRecord {
                original: Original {
                    sha256: sha256(b""),
                    mode: 0o644,
                    modified: TimeStamp {
                        seconds: -5,
                        nanoseconds: 7,
                    },
                },
                installed: sha256(b"x"),
                plugins: vec!["a".into()],
            },
        );
        for commit in [None, Some("abc".to_owned())] {
            manifest.commit = commit;
            let text = manifest.to_bytes();
            assert_eq!(Manifest::parse(&text, Path::new("/t")).unwrap(), manifest);
            assert_eq!(manifest.to_bytes(), text);
        }
    }

    #[test]
    fn a_manifest_of_another_form_or_with_a_path_outside_is_refused() {
        let other = br#"{"format": 2, "all": "different"}"#;
        let error = Manifest::parse(other, Path::new("/t")).unwrap_err();
        assert!(error.contains("form 2"), "{error}");

        let mut manifest = Manifest::new("1", Vec::new());
        manifest.directories.insert("../etc".into());
        let error = Manifest::parse(&manifest.to_bytes(), Path::new("/t")).unwrap_err();
        assert!(error.contains("../etc"), "{error}");
        assert!(Manifest::parse(b"{", Path::new("/t")).is_err());
    }
}

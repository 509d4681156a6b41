// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes `kconfig.rs`: the folders of `kconfig/` with all their files, in the order of their names.
//!
//! Hidden files and the copies that editors leave (`Kconfig~`) are not embedded.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use walkdir::{DirEntry, WalkDir};

/// The files of each folder, by their names in it.
type Folders = BTreeMap<String, BTreeMap<String, String>>;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kconfig");
    // Cargo looks at everything below: a file that comes or goes changes its directory.
    println!("cargo::rerun-if-changed={}", root.display());
    match collected(&root).and_then(|folders| write(&source(&folders))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!("cargo::error={reason}");
            ExitCode::FAILURE
        }
    }
}

fn collected(root: &Path) -> Result<Folders, String> {
    let root = root
        .canonicalize()
        .map_err(|error| format!("{}: {error}", root.display()))?;
    let mut folders = Folders::new();
    for entry in WalkDir::new(&root).into_iter().filter_entry(is_kept) {
        let entry = entry.map_err(|error| error.to_string())?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path();
        let wrong = |reason: &str| format!("{}: {reason}", path.display());
        fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
        let relative = path.strip_prefix(&root).ok().and_then(Path::to_str);
        let (relative, path) = relative
            .zip(path.to_str())
            .ok_or_else(|| wrong("its path is not UTF-8"))?;
        let (folder, name) = relative
            .split_once('/')
            .ok_or_else(|| wrong("it stands in no plugin's folder"))?;
        let files = folders.entry(folder.to_owned()).or_default();
        files.insert(name.to_owned(), path.to_owned());
    }
    Ok(folders)
}

fn is_kept(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    entry.depth() == 0 || !name.starts_with('.') && !name.ends_with('~')
}

fn source(folders: &Folders) -> String {
    let mut text = String::from("const FOLDERS: &[(&str, &[GlueFile])] = &[\n");
    // Writing to a String does not fail.
    for (folder, files) in folders {
        let _ = writeln!(text, "    ({folder:?}, &[");
        for (name, path) in files {
            let _ = writeln!(
                text,
                "        GlueFile {{ name: {name:?}, text: include_str!({path:?}) }},"
            );
        }
        text.push_str("    ]),\n");
    }
    text.push_str("];\n");
    text
}

fn write(source: &str) -> Result<(), String> {
    let directory = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    let path = Path::new(&directory).join("kconfig.rs");
    fs::write(&path, source).map_err(|error| format!("{}: {error}", path.display()))
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Fetches programs of Debian's packages, with the libraries that they need.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use object_model::Elf;

use crate::arch::Arch;
use crate::packages;

/// The packages.
const PACKAGES: [&str; 4] = ["fio", "iperf3", "rt-tests", "stress-ng"];

/// The programs that are run.
const PROGRAMS: [&str; 4] = ["fio", "hackbench", "iperf3", "stress-ng"];

/// The directories of Debian's libraries, each with and without a subdirectory for the
/// architecture. The libraries of ceph, which fio needs, are in a separate directory.
const LIBRARIES: [&str; 2] = ["lib", "usr/lib"];
const BELOW: [&str; 2] = ["", "ceph"];

/// Returns the programs and their libraries for `arch`, each with its path in the guest; fetches missing ones
/// into `cache`.
///
/// # Errors
/// apt cannot get the packages, or a library is in none of them.
pub fn files(arch: Arch, cache: &Path) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let kept = cache.join(format!("foreign-{}", arch.name()));
    if !kept.is_dir() {
        let unpacked = packages::unpack(arch, &PACKAGES, true, cache)?;
        let part = cache.join(format!(".foreign-{}", arch.name()));
        crate::files::remove_dir(&part)?;
        for (path, from) in needed(arch, &unpacked.root)? {
            let to = part.join(path);
            let parent = to.parent().unwrap_or(&part);
            std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
            std::fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
        std::fs::rename(&part, &kept).with_context(|| kept.display().to_string())?;
    }
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(&kept).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(&kept)?.display().to_string();
            let content = std::fs::read(entry.path());
            files.push((
                path,
                content.with_context(|| entry.path().display().to_string())?,
            ));
        }
    }
    Ok(files)
}

/// Returns the programs below `root` and their libraries, each with its path in the guest.
fn needed(arch: Arch, root: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut left: Vec<(String, PathBuf)> = Vec::new();
    for name in PROGRAMS {
        let path = format!("usr/bin/{name}");
        let from = root.join(&path);
        left.push((path, from));
    }
    while let Some((path, from)) = left.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let bytes = std::fs::read(&from).with_context(|| from.display().to_string())?;
        let (interpreter, libraries) = wants(&bytes)
            .with_context(|| format!("{}: cannot read which libraries it needs", from.display()))?;
        for name in libraries {
            let from = library(arch, root, &name).with_context(|| {
                format!("{path} needs {name}, which no fetched package contains")
            })?;
            left.push((format!("lib/{name}"), from));
        }
        if let Some(path) = interpreter {
            let path = path.trim_start_matches('/').to_owned();
            let name = path.rsplit('/').next().unwrap_or(&path);
            let from = library(arch, root, name).with_context(|| format!("no {path}"))?;
            left.push((path, from));
        }
        found.push((path, from));
    }
    Ok(found)
}

/// Returns the loader of a program, and the names of the libraries that a program or library needs.
fn wants(bytes: &[u8]) -> anyhow::Result<(Option<String>, Vec<String>)> {
    let elf = Elf::parse(bytes)?;
    let data = |name| elf.section_by_name(name).map(|section| section.data);
    let strings = data(".dynstr").unwrap_or_default();
    let mut libraries = Vec::new();
    for entry in data(".dynamic").unwrap_or_default().chunks_exact(16) {
        let number = |at: usize| {
            let bytes = entry.get(at..at + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        // DT_NEEDED
        if number(0) != Some(1) {
            continue;
        }
        let at = number(8).and_then(|at| usize::try_from(at).ok());
        let name = at.and_then(|at| strings.get(at..)).and_then(text);
        libraries.push(name.context("a name beyond .dynstr")?);
    }
    Ok((data(".interp").and_then(text), libraries))
}

/// Returns the text up to the first NUL.
fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    String::from_utf8(bytes.get(..end)?.to_vec()).ok()
}

fn library(arch: Arch, root: &Path, name: &str) -> Option<PathBuf> {
    let dirs = LIBRARIES.iter().flat_map(|dir| {
        let dir = root.join(dir);
        let places = [dir.join(arch.target()), dir];
        places
            .into_iter()
            .flat_map(|place| BELOW.map(|below| place.join(below)))
    });
    dirs.map(|dir| dir.join(name)).find(|path| path.is_file())
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Is a built kernel what it should be? The checks that `cargo xtask verify` runs.
//!
//! **Invariant:** this crate knows what a good kernel looks like. It reads object trees through
//! object-tree, starts no process, and writes no file but the map of names that it is asked for.
#![warn(missing_docs)]

mod branch;
mod call_sites;
mod checks;
mod functions;
mod got;
mod orc;
mod read_once;
mod traced;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use object_tree::{Objtree, Sizes};
use serde::Serialize;
use tool_io::Files;

/// One check: the tree, and the one to compare with.
type CheckTree = fn(&Objtree, Option<&Objtree>) -> anyhow::Result<Check>;

/// The names of all checks, in the order in which they are done and printed.
pub fn names() -> [&'static str; CHECKS.len()] {
    CHECKS.map(|(name, _)| name)
}

/// All checks in the order in which they are done and printed.
const CHECKS: [(&str, CheckTree); 18] = [
    ("lto", |tree, _| checks::lto(tree)),
    ("initcalls", checks::initcalls),
    ("crcs", checks::crcs),
    ("prel32", checks::prel32),
    ("sections", |tree, against| {
        Ok(checks::sections(tree, against))
    }),
    ("mod-files", |tree, _| checks::mod_files(tree)),
    ("section-mismatches", |tree, _| {
        checks::section_mismatches(tree)
    }),
    ("one-definition", |tree, _| checks::one_definition(tree)),
    ("assembly-names", |tree, _| checks::assembly_names(tree)),
    ("names", |tree, _| checks::names(tree)),
    ("kallsyms", |tree, _| Ok(checks::kallsyms(tree))),
    ("got", |tree, _| got::got(tree)),
    ("read-once", read_once::read_once),
    ("mcount", traced::mcount),
    ("orc", orc::orc),
    ("return-sites", |tree, _| call_sites::returns(tree)),
    ("retpoline-sites", |tree, _| call_sites::retpolines(tree)),
    ("static-calls", |tree, _| call_sites::static_calls(tree)),
];

/// What one check found.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// In numbers, or why it was not done.
    pub figure: String,
    /// Every fault: file, symbol, what was expected and what stands there.
    pub faults: Vec<String>,
    /// What is no fault, and good to know.
    pub notes: Vec<String>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No fault.
    Ok,
    /// At least one.
    Fault,
    /// There was nothing to check.
    NotApplicable,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Fault => "FAULT",
            Self::NotApplicable => "n/a",
        })
    }
}

impl Check {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            figure: String::new(),
            faults: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn not_applicable(self, reason: &str) -> Self {
        Self {
            verdict: Verdict::NotApplicable,
            figure: reason.to_owned(),
            ..self
        }
    }

    fn found(self, figure: String, faults: Vec<String>) -> Self {
        let verdict = if faults.is_empty() {
            Verdict::Ok
        } else {
            Verdict::Fault
        };
        Self {
            verdict,
            figure,
            faults,
            ..self
        }
    }
}

/// What was found out about a kernel.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The checks, in the order in which they were done.
    pub checks: Vec<Check>,
    /// The size of vmlinux, in bytes.
    pub sizes: Sizes,
    /// That of the kernel to compare with.
    pub sizes_against: Option<Sizes>,
}

impl Report {
    /// How many faults there are in all.
    pub fn n_faults(&self) -> usize {
        self.checks.iter().map(|check| check.faults.len()).sum()
    }

    /// Every fault as a line, with the name of the check that found it.
    pub fn faults(&self) -> Vec<String> {
        let faults = self.checks.iter().flat_map(|check| {
            let name = check.name;
            check
                .faults
                .iter()
                .map(move |fault| format!("{name}: {fault}"))
        });
        faults.collect()
    }
}

/// Checks the kernel in the object tree `objtree`, and compares it with the one in `against`.
///
/// # Errors
/// Files that are missing or cannot be read; a fault that was found is none.
pub fn verify(objtree: &Path, against: Option<&Path>) -> anyhow::Result<Report> {
    verify_only(objtree, against, &[], None)
}

/// Like [`verify`], but does only the checks with these names, if any is named, and writes the map
/// of names to the file `map`.
///
/// # Errors
/// Those of [`verify`], and that the map cannot be written.
pub fn verify_only(
    objtree: &Path,
    against: Option<&Path>,
    only: &[String],
    map: Option<&Path>,
) -> anyhow::Result<Report> {
    let files = Files::for_process();
    let open = |root: &Path| Objtree::open(root, files);
    let tree = open(objtree)?;
    let against = against
        .map(open)
        .transpose()
        .context("the build to compare with")?;
    let against = against.as_ref();
    let chosen = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
    let checks = CHECKS.iter().filter(|(name, _)| chosen(name));
    if let Some(map) = map {
        let mut text = lto_link::SUFFIX_MAP_HEAD.to_owned();
        for (file, suffixed) in checks::suffixes(&tree) {
            text.push_str(&lto_link::suffix_map(&file, &suffixed));
        }
        tool_io::write_atomic(map, text.as_bytes())?;
    }
    Ok(Report {
        checks: checks
            .map(|(_, check)| check(&tree, against))
            .collect::<anyhow::Result<_>>()?,
        sizes: Sizes::of(&tree.vmlinux),
        sizes_against: against.map(|against| Sizes::of(&against.vmlinux)),
    })
}

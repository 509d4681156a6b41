// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask verify`: is a built kernel what it should be?

mod branch;
mod call_sites;
mod checks;
mod functions;
mod got;
mod orc;
mod read_once;
mod sizes;
mod traced;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use comfy_table::Table;
use serde::Serialize;
use tool_io::Files;

use crate::objtree::{self, Objtree};
use crate::outcome::{Failure, Outcome};
pub use sizes::Sizes;

/// Check a built kernel, of any version from 5.10 on, with or without our plugins
///
/// LTO really on, initcalls in order, CRCs, tables, sections, .mod files, references to what is
/// freed, one definition of each symbol, names. Where the architecture has them: references through
/// a GOT, records of the function tracer, tables for unwinding, sites of returns, retpolines and
/// static calls. docs/verify.md says what each check is.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask verify --objtree /build/thin
  cargo xtask verify --objtree /build/thin --against /build/none --format json
  cargo xtask verify --objtree /build/thin --only lto,initcalls
  cargo xtask verify --objtree /build/thin --only names --emit-suffix-map thin.names

Reads only. Exit codes: 0 no fault, 1 a fault was found, 2 could not run.")]
pub struct Args {
    /// The object tree of the kernel
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// The object tree of the same kernel, built without LTO
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Do only these checks
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_parser = names())]
    only: Vec<String>,
    /// Write which symbol of vmlinux and the modules has which name in the source
    #[arg(long, value_name = "FILE")]
    emit_suffix_map: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// One check: the tree, and the one to compare with.
type CheckTree = fn(&Objtree, Option<&Objtree>) -> anyhow::Result<Check>;

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

/// What `--only` may name.
fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(CHECKS.map(|(name, _)| name))
}

/// How a result is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    Text,
    /// JSON
    Json,
}

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

    /// That nothing wrong was found.
    ///
    /// # Errors
    /// As a fault, all that was.
    pub fn outcome(&self) -> Outcome {
        if self.n_faults() == 0 {
            return Ok(());
        }
        let faults = self.checks.iter().flat_map(|check| {
            let name = check.name;
            check
                .faults
                .iter()
                .map(move |fault| format!("{name}: {fault}"))
        });
        let faults: Vec<String> = faults.collect();
        Err(Failure::Fault(anyhow!(faults.join("\n"))))
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
fn verify_only(
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

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        objtree,
        against,
        only,
        emit_suffix_map,
        format,
    } = args;
    let report = verify_only(
        objtree,
        against.as_deref(),
        only,
        emit_suffix_map.as_deref(),
    )?;
    match format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        Format::Text => print(&report),
    }
    match report.n_faults() {
        0 => Ok(()),
        n => Err(Failure::Fault(anyhow!("{}: {n} faults", objtree.display()))),
    }
}

fn print(report: &Report) {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for check in &report.checks {
        table.add_row([check.name, &check.verdict.to_string(), &check.figure]);
    }
    println!("{table}");
    for check in &report.checks {
        for fault in &check.faults {
            println!("{}: {fault}", check.name);
        }
        for note in &check.notes {
            println!("{}: note: {note}", check.name);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask verify`: is a built kernel what it should be?

use std::path::PathBuf;

use anyhow::anyhow;
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use comfy_table::Table;
use kernel_checks::{CHECKS, Checked, Report, Request};
use tool_io::Files;

use crate::outcome::{Failure, Outcome};

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

/// The names that `--only` accepts.
fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(CHECKS.map(|check| check.name))
}

/// How a result is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    Text,
    /// JSON
    Json,
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
    let request = Request {
        objtree,
        against: against.as_deref(),
        only,
        map: emit_suffix_map.as_deref(),
    };
    let report = request.run(Files::for_process())?;
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
    for Checked { name, finding, .. } in &report.checks {
        table.add_row([*name, &finding.verdict.to_string(), &finding.figure]);
    }
    println!("{table}");
    for Checked { name, finding, .. } in &report.checks {
        for fault in &finding.faults {
            println!("{name}: {fault}");
        }
        for note in &finding.notes {
            println!("{name}: note: {note}");
        }
    }
}

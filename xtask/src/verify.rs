// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask verify`: is a built kernel what it should be?

use std::path::PathBuf;

use anyhow::anyhow;
use clap::builder::PossibleValuesParser;
use comfy_table::Table;
use kernel_checks::{CHECKS, Checked, Report, Request};
use tool_io::Files;

use crate::outcome::{Failure, Outcome, print};
use crate::values::Format;

/// Check a built kernel of any version from 5.10 on, with or without LTO
///
/// Checks that the files are complete and of one build, that LTO is really on, that initcalls are in
/// order, that CRCs, tables, sections, .mod files and names are right, that no code or data that
/// stays in memory refers to init code or data, and that each symbol has one definition. Where the
/// architecture has them, also checks references through a GOT, records of the function tracer, the
/// unwinder's tables, and the sites of returns, retpolines and static calls. docs/verify.md describes
/// each check.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask verify --objtree /build/thin
  cargo xtask verify --objtree /build/thin --against /build/none --format json
  cargo xtask verify --objtree /build/thin --only lto,initcalls
  cargo xtask verify --objtree /build/thin --only names \\
      --emit-suffix-map thin.names

Reads only. Exit codes: 0 no fault; 1 a fault was found; 2 a file could not be read or a check
could not run, and the others ran.")]
pub struct Args {
    /// The object tree of the kernel
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// The object tree of the same kernel, built without LTO; the checks also compare the two builds
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Do only these checks, and `files`, on which all others rely
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_parser = names())]
    only: Vec<String>,
    /// Write a map from the symbols of vmlinux and the modules to their names in the source
    #[arg(long, value_name = "FILE")]
    emit_suffix_map: Option<PathBuf>,
    /// The format of the result
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// The names that `--only` accepts.
fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(CHECKS.map(|check| check.name))
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
    let shown = match format {
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
        Format::Text => as_text(&report),
    };
    print(shown.as_bytes())?;
    let objtree = objtree.display();
    let n_faults = report.n_faults();
    match report.could_not_run().len() {
        0 if n_faults == 0 => Ok(()),
        0 => Err(Failure::Fault(anyhow!("{objtree}: {n_faults} faults"))),
        n => Err(Failure::CannotRun(anyhow!(
            "{objtree}: {n_faults} faults, and {n} files that could not be read or checks that could not run"
        ))),
    }
}

fn as_text(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for Checked { name, finding, .. } in &report.checks {
        table.add_row([*name, &finding.verdict.to_string(), &finding.figure]);
    }
    let mut text = format!("{table}\n");
    let lines = [report.faults(), report.could_not_run(), report.notes()];
    for line in lines.concat() {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

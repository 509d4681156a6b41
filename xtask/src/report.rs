// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask report`: shows the size of a built kernel, and the changes against another build.

use std::path::{Path, PathBuf};

use kernel_lab::runtime;
use size_report::Counted;
use tool_io::Files;

use crate::outcome::{Outcome, print};
use crate::values::Format;

/// Show the size of a built kernel, and the changes against another build of it
///
/// Sections, directories, objects and symbols, of any kernel from 5.10 on, with LTO or without.
/// docs/report.md explains the output.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask report --objtree /build/thin
  cargo xtask report --objtree /build/thin --against /build/none \\
      --html report.html
  cargo xtask report --objtree /build/thin --against /build/none --format json

Reads only the object trees. Exit codes: 0 done, 2 could not run.")]
pub struct Args {
    /// The object tree of the kernel
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// The object tree of the same kernel to compare with, such as one without LTO
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Write a page for the browser; `-` is standard output, without any other text
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The format of the result
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The number of symbols and directories in each table of the text
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        objtree,
        against,
        html,
        format,
        top,
    } = args;
    let against = against.as_deref();
    let counted = counted(objtree, against)?;
    let report = size_report::report(objtree, against, counted.as_ref(), Files::for_process())?;
    if let Some(path) = html {
        tool_io::write_atomic(path, size_report::page(&report)?.as_bytes())?;
        if path == Path::new("-") {
            return Ok(());
        }
    }
    let mut shown = match format {
        Format::Json => serde_json::to_string_pretty(&report)?,
        Format::Text => size_report::tables(&report, *top),
    };
    shown.push('\n');
    print(shown.as_bytes())?;
    Ok(())
}

/// Returns the instructions that `cargo xtask bench runtime` counted of the two builds.
fn counted(objtree: &Path, against: Option<&Path>) -> anyhow::Result<Option<Counted>> {
    let counted = runtime::counted(objtree, against)?;
    Ok(counted.map(|counted| Counted {
        sets: counted.sets.iter().map(|set| set.name()).collect(),
        addresses: counted.addresses,
        against: counted.against,
    }))
}

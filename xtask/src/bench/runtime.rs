// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask bench runtime`: the instructions that a kernel executes for the same work.

use std::path::PathBuf;
use std::time::Duration;

use kernel_bench::runtime_rows::{self, Compared, compare};

use kernel_lab::runtime::{Set, TIME};
use kernel_lab::{Arch, workspace};
use lto_lab::Lab;

use crate::outcome::{Outcome, print};
use crate::resume::Resume;
use crate::values::{self, Format};

/// Count the instructions that kernels execute for the same work
///
/// Each kernel runs in QEMU with one processor, whose clock counts instructions, so two runs of a kernel give
/// the same numbers. A QEMU plugin counts the kernel's instructions without those of programs, its taken
/// branches, and its misses in a simulated instruction cache. Instructions are not cycles: a kernel that
/// executes more of them may still be faster. The result is stored in bench-runtime.json of the object tree.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench runtime --arch arm64 --objtree /build/thin \\
      --against /build/none
  cargo xtask bench runtime --arch arm64 --objtree /build/thin \\
      --set shell --format json
  cargo xtask bench runtime --arch x86_64 --objtree /build/thin \\
      --against /build/none --workload ./work.sh
  cargo xtask bench runtime --arch arm64 --row thin-dist-drop
  cargo xtask bench runtime --arch arm64 --rows --resume --shard 1/4")]
pub struct Args {
    /// The architecture of the kernels.
    #[arg(long, value_parser = values::arch())]
    arch: Arch,
    /// The object tree of a kernel; may be given several times.
    #[arg(long, value_name = "DIR", num_args = 1.., required_unless_present_any = ["row", "rows", "page"])]
    objtree: Vec<PathBuf>,
    /// The object tree of the kernel that the others are compared with.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// The set of work to run; may be given several times [default: training, test and shell].
    #[arg(long, value_parser = values::set())]
    set: Vec<Set>,
    /// Run your own program, which is statically linked, or your own script for busybox's shell, instead.
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    workload: Option<PathBuf>,
    /// The format of the result.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Build and measure this row of the results page, or measure --objtree as this row, and write
    /// the page. docs/results/runtime-arm64-5.10.md has the names of all rows.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["against", "set", "workload"])]
    row: Option<String>,
    /// Build and measure all rows of the results page.
    #[arg(long, conflicts_with_all = ["row", "objtree", "against", "set", "workload"])]
    rows: bool,
    /// Only write the results page, from the stored rows.
    #[arg(long, conflicts_with_all = ["row", "rows", "objtree", "against", "set", "workload"])]
    page: bool,
    #[command(flatten)]
    resume: Resume,
    /// The directory in which the kernels of rows are built [default: target/bench of this repository].
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    no_install: bool,
    /// The time limit of a guest in seconds; there is one guest for each set.
    #[arg(long, value_name = "SECONDS", default_value_t = TIME)]
    timeout: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    if args.page {
        let page =
            kernel_lab::runtime::write_page(args.arch, &workspace::root().join("docs/results"))?;
        let text = format!("written to {}\n", page.display());
        return Ok(print(text.as_bytes())?);
    }
    if args.rows || args.row.is_some() {
        return measure_rows(args);
    }
    let sets = match (&args.workload, args.set.as_slice()) {
        (Some(_), _) => vec![Set::Own],
        (None, []) => Set::DEFAULT.to_vec(),
        (None, some) => some.to_vec(),
    };
    let measured = compare(&Compared {
        arch: args.arch,
        timeout: Duration::from_secs(args.timeout),
        objtrees: &args.objtree,
        against: args.against.as_deref(),
        sets: &sets,
        own: args.workload.as_deref(),
    })?;
    let text = match args.format {
        Format::Json => measured.json()?,
        Format::Text => measured.text()?,
    };
    print(format!("{text}\n").as_bytes())?;
    Ok(())
}

/// Builds and measures rows of the results page, and writes it after each.
fn measure_rows(args: &Args) -> Outcome {
    let root = workspace::root();
    let workdir = args.workdir.clone();
    let workdir = workdir.unwrap_or_else(|| root.join("target/bench"));
    runtime_rows::measure(&runtime_rows::Options {
        lab: &Lab::new(workdir).installing_packages(!args.no_install),
        arch: args.arch,
        name: args.row.as_deref(),
        objtrees: &args.objtree,
        results: &root.join("docs/results"),
        timeout: Duration::from_secs(args.timeout),
        resume: &args.resume.of_ledger(),
        shard: args.resume.shard,
    })
}

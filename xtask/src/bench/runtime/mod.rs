// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask bench runtime`: the instructions that a kernel executes for the same work.

mod old;
mod rows;

use std::path::PathBuf;
use std::time::Duration;

use kernel_bench::runtime_rows::{Compared, compare};
use kernel_lab::Arch;
use kernel_lab::runtime::{Set, TIME};

use self::old::Old;
use self::rows::Command;
use crate::outcome::{Outcome, print};
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
  cargo xtask bench runtime row thin-dist-drop --arch arm64
  cargo xtask bench runtime rows --arch arm64 --resume --shard 1/4")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(flatten)]
    compare: Option<Compare>,
    #[command(flatten)]
    old: Old,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Args)]
struct Compare {
    /// The architecture of the kernels.
    #[arg(long, value_parser = values::arch())]
    arch: Arch,
    /// The object tree of a kernel; may be given several times.
    #[arg(long, value_name = "DIR", num_args = 1.., required_unless_present = "rows of the page")]
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
    /// The time limit of a guest in seconds; there is one guest for each set.
    #[arg(long, value_name = "SECONDS", default_value_t = TIME)]
    timeout: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        compare,
        old,
        command,
    } = args;
    match (command, compare) {
        (Some(command), _) => command.run(),
        (None, Some(compare)) => match old.rows(compare) {
            Some(command) => command.run(),
            None => compare.run(),
        },
        (None, None) => {
            Err(anyhow::anyhow!("no kernel is named: give --arch and --objtree").into())
        }
    }
}

impl Compare {
    fn run(&self) -> Outcome {
        let sets = match (&self.workload, self.set.as_slice()) {
            (Some(_), _) => vec![Set::Own],
            (None, []) => Set::DEFAULT.to_vec(),
            (None, some) => some.to_vec(),
        };
        let measured = compare(&Compared {
            arch: self.arch,
            timeout: Duration::from_secs(self.timeout),
            objtrees: &self.objtree,
            against: self.against.as_deref(),
            sets: &sets,
            own: self.workload.as_deref(),
        })?;
        let text = match self.format {
            Format::Json => measured.json()?,
            Format::Text => measured.text()?,
        };
        print(format!("{text}\n").as_bytes())?;
        measured.judge()
    }
}

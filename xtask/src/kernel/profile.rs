// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel profile`: makes a profile of what a kernel executes.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use kernel_bench::profile::{Options, make};
use kernel_lab::Arch;
use kernel_lab::runtime::{Set, TIME};

use crate::outcome::{Outcome, print};
use crate::values;

/// Make a profile of a running kernel, for building an optimized one
///
/// The kernel must be built with `LTO_PROFILE_GENERATE=y`. It runs in QEMU as in `bench runtime`, so two runs give
/// the same profile, and its counters and those of its modules are read from its memory when it powers off. By default it does the work
/// of the training set; the counts of several sets and files are added up. A profile is used by
/// `LTO_PROFILE_USE="FILE"` in the configuration of the same kernel.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kernel profile --arch arm64 --objtree /build/count -o arm64.profdata
  cargo xtask kernel profile --arch arm64 --objtree /build/count --set training --set shell \\
      -o arm64.profdata
  cargo xtask kernel profile --arch arm64 --objtree /build/count --workload ./work.sh -o my.profdata")]
pub struct Args {
    /// The architecture of the kernel.
    #[arg(long, value_parser = values::arch())]
    arch: Arch,
    /// The object tree, with vmlinux, the kernel image and the modules.
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// The set of work to run; may be given several times [default: training, or none with --workload].
    #[arg(long, value_parser = values::set())]
    set: Vec<Set>,
    /// Your own program, which is statically linked, or your own script for busybox's shell; may be given
    /// several times.
    #[arg(long, value_name = "FILE")]
    workload: Vec<PathBuf>,
    /// The profile to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Keep the counters of each guest in this directory, for `profile collect`.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The time limit of a guest in seconds; there is one guest for each set and file.
    #[arg(long, value_name = "SECONDS", default_value_t = TIME)]
    timeout: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        arch,
        objtree,
        set,
        workload,
        output,
        keep,
        timeout,
    } = args;
    let default = [Set::Training];
    let sets = if set.is_empty() && workload.is_empty() {
        &default
    } else {
        set.as_slice()
    };
    let executed = make(&Options {
        arch: *arch,
        objtree,
        sets,
        own: workload,
        timeout: Duration::from_secs(*timeout),
        output,
        keep: keep.as_deref(),
    })?;
    let mut text = String::new();
    for work in executed {
        let _ = write!(
            text,
            "{}: {} of {} functions were executed",
            work.work, work.n_executed, work.n_functions
        );
        if let Some((n_executed, n_functions)) = work.in_modules {
            let _ = write!(text, ", and {n_executed} of {n_functions} in modules");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "written to {}", output.display());
    Ok(print(text.as_bytes())?)
}

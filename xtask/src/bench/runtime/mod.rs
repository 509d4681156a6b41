// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask bench runtime`: the instructions that a kernel executes for the same work.

mod counter;
mod measure;
mod result;
mod sets;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use measure::Meter;
use sets::{Set, Workload};

use crate::kernel::arch::Arch;
use crate::outcome::{Outcome, print};
use table::Measurement;

/// Counts the instructions that kernels execute for the same work.
///
/// Each kernel runs in QEMU with one processor, whose clock counts instructions, so that two runs of a
/// kernel give the same. A plugin of QEMU counts the kernel's instructions apart from those of
/// programs, its taken branches, and its misses in a simulated instruction cache. Instructions are not
/// cycles: a kernel that executes more of them may still be faster. The result is kept in
/// bench-runtime.json of the object tree.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench runtime --arch arm64 --objtree /build/thin --against /build/none
  cargo xtask bench runtime --arch arm64 --objtree /build/thin --set shell --format json
  cargo xtask bench runtime --arch x86_64 --objtree /build/thin --against /build/none --workload ./work.sh")]
pub struct Args {
    /// The architecture the kernels were built for.
    #[arg(long, value_enum)]
    arch: Arch,
    /// The object tree of a kernel; may be given several times.
    #[arg(long, value_name = "DIR", num_args = 1.., required = true)]
    objtree: Vec<PathBuf>,
    /// The object tree of the kernel that the others are compared with.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// What is run; may be given several times [default: training, test and shell].
    #[arg(long, value_enum)]
    set: Vec<Set>,
    /// A program or script of your own, linked statically or for busybox's shell, that is run instead.
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    workload: Option<PathBuf>,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// After how many seconds a guest that did not end is a fault. There is one for each set.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        arch,
        objtree,
        against,
        set,
        workload,
        format,
        timeout,
    } = args;
    let sets = match (workload, set.as_slice()) {
        (Some(_), _) => vec![Set::Own],
        (None, []) => Set::DEFAULT.to_vec(),
        (None, some) => some.to_vec(),
    };
    let meter = Meter::new(*arch, Duration::from_secs(*timeout))?;
    let workloads = sets
        .iter()
        .map(|set| Workload::new(*arch, *set, workload.as_deref()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let measure = |objtree: &Path| -> Result<Measurement, crate::outcome::Failure> {
        Ok(Measurement {
            name: objtree.display().to_string(),
            runtime: meter.measure(objtree, &workloads)?,
        })
    };
    let base = match against {
        Some(against) => Some(measure(against)?),
        None => None,
    };
    let mut measured = Vec::new();
    for objtree in objtree {
        measured.push(measure(objtree)?);
    }
    let text = match format {
        Format::Json => table::json(base.as_ref(), &measured, &sets)?,
        Format::Text => table::text(base.as_ref(), &measured, &sets)?,
    };
    print(format!("{text}\n").as_bytes())?;
    Ok(())
}

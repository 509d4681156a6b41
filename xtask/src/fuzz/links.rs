// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask fuzz links`: generated programs, linked in every mode of lto-link, run and compared.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kernel_bench::link_programs::{self, arch_of};
use kernel_lab::{Arch, workspace};
use link_lab::{Feature, FuzzOptions, Summary, add_row};

use crate::outcome::{Failure, Outcome, print};
use crate::values;

/// Link generated programs in every mode of lto-link, run them, and compare with `ld.lld -r`
///
/// A seed always gives the same program. Programs of sixteen seeds are linked together; if that
/// shows a difference, each is linked alone. A program whose behaviour a link changes is reduced, and
/// written to a folder as a case for tests/link.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask fuzz links --seeds 0..1000
  cargo xtask fuzz links --seeds 0..10000 --arch arm64 --time 3600 --record
  cargo xtask fuzz links --seeds 77..78 --features asm-calls,asm-spellings

Features: asm-calls, asm-spellings, asm-data, asm-addresses, asm-differences, asm-labels,
asm-tables, module-asm, last-link, weak-references, library, definition-order, linkage, comdat,
constructors, tables.

Exit codes: 0 every program behaves the same; 1 one does not; 2 it could not run.")]
pub struct Args {
    /// The first seed, and the one after the last.
    #[arg(long, value_name = "A..B", value_parser = link_lab::seeds)]
    seeds: Range<u64>,
    /// The architecture of the programs.
    #[arg(long, value_parser = values::arch(), default_value = "x86_64")]
    arch: Arch,
    /// The constructs of the programs, of the features below [default: all].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    features: Vec<Feature>,
    /// The number of links at a time [default: the number of CPUs].
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Begin no program after this number of seconds.
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// The lto-link to try [default: that of this repository, built].
    #[arg(long, value_name = "PATH")]
    lto_link: Option<PathBuf>,
    /// Stop after this number of programs with differences.
    #[arg(long, value_name = "N", default_value = "10")]
    max_found: usize,
    /// Do not reduce programs.
    #[arg(long)]
    no_shrink: bool,
    /// The directory for programs with differences.
    #[arg(long, value_name = "DIR", default_value = "target/fuzz-links")]
    into: PathBuf,
    /// Add a line for this run to docs/results/link-programs.md, if no difference was found.
    #[arg(long, conflicts_with = "features")]
    record: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let (summary, cpu) = link_programs::run(args.lto_link.as_ref(), &args.options())?;
    args.report(&summary, cpu)
}

impl Args {
    fn options(&self) -> FuzzOptions {
        FuzzOptions {
            seeds: self.seeds.clone(),
            features: if self.features.is_empty() {
                Feature::ALL.to_vec()
            } else {
                self.features.clone()
            },
            arch: arch_of(self.arch),
            jobs: self.jobs.unwrap_or_else(tool_io::cpus).get(),
            deadline: self
                .time
                .map(|seconds| Instant::now() + Duration::from_secs(seconds)),
            shrinks: !self.no_shrink,
            max_found: self.max_found,
        }
    }

    /// Prints the result of a run that took `cpu` of CPU time, writes what was found, and records a whole run
    /// that found nothing.
    fn report(&self, summary: &Summary, cpu: Duration) -> Outcome {
        let arch = arch_of(self.arch);
        let mut text = summary.write_cases(arch, cpu, &self.into)?;
        let row = summary.row(arch, cpu);
        if summary.clean().is_ok() && self.features.is_empty() {
            text.push_str(&row);
            text.push('\n');
        }
        print(text.as_bytes())?;
        summary
            .clean()
            .map_err(|found| Failure::Fault(anyhow::anyhow!(found)))?;
        if self.record {
            add_row(&workspace::root().join(RESULTS), &row)?;
        }
        Ok(())
    }
}

/// The page with the ranges of seeds that passed.
const RESULTS: &str = "docs/results/link-programs.md";

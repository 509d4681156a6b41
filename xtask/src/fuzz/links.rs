// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask fuzz links`: generated programs, linked in every way of lto-link, run and compared.

use std::fs;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kernel_lab::progress::Step;
use kernel_lab::{Arch, build, llvm, setup, workspace};
use link_lab::{Feature, FuzzOptions, Lab, Summary, Tools, add_row, fuzz};

use crate::outcome::{Failure, Outcome, print};
use crate::values;

/// Links generated programs in every way of lto-link, runs them, and compares with `ld.lld -r`.
///
/// A seed always gives the same program. Programs of sixteen seeds are linked together; if that
/// shows a difference, each is linked alone. A program that changes its meaning by a link is made
/// smaller, and written to a folder as a case for tests/link.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask fuzz links --seeds 0..1000
  cargo xtask fuzz links --seeds 0..10000 --arch arm64 --time 3600 --record
  cargo xtask fuzz links --seeds 77..78 --features asm-calls,asm-spellings

Features: asm-calls, asm-spellings, asm-data, asm-addresses, asm-differences, asm-labels, asm-tables,
module-asm, last-link, weak-references, library, definition-order, linkage, comdat, constructors, tables.

Exit code: 0 every program means the same; 1 one does not; 2 it could not run.")]
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
    /// Do not make programs smaller.
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
    setup::ensure_user_mode_emulation()?;
    let lab = Lab::new(Tools {
        llvm: Some(llvm::bin_dir()?),
        lto_link: match &args.lto_link {
            Some(path) => fs::canonicalize(path).with_context(|| path.display().to_string())?,
            None => installer::built_tool("lto-link")?,
        },
    })?;
    let Range { start, end } = args.seeds;
    let step = Step::start(format!("programs {start}..{end}"));
    let tried = AtomicU64::new(0);
    let before = build::children_seconds()?;
    let summary = fuzz(&lab, &args.options(), |seeds| {
        let n_seeds = seeds.end - seeds.start;
        let tried = tried.fetch_add(n_seeds, Ordering::Relaxed) + n_seeds;
        let last = seeds.end - 1;
        step.at(&format!("{tried} programs, the last has seed {last}"));
    });
    step.done(&format!("{} programs", tried.load(Ordering::Relaxed)));
    let cpu = Duration::from_secs_f64(build::children_seconds()? - before);
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
            arch: self.link_arch(),
            jobs: self.jobs.map_or_else(build::cpus, NonZeroUsize::get),
            deadline: self
                .time
                .map(|seconds| Instant::now() + Duration::from_secs(seconds)),
            shrinks: !self.no_shrink,
            max_found: self.max_found,
        }
    }

    fn link_arch(&self) -> link_lab::Arch {
        match self.arch {
            Arch::X86_64 => link_lab::Arch::X86_64,
            Arch::Arm64 => link_lab::Arch::Arm64,
        }
    }

    /// Prints the result of a run that took `cpu` of CPU time, writes what was found, and records a whole run
    /// that found nothing.
    fn report(&self, summary: &Summary, cpu: Duration) -> Outcome {
        let arch = self.link_arch();
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

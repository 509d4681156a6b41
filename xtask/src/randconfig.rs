// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask randconfig`: kernels of random configurations, with LTO and without.

use std::path::PathBuf;

use kernel_lab::mode::Mode;
use kernel_lab::{Arch, KERNEL};
use random_config::configuration::MAX_OBJECTS;
use random_config::lab::{Kernel, Options, open};

use crate::outcome::{Outcome, print};
use crate::resume::Resume;
use crate::values::{self, Format};

/// Build kernels of random configurations without LTO and with, boot and verify them, and compare
///
/// The tree's own `make randconfig` makes the configurations, over options without which no kernel boots in the guest.
/// A failure is also without LTO, LLVM's, a refusal by Kconfig, or ours. Results are kept in docs/results and in
/// tests/ledger.toml, those of --tree in the directory of the object trees. docs/randconfig.md describes the command.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask randconfig --arch arm64 --count 30 --seed 1 --resume
  cargo xtask randconfig --arch x86_64 --kernel 6.12 --count 10 --seed 1
  cargo xtask randconfig --arch arm64 --seed 1 --only 7
  cargo xtask randconfig --arch arm64 --count 30 --seed 1 --list
  cargo xtask randconfig --arch arm64 --seed 1 --shrink 7 --attempts 40

Exit codes: 0 no failure is ours; 1 a failure is ours; 2 a configuration could not be tried.")]
pub struct Args {
    /// The architecture of the kernels.
    #[arg(long, value_parser = values::arch())]
    arch: Arch,
    /// The version of the kernel, whose tree is fetched.
    #[arg(long, value_name = "VERSION", default_value = KERNEL)]
    kernel: String,
    /// A kernel tree in which the plugins are installed, instead of a fetched one; it is not changed.
    #[arg(long, value_name = "DIR", conflicts_with = "kernel")]
    tree: Option<PathBuf>,
    /// The number of configurations.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// The seed of the series; with the number of a configuration, it decides everything.
    #[arg(long, value_name = "S")]
    seed: u64,
    /// Run only the configuration with this number.
    #[arg(long, value_name = "I", conflicts_with = "count", value_parser = clap::value_parser!(u32).range(1..))]
    only: Option<u32>,
    /// Only make the configurations, and print their sizes.
    #[arg(long)]
    list: bool,
    /// The largest number of objects of a configuration.
    #[arg(long, value_name = "M", default_value_t = MAX_OBJECTS)]
    max_objects: usize,
    /// The modes of LTO: thin, full or thin-dist, each with or without -drop.
    #[arg(long, value_name = "MODES", value_delimiter = ',', default_values_t = [Mode::THIN_DIST_DROP])]
    lto: Vec<Mode>,
    /// The directory for object trees and fetched kernel trees [default: target/randconfig].
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Find the options that matter for the recorded failure of this configuration.
    #[arg(long, value_name = "I", conflicts_with_all = ["count", "only", "skips_passed", "shard"])]
    shrink: Option<u32>,
    /// The number of configurations that --shrink tries at most.
    #[arg(long, value_name = "N", default_value = "60", requires = "shrink")]
    attempts: usize,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    no_install: bool,
    #[command(flatten)]
    resume: Resume,
    /// The format of the result.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let kernel = args.kernel()?;
    if let Some(number) = args.shrink {
        let (shrunk, path) = kernel.shrink(number, args.attempts)?;
        let text = format!("{}The configuration is {}\n", shrunk.text(), path.display());
        return Ok(print(text.as_bytes())?);
    }
    let numbers = args.only.map_or(1..=args.count, |number| number..=number);
    let shard = args.resume.shard;
    let has = |number: &u32| shard.is_none_or(|shard| shard.has(*number as usize));
    let numbers = numbers.filter(has).collect();
    if args.list {
        return Ok(print(kernel.list(numbers)?.as_bytes())?);
    }
    let summary = kernel.run_recorded(numbers, &args.resume.of_ledger())?;
    let text = match args.format {
        Format::Json => serde_json::to_string_pretty(&summary.results)? + "\n",
        Format::Text => summary.text(),
    };
    print(text.as_bytes())?;
    summary.judge()
}

impl Args {
    fn kernel(&self) -> anyhow::Result<Kernel> {
        open(Options {
            tree: self.tree.clone(),
            version: self.kernel.clone(),
            arch: self.arch,
            seed: self.seed,
            max_objects: self.max_objects,
            modes: self.lto.clone(),
            into: self.into.clone(),
            installs_packages: !self.no_install,
        })
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask test`: all checks that a change must pass.

use kernel_tests::suite;

use crate::outcome::{Outcome, print};
use crate::resume::Resume;

/// Run the checks and tests of this repository
///
/// Runs format, lints, documentation and the tests of every crate, and gives arbitrary bytes to every reader
/// for 30 seconds. Then it builds kernels with LTO and without, boots and compares them. Missing system packages are installed first.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask test --quick
  cargo xtask test
  cargo xtask test --only 'thin LTO against none'
  cargo xtask test --wide --only '6.12 x86_64'
  cargo xtask test --wide --resume --shard 1/4")]
pub struct Args {
    /// Build no kernel, and give readers no arbitrary bytes.
    #[arg(long)]
    quick: bool,
    /// Also run the tests that take hours: a clean build with -j1, and kernels of trees with their
    /// own LTO, unchanged and with plugins.
    #[arg(long, conflicts_with = "quick")]
    wide: bool,
    /// Run only the kernel tests whose name contains this text.
    #[arg(long, value_name = "TEXT", conflicts_with = "quick")]
    only: Option<String>,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    no_install: bool,
    #[command(flatten)]
    resume: Resume,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let steps = suite::run(&suite::Options {
        quick: args.quick,
        wide: args.wide,
        only: args.only.clone(),
        installs_packages: !args.no_install,
        resume: args.resume.of_ledger(),
        shard: args.resume.shard,
    })?;
    print(suite::summary(&steps).as_bytes())?;
    suite::judge(&steps)
}

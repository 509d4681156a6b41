// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask bench`: measures the cost of the plugins, as ratios to the steps that they replace.

mod commands;
mod estimate;
mod kernels;
mod old;
mod runtime;

use self::commands::Command;
use self::kernels::KernelArgs;
use self::old::Old;
use crate::outcome::Outcome;

/// Measure the cost of the plugins, and write docs/results/
///
/// Each result is a ratio within one run. Without a command, builds the same kernel from scratch without
/// LTO and with thin LTO; each command measures something else. Run nothing else on the machine meanwhile.
/// The commands' old spelling as options, such as --rebuilds, still works.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  cargo xtask bench
  cargo xtask bench --profile ci --results /tmp
  cargo xtask bench rebuilds
  cargo xtask bench rebuilds --arch x86_64 --profile ci --kernel 7.3
  cargo xtask bench dropping --trim
  cargo xtask bench levers --trim --profile ci
  cargo xtask bench inlining --profile ci
  cargo xtask bench initcalls /build/6.12-thin
  cargo xtask bench checks /build/6.12-thin
  cargo xtask bench estimate")]
pub struct Args {
    #[command(flatten)]
    kernels: KernelArgs,
    #[command(flatten)]
    old: Old,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    match &args.command {
        Some(command) => command.run(),
        None => args.old.run(&args.kernels),
    }
}

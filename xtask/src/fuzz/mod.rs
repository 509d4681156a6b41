// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask fuzz`: tries random inputs.

mod links;
mod readers;

use clap::Subcommand;

use crate::outcome::Outcome;

/// Try random inputs, and compare the results with the expected ones
///
/// Without a subcommand, gives arbitrary bytes to every reader, by cargo-fuzz: none may panic, loop or take all
/// memory.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  cargo xtask fuzz --minutes 10
  cargo xtask fuzz --minutes 10 --target elf
  cargo xtask fuzz links --seeds 0..1000"
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    readers: readers::Readers,
}

#[derive(Subcommand)]
enum Command {
    Links(links::Args),
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    match &args.command {
        Some(Command::Links(args)) => links::run(args),
        None => readers::run(&args.readers),
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask fuzz`: tries random inputs.

mod links;

use clap::Subcommand;

use crate::outcome::Outcome;

/// Try random inputs, and compare the results with the expected ones
#[derive(clap::Args)]
#[command(after_help = "Example:
  cargo xtask fuzz links --seeds 0..1000")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Links(links::Args),
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::Links(args) => links::run(args),
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask fuzz`: random inputs, tried against what they must give.

mod links;

use crate::outcome::Outcome;
use clap::Subcommand;

/// Try random inputs against what they must give.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Links(links::Args),
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    match args.command {
        Command::Links(args) => links::run(args),
    }
}

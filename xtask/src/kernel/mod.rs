// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel`: a kernel tree fetched, configured, built and booted.

pub mod arch;
pub mod boot;
mod guest;
mod modules;

use crate::outcome::Outcome;
use clap::Subcommand;

/// Fetch, configure, build and boot a kernel.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Boot(boot::Args),
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    match args.command {
        Command::Boot(args) => boot::run(args),
    }
}

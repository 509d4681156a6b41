// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel`: fetches, configures, builds, boots, tests and profiles a kernel.

mod boots;
mod builds;
mod configures;
mod fetches;
mod profile;
mod selftest;

use clap::Subcommand;

use crate::outcome::Outcome;

/// Fetch, configure, build, boot, test and profile a kernel
#[derive(clap::Args)]
#[command(after_help = "Examples, in the order of the steps:
  cargo xtask kernel fetch 5.10 --into trees
  cargo xtask kernel config --tree linux --arch arm64 --objtree /build/thin \\
      --profile ci --lto thin
  cargo xtask kernel build --tree linux --arch arm64 --objtree /build/thin
  cargo xtask kernel boot --arch arm64 --objtree /build/thin
  cargo xtask kernel selftest --arch arm64 --objtree /build/thin \\
      --against /build/none")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Fetch(fetches::Args),
    Config(configures::Args),
    Build(builds::Args),
    Boot(boots::Args),
    Profile(profile::Args),
    Selftest(selftest::Args),
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    match args.command {
        Command::Fetch(args) => fetches::run(&args),
        Command::Config(args) => configures::run(&args),
        Command::Build(args) => builds::run(&args),
        Command::Boot(args) => boots::run(args),
        Command::Profile(args) => profile::run(&args),
        Command::Selftest(args) => selftest::run(&args),
    }
}

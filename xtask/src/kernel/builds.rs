// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel build`: make, its log and what it cost.

use std::num::NonZero;
use std::path::PathBuf;

use kernel_lab::Arch;
use kernel_lab::build::{ALL, Options, build};

use crate::outcome::Outcome;
use crate::values;

/// Builds a configured kernel and its modules.
///
/// What make says is added to build.log of the object tree, which begins anew where the object tree
/// is clean; what it cost is in build-usage.json. A build that fails is a fault (exit code 1).
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kernel build --tree linux --arch arm64 --objtree /build/thin --jobs 8
  cargo xtask kernel build --tree linux --arch arm64 --objtree /build/thin --target vmlinux")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The architecture the object tree is configured for.
    #[arg(long, value_parser = values::arch())]
    arch: Arch,
    /// The object tree.
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// How many jobs make may run at a time [default: the number of CPUs].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// What make is to build.
    #[arg(long, value_name = "TARGET", default_value = ALL)]
    target: String,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        tree,
        arch,
        objtree,
        jobs,
        target,
    } = args;
    build(Options {
        tree,
        arch: *arch,
        objtree,
        jobs: *jobs,
        target,
    })
    .map(|_| ())
}

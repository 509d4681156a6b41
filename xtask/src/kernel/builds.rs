// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel build`: runs make, and records its log and its cost.

use std::num::NonZero;
use std::path::PathBuf;

use kernel_lab::Arch;
use kernel_lab::build::{ALL, Options, build};

use crate::outcome::Outcome;
use crate::values;

/// Build a configured kernel and its modules
///
/// make's output is appended to build.log of the object tree, which is started afresh if the object
/// tree is clean; the cost is in build-usage.json. A build that fails is a fault (exit code 1).
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kernel build --tree linux --arch arm64 --objtree /build/thin \\
      --jobs 8
  cargo xtask kernel build --tree linux --arch arm64 --objtree /build/thin \\
      --target vmlinux")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The configured architecture of the object tree.
    #[arg(long, value_parser = values::arch())]
    arch: Arch,
    /// The object tree.
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// The number of make's parallel jobs [default: the number of CPUs].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// The target of make.
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

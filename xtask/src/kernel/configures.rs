// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel config`: configures an object tree from a profile, and checks the result.

use std::path::PathBuf;

use kernel_lab::Arch;
use kernel_lab::config::{Lto, Options, Profile, Setting, configure};

use crate::outcome::Outcome;
use crate::values;

/// Configure a kernel from a profile
///
/// Options outside of the profile are as in allnoconfig or, with the profile defconfig, as in the
/// architecture's defconfig. An option that does not get the requested value from Kconfig is a
/// fault (exit code 1).
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kernel config --tree linux --arch arm64 --objtree /build/thin \\
      --profile ci --lto thin
  cargo xtask kernel config --tree linux --arch arm64 --objtree /build/none \\
      --profile wide --lto none --set TRIM_UNUSED_KSYMS=y")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The architecture of the kernel.
    #[arg(long, value_parser = values::arch())]
    arch: Arch,
    /// The object tree; created if it is missing.
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// The profile of the kernel.
    #[arg(long, value_parser = values::profile())]
    profile: Profile,
    /// The kind of link time optimization.
    #[arg(long, value_parser = values::lto())]
    lto: Lto,
    /// An option that overrides the profile; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<Setting>,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        tree,
        arch,
        objtree,
        profile,
        lto,
        set,
    } = args;
    let options = Options {
        tree,
        arch: *arch,
        objtree,
        profile: *profile,
        lto: *lto,
        set,
    };
    configure(options)
}

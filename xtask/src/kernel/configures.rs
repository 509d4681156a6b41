// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel config`: an object tree configured from a profile, and the result checked.

use std::path::PathBuf;

use kernel_lab::Arch;
use kernel_lab::config::{Lto, Options, Profile, Setting, configure};

use crate::outcome::Outcome;
use crate::values;

/// Configures a kernel from a profile.
///
/// Everything the profile does not ask for is as small as allnoconfig makes it, or, with the profile
/// defconfig, as the architecture's defconfig has it. An option that Kconfig does not give the value
/// asked for is a fault (exit code 1).
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kernel config --tree linux --arch arm64 --objtree /build/thin --profile ci --lto thin
  cargo xtask kernel config --tree linux --arch arm64 --objtree /build/none --profile wide --lto none --set TRIM_UNUSED_KSYMS=y")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The architecture the kernel is for.
    #[arg(long, value_parser = values::arch())]
    arch: Arch,
    /// The object tree; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// What the kernel is to have.
    #[arg(long, value_parser = values::profile())]
    profile: Profile,
    /// Which link time optimization it is built with.
    #[arg(long, value_parser = values::lto())]
    lto: Lto,
    /// One more option, which stands above what the profile says; may be given several times.
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

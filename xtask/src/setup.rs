// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask setup`: the system packages that building and booting a kernel needs.

use kernel_lab::Arch;
use kernel_lab::setup::{Options, ensure, ensure_for_tests};

use crate::outcome::{Outcome, print};
use crate::values;

/// Installs the system packages that are missing.
///
/// They are what fetching, building and booting a kernel needs; apt installs them, as root or by
/// sudo.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask setup
  cargo xtask setup --arch x86_64 --no-install
  cargo xtask setup --tests")]
pub struct Args {
    /// The architecture that kernels will be built for.
    #[arg(long, value_parser = values::arch(), default_value = "arm64")]
    arch: Arch,
    /// Install nothing: stop, and name what is missing.
    #[arg(long)]
    no_install: bool,
    /// What the tests of this repository call, too.
    #[arg(long)]
    tests: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        arch,
        no_install,
        tests,
    } = *args;
    ensure(Options {
        arch,
        install: !no_install,
    })?;
    if tests {
        ensure_for_tests(!no_install)?;
    }
    print(b"everything is there\n")?;
    Ok(())
}

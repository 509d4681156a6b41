// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask setup`: installs the system packages for building and booting a kernel.

use kernel_lab::Arch;
use kernel_lab::setup::{Options, ensure, ensure_for_tests};

use crate::outcome::{Outcome, print};
use crate::values;

/// Install the system packages that are missing
///
/// They are the packages for fetching, building and booting a kernel; apt installs them, as root or
/// through sudo.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask setup
  cargo xtask setup --arch x86_64 --no-install
  cargo xtask setup --tests")]
pub struct Args {
    /// The architecture that kernels will be built for.
    #[arg(long, value_parser = values::arch(), default_value = "arm64")]
    arch: Arch,
    /// Install nothing: stop, and name the missing packages.
    #[arg(long)]
    no_install: bool,
    /// Also the packages that only the tests of this repository use.
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

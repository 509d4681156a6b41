// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel fetch`: the source of a kernel from its Debian package.

use std::path::PathBuf;

use kernel_lab::fetch::{Options, fetch};

use crate::outcome::{Outcome, print};

/// Fetches the source of a kernel by the name of its Debian package.
///
/// The package linux-source-VERSION is taken from the suite that has it, whether this machine is
/// configured for that suite or not. A tree that is already there is used again. The last line
/// printed is the path of the tree.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kernel fetch 5.10 --into trees
  cargo xtask kernel fetch 5.10 --package-version 5.10.262-1 --into trees")]
pub struct Args {
    /// The version of the kernel, such as 5.10.
    version: String,
    /// The version of the package [default: one that is there, else the newest].
    #[arg(long, value_name = "VERSION")]
    package_version: Option<String>,
    /// The directory that the tree is put into.
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        version,
        package_version,
        into,
    } = args;
    let package_version = package_version.as_deref();
    let tree = fetch(Options {
        version,
        package_version,
        into,
    })?;
    print(format!("{}\n", tree.display()).as_bytes())?;
    Ok(())
}

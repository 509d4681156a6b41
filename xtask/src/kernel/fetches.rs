// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel fetch`: fetches the source of a kernel from its Debian package.

use std::path::PathBuf;

use kernel_lab::fetch::{Options, fetch};

use crate::outcome::{Outcome, print};

/// Fetch the source of a kernel from its Debian package
///
/// The package linux-source-VERSION comes from the suite that contains it, even if this machine is
/// not configured for that suite. An existing tree is used again. The last line of the output is
/// the path of the tree.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kernel fetch 5.10 --into trees
  cargo xtask kernel fetch 5.10 --package-version 5.10.262-1 --into trees")]
pub struct Args {
    /// The version of the kernel, such as 5.10.
    version: String,
    /// The version of the package [default: an existing one, else the newest].
    #[arg(long, value_name = "VERSION")]
    package_version: Option<String>,
    /// The directory for the tree.
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

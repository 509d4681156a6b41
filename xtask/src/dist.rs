// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask dist`: the archive of a release.

use std::path::PathBuf;

use kernel_lab::workspace;

use crate::outcome::{Outcome, print};

/// Make the archive of a release
///
/// The archive has the files of the last commit, the crates that they use (`cargo vendor`), and static
/// programs: all tools, and xtask itself. From the unpacked archive, plugins are installed into a kernel
/// tree without Rust and without a network: bin/<target>/xtask install --tree DIR copies the tools that
/// are beside it.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask dist
  cargo xtask dist --into ~/releases

  tar -xf kbuild-lto-*.tar.xz && cd kbuild-lto-*/
  bin/x86_64-unknown-linux-gnu/xtask install --tree ~/linux-5.10
  bin/x86_64-unknown-linux-gnu/xtask --version")]
pub struct Args {
    /// The directory of the archive [default: target/dist].
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// The machines that get programs, as the compiler names them; its standard library for them must be
    /// installed.
    #[arg(long = "target", value_name = "TARGET", value_delimiter = ',', default_value = installer::HOST)]
    targets: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let default = workspace::root().join("target/dist");
    let archive = installer::dist(args.into.as_ref().unwrap_or(&default), &args.targets)?;
    Ok(print(format!("{}\n", archive.display()).as_bytes())?)
}

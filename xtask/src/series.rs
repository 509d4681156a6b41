// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask series`.

use crate::outcome::Outcome;
use std::path::PathBuf;

/// Writes an install as a patch series, ready to mail.
#[derive(clap::Args)]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    Err(anyhow::anyhow!("{}: not written yet", args.tree.display()).into())
}

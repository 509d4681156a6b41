// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask uninstall`: restores a kernel tree.

use std::path::PathBuf;

use crate::outcome::{Outcome, print};

/// Restores a kernel tree as it was before the first install: every file byte for byte, with its
/// permissions and its time stamp.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask uninstall --tree ~/linux-5.10

Exit code: 0 done; 2 refused, and the tree was not changed.")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// Discard changes that were made to installed files after the install.
    #[arg(long)]
    discard_changes: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    let Args {
        tree,
        discard_changes,
    } = args;
    let report = installer::uninstall(&tree, discard_changes)?;
    print(installer::given_back(&tree, &report).as_bytes())?;
    Ok(())
}

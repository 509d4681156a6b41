// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask uninstall`: restores a kernel tree.

use std::path::{Path, PathBuf};

use kernel_tree::{Report, Tree};

use crate::outcome::{Outcome, print};
use crate::status;

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
    let Report {
        made,
        changed,
        removed,
        foreign,
    } = uninstall(&tree, discard_changes)?;
    let mut lines = vec![format!(
        "{}: {} files given back, {} removed",
        tree.display(),
        made.len() + changed.len(),
        removed.len()
    )];
    lines.extend(foreign.iter().map(|path| format!("left alone: {path}")));
    // Built objects are newer than the restored sources, which have their old times.
    lines.push("Object trees that were built meanwhile: run `make clean` there first.\n".into());
    print(lines.join("\n").as_bytes())?;
    Ok(())
}

/// Restores the tree as it was before plugins were installed, after finishing an interrupted command.
///
/// # Errors
/// The tree is refused or cannot be written.
pub fn uninstall(tree: &Path, discard_changes: bool) -> anyhow::Result<Report> {
    status::recover(tree)?;
    Ok(kernel_tree::uninstall(&Tree::open(tree)?, discard_changes)?)
}

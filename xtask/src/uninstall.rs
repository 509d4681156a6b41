// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask uninstall`: a kernel tree as it was.

use std::path::{Path, PathBuf};

use kernel_tree::{Report, Tree};

use crate::outcome::{Outcome, print};
use crate::status;

/// Gives a kernel tree back as it was before the first install: every file byte for byte, with its
/// permissions and its time stamp.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask uninstall --tree ~/linux-5.10

Exit code: 0 done; 2 refused, and the tree was not changed.")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// Give up changes that were made to installed files since they were installed.
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
    // Their objects are newer than the sources that came back with their old times.
    lines.push("Object trees that were built meanwhile: run `make clean` there first.\n".into());
    print(lines.join("\n").as_bytes())?;
    Ok(())
}

/// Gives the tree back as it was before plugins were installed, after finishing what an interrupted
/// command left.
///
/// # Errors
/// The tree is refused or cannot be written.
pub fn uninstall(tree: &Path, discard_changes: bool) -> anyhow::Result<Report> {
    status::recover(tree)?;
    Ok(kernel_tree::uninstall(&Tree::open(tree)?, discard_changes)?)
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask uninstall`: restores a kernel tree.

use std::path::{Path, PathBuf};

use kernel_tree::{OnChange, Report};

use crate::outcome::{Failure, Outcome, print_done};

/// Restore a kernel tree as it was before the first install
///
/// Every edited file gets its original bytes, permissions and time stamp, and new files are removed.
/// Changes that you made to other lines since the install are kept. All plugins are removed; to
/// remove one, run `install` again and name the others.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask uninstall --tree ~/linux-5.10
  cargo xtask uninstall --tree ~/linux-5.10 --by-text

Exit codes: 0 done; 1 done, and a merged file has conflicts; 2 refused, nothing was changed.")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    #[command(flatten)]
    changes: Changes,
    /// Remove plugins whose record is gone: recognize their lines and files by their text. Permissions
    /// and time stamps stay as they are.
    #[arg(long, conflicts_with_all = ["merge", "discard_changes"])]
    by_text: bool,
}

/// The fate of installed lines that were changed.
#[derive(clap::Args)]
pub struct Changes {
    /// Merge changes of installed lines with this command's changes; conflicts are left between
    /// markers.
    #[arg(long, conflicts_with = "discard_changes")]
    merge: bool,
    /// Drop changes of installed lines and new files; they are shown first.
    #[arg(long)]
    discard_changes: bool,
}

impl From<Changes> for OnChange {
    fn from(
        Changes {
            merge,
            discard_changes,
        }: Changes,
    ) -> Self {
        match (merge, discard_changes) {
            (true, _) => Self::Merge,
            (_, true) => Self::Discard,
            _ => Self::Refuse,
        }
    }
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    let Args {
        tree,
        changes,
        by_text,
    } = args;
    let report = if by_text {
        installer::uninstall_by_text(&tree)?
    } else {
        installer::uninstall(&tree, changes.into())?
    };
    print_done(installer::given_back(&tree, &report).as_bytes());
    merged(&tree, &report)
}

/// Fails if merged files have conflicts.
pub fn merged(tree: &Path, report: &Report) -> Outcome {
    if report.unresolved.is_empty() {
        return Ok(());
    }
    Err(Failure::Fault(anyhow::anyhow!(
        "{}: done, but these files have merge conflicts: {}",
        tree.display(),
        report.unresolved.join(", ")
    )))
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask uninstall`: restores a kernel tree.

use std::path::{Path, PathBuf};

use kernel_tree::{OnChange, Report};

use crate::outcome::{Failure, Outcome, print_done};

/// Restores a kernel tree as it was before the first install: every file byte for byte, with its
/// permissions and its time stamp. Lines that were changed meanwhile, and that no plugin edits, stay.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask uninstall --tree ~/linux-5.10
  cargo xtask uninstall --tree ~/linux-5.10 --by-text

Exit code: 0 done; 1 done, and a merged file has marks; 2 refused, and the tree was not changed.")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    #[command(flatten)]
    changes: Changes,
    /// Take out plugins whose record is gone: recognize their lines and files by their texts. Permissions
    /// stay; time stamps are not restored.
    #[arg(long, conflicts_with_all = ["merge", "discard_changes"])]
    by_text: bool,
}

/// The fate of installed lines that were changed.
#[derive(clap::Args)]
pub struct Changes {
    /// Keep changes of installed lines: put them together with the lines of this command. Both stand
    /// between marks where they meet.
    #[arg(long, conflicts_with = "discard_changes")]
    merge: bool,
    /// Discard changes of installed lines and new files; they are shown first.
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

/// Fails if merged files have marks.
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

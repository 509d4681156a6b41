// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A kernel tree as it was before the first install.

use std::path::Path;

use kernel_tree::{Report, Tree};

use crate::status;

/// Restores the tree as it was before plugins were installed, after finishing an interrupted command.
///
/// # Errors
/// The tree is refused or cannot be written.
pub fn uninstall(tree: &Path, discard_changes: bool) -> anyhow::Result<Report> {
    status::recover(tree)?;
    Ok(kernel_tree::uninstall(&Tree::open(tree)?, discard_changes)?)
}

/// Returns the text after an uninstall.
pub fn given_back(tree: &Path, report: &Report) -> String {
    let Report {
        made,
        changed,
        removed,
        foreign,
    } = report;
    let mut lines = vec![format!(
        "{}: {} files given back, {} removed",
        tree.display(),
        made.len() + changed.len(),
        removed.len()
    )];
    lines.extend(foreign.iter().map(|path| format!("left alone: {path}")));
    // Their objects are newer than the sources that came back with their old times.
    lines.push("Object trees that were built meanwhile: run `make clean` there first.\n".into());
    lines.join("\n")
}

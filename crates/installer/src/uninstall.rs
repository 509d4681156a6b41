// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A kernel tree as it was before the first install.

use std::path::Path;

use anyhow::Context as _;
use kernel_tree::{OnChange, Report, Tree, Unrecorded};

use crate::explain::unresolved;
use crate::install::tell_lost;
use crate::status;

/// Restores the tree as it was before plugins were installed, after finishing an interrupted command.
///
/// # Errors
/// The tree is refused or cannot be written.
pub fn uninstall(dir: &Path, on_change: OnChange) -> anyhow::Result<Report> {
    status::recover(dir)?;
    let tree = Tree::open(dir)?;
    Unrecorded::refuse(&tree, &plugin_table::table()?)?;
    tell_lost(dir, &kernel_tree::check_uninstall(&tree, on_change)?);
    Ok(kernel_tree::uninstall(&tree, on_change)?)
}

/// Takes out plugins whose record is gone, by the texts that they wrote.
///
/// # Errors
/// The tree has a record, or no plugins; lines of plugins were changed; the tree cannot be written.
pub fn uninstall_by_text(dir: &Path) -> anyhow::Result<Report> {
    status::recover(dir)?;
    let tree = Tree::open(dir)?;
    let found = Unrecorded::in_tree(&tree, &plugin_table::table()?)?;
    let found = found.with_context(|| {
        format!(
            "{}: there are no plugins without a record; leave --by-text out",
            dir.display()
        )
    })?;
    Ok(kernel_tree::uninstall_by_text(&tree, &found)?)
}

/// Returns the text after an uninstall.
pub fn given_back(tree: &Path, report: &Report) -> String {
    let Report {
        made,
        changed,
        removed,
        foreign,
        notes,
        unresolved: marked,
    } = report;
    let mut lines = vec![format!(
        "{}: {} files restored, {} removed",
        tree.display(),
        made.len() + changed.len(),
        removed.len()
    )];
    lines.extend(unresolved(marked));
    lines.extend(notes.iter().cloned());
    lines.extend(foreign.iter().map(|path| format!("left alone: {path}")));
    // Their objects are newer than the sources that came back with their old times.
    lines.push("Object trees that were built meanwhile: run `make clean` there first.\n".into());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_and_left_is_told() {
        let report = Report {
            changed: vec!["Kconfig".to_owned()],
            foreign: vec!["scripts/lto/mine".to_owned()],
            notes: vec!["Kconfig: it lost user.note".to_owned()],
            ..Report::default()
        };
        let text = given_back(Path::new("linux"), &report);
        for part in [
            "linux: 1 files restored, 0 removed\n",
            "\nKconfig: it lost user.note\n",
            "\nleft alone: scripts/lto/mine\n",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
    }
}

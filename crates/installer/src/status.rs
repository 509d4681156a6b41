// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The plugins that are installed in a tree, and interrupted commands.

use std::path::Path;

use kernel_lab::progress;
use kernel_tree::{Installed, Recovery, Status};

/// Finishes what an interrupted install or uninstall left, and says so.
///
/// # Errors
/// It cannot be finished.
pub fn recover(tree: &Path) -> anyhow::Result<Option<String>> {
    let what = match kernel_tree::recover(tree)? {
        Recovery::Nothing => return Ok(None),
        Recovery::Swept => "removed what an interrupted command had prepared".to_owned(),
        Recovery::Finished { command } => format!("finished an interrupted {command}"),
        Recovery::Undone { command } => format!("finished undoing an {command} that had failed"),
    };
    progress::note(&format!("{}: {what}", tree.display()));
    Ok(Some(what))
}

/// Returns the status of a tree as lines.
pub fn status_text(tree: &Path, status: &Status) -> String {
    let Status {
        kernel,
        installed,
        foreign,
    } = status;
    let mut lines = vec![format!("{}: linux {kernel}", tree.display())];
    let mut list = |what: &str, paths: &[String]| {
        lines.extend(paths.iter().map(|path| format!("{what}: {path}")));
    };
    match installed {
        None => list("installed", &["nothing".to_owned()]),
        Some(Installed {
            version,
            plugins,
            edited,
            created,
            changed,
            reverted,
            missing,
        }) => {
            list("version", std::slice::from_ref(version));
            list("plugin", plugins);
            list("edited", edited);
            list("made", created);
            list("CHANGED since the install", changed);
            list("GIVEN BACK since the install", reverted);
            list("MISSING", missing);
        }
    }
    list("not from an install", foreign);
    lines.join("\n") + "\n"
}

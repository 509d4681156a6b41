// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The plugins that are installed in a tree, and interrupted commands.

use std::path::Path;

use kernel_lab::{progress, workspace};
use kernel_tree::{Installed, Recovery, Status, Tree, Unrecorded};
use serde::Serialize;

/// Finishes an interrupted install or uninstall, and reports it.
///
/// # Errors
/// It cannot be finished.
pub fn recover(tree: &Path) -> anyhow::Result<Option<String>> {
    let what = match kernel_tree::recover(tree)? {
        Recovery::Nothing => return Ok(None),
        Recovery::Swept => "removed what an interrupted command had left".to_owned(),
        Recovery::Finished { command } => format!("finished an interrupted {command}"),
        Recovery::Undone { command } => format!("finished undoing an {command} that had failed"),
    };
    progress::note(&format!("{}: {what}", tree.display()));
    Ok(Some(what))
}

/// The plugins and interrupted commands of a tree.
#[derive(Debug, Serialize)]
pub struct Found {
    /// The interrupted command that was finished, if there was one.
    pub recovered: Option<String>,
    /// The status by the record.
    #[serde(flatten)]
    pub status: Status,
    /// An install whose record is gone.
    pub unrecorded: Option<Unrecorded>,
}

impl Found {
    /// Returns the fault of the tree, if there is one.
    pub fn fault(&self, tree: &Path) -> Option<String> {
        let tree = tree.display();
        if self.unrecorded.is_some() {
            return Some(format!(
                "{tree}: plugins are installed, and their record is gone: bring scripts/lto/.install back, or \
                 take them out by their texts: `cargo xtask uninstall --tree {tree} --by-text`"
            ));
        }
        let n_different = self
            .status
            .installed
            .as_ref()
            .map_or(0, Installed::n_different);
        (n_different > 0).then(|| {
            format!("{tree}: {n_different} installed files are not as they were installed")
        })
    }
}

/// Looks for plugins in a tree, after finishing an interrupted command.
///
/// # Errors
/// The tree cannot be read.
pub fn found(dir: &Path) -> anyhow::Result<Found> {
    let recovered = recover(dir)?;
    let tree = Tree::open(dir)?;
    Ok(Found {
        recovered,
        status: kernel_tree::status(&tree)?,
        unrecorded: Unrecorded::in_tree(&tree, &plugin_table::table()?)?,
    })
}

/// Returns the plugins and files of a tree as lines.
pub fn status_text(tree: &Path, found: &Found) -> String {
    let Found {
        recovered: _,
        status,
        unrecorded,
    } = found;
    let Status {
        kernel,
        installed,
        foreign,
    } = status;
    let mut lines = vec![format!("{}: linux {kernel}", tree.display())];
    let mut list = |what: &str, paths: &[String]| {
        lines.extend(paths.iter().map(|path| format!("{what}: {path}")));
    };
    if let Some(Unrecorded {
        version,
        plugins,
        edited,
        created,
        unclear,
        ..
    }) = unrecorded
    {
        list("installed, WITHOUT RECORD: version", version.as_slice());
        list("installed, WITHOUT RECORD: plugin", plugins);
        list("edited", edited);
        list("made", created);
        list("CHANGED since the install", unclear);
    }
    match installed {
        None if unrecorded.is_some() => {}
        None => list("installed", &["nothing".to_owned()]),
        Some(Installed {
            version,
            commit,
            plugins,
            edited,
            created,
            changed,
            updated,
            reverted,
            missing,
            damaged,
        }) => {
            list("version", &[with_commit(version, commit.as_deref())]);
            list("plugin", plugins);
            list("edited", edited);
            list("made", created);
            list("CHANGED since the install", changed);
            list(
                "UPDATED since the install (install again takes it up)",
                updated,
            );
            list("RESTORED since the install", reverted);
            list("MISSING", missing);
            list("LOST from the record", damaged);
        }
    }
    let is_ours = |path: &&String| {
        unrecorded
            .as_ref()
            .is_some_and(|found| found.created.contains(path))
    };
    let foreign: Vec<String> = foreign
        .iter()
        .filter(|path| !is_ours(path))
        .cloned()
        .collect();
    list("not from an install", &foreign);
    lines.join("\n") + "\n"
}

/// Returns the version and commit of this program.
pub fn version_text() -> String {
    let version = with_commit(plugin_table::VERSION, workspace::commit().as_deref());
    format!("kbuild-lto {version}\n")
}

fn with_commit(version: &str, commit: Option<&str>) -> String {
    match commit {
        Some(commit) => format!("{version} (commit {commit})"),
        None => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sample::{installed, options, tree};

    #[test]
    fn each_state_of_a_tree_is_told() {
        let tree = tree();
        let dir = tree.path();
        let state = || {
            let found = found(dir).unwrap();
            (found.fault(dir), status_text(dir, &found))
        };
        let (fault, text) = state();
        assert!(
            fault.is_none() && text.contains("installed: nothing"),
            "{text}"
        );
        installed(&options(&tree));
        let (fault, text) = state();
        assert!(fault.is_none() && text.contains("plugin: sample"), "{text}");
        let version = with_commit(plugin_table::VERSION, workspace::commit().as_deref());
        assert!(text.contains(&format!("version: {version}\n")), "{text}");
        assert_eq!(version_text(), format!("kbuild-lto {version}\n"));
        fs::write(dir.join("Kconfig"), "b\n# mine\n").unwrap();
        let (fault, _) = state();
        assert!(fault.unwrap().contains("1 installed files are not as"));
        fs::write(dir.join("Kconfig"), "b").unwrap();
        fs::remove_file(dir.join("scripts/lto/.install/manifest.json")).unwrap();
        let (fault, text) = state();
        assert!(fault.unwrap().contains("--by-text"));
        for part in [
            "WITHOUT RECORD: version: 0.1.0",
            "made: scripts/lto/VERSION",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        assert!(
            !text.contains("not from an install: scripts/lto/VERSION"),
            "{text}"
        );
        let error = crate::uninstall(dir, kernel_tree::OnChange::Refuse).unwrap_err();
        assert!(
            error.to_string().contains("installed, without record"),
            "{error}"
        );
        crate::uninstall_by_text(dir).unwrap();
        assert!(!dir.join("scripts/lto/VERSION").exists());
    }

    #[test]
    fn a_tree_without_plugins_takes_nothing_out_by_text() {
        let error = crate::uninstall_by_text(tree().path()).unwrap_err();
        assert!(error.to_string().contains("leave --by-text out"), "{error}");
    }
}

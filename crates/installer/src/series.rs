// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! An install as patches to be mailed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use kernel_lab::process;
use kernel_tree::{Author, Tree, Unrecorded};

/// Writes the patches of these plugins, all that make sense in the tree if none is named, and gives
/// their paths.
///
/// # Errors
/// The tree is refused, or a patch cannot be written.
pub fn write_series(
    tree: &Path,
    into: &Path,
    plugins: &[String],
    name_and_mail: &str,
) -> anyhow::Result<Vec<PathBuf>> {
    let author = Author {
        name_and_mail: name_and_mail.to_owned(),
        date: date()?,
    };
    let table = plugin_table::table()?;
    let tree = Tree::open(tree)?;
    if let Some(found) = Unrecorded::find(&tree, &table)? {
        return Err(found.into_error(&tree).into());
    }
    let selection = table.choose(&tree, plugins)?;
    let patches = kernel_tree::series(&tree, &selection, plugin_table::VERSION, &author)?;
    fs::create_dir_all(into).with_context(|| into.display().to_string())?;
    let mut written = Vec::new();
    for patch in patches {
        let path = into.join(&patch.file_name);
        fs::write(&path, &patch.text).with_context(|| path.display().to_string())?;
        written.push(path);
    }
    Ok(written)
}

/// Returns what git knows of the person who works in the tree, as `NAME <MAIL>`.
///
/// # Errors
/// git does not know.
pub fn author_of(tree: &Path) -> anyhow::Result<String> {
    let ask = |key: &str| {
        process::output(Command::new("git").current_dir(tree).args(["config", key]))
            .map(|value| value.trim().to_owned())
            .context("git does not know who sends the patches: say it with --author")
    };
    Ok(format!("{} <{}>", ask("user.name")?, ask("user.email")?))
}

/// The time of now as a mail has it, or of `SOURCE_DATE_EPOCH`, by which builds that are to give
/// the same bytes twice set it.
fn date() -> anyhow::Result<String> {
    let mut command = Command::new("date");
    command.args(["-R", "-u"]).env("LC_ALL", "C");
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        command.arg(format!("--date=@{epoch}"));
    }
    Ok(process::output(&mut command)?.trim().to_owned())
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask series`: writes an install as patches for mailing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use kernel_tree::{Author, Tree};

use crate::outcome::{Outcome, print};
use crate::process;

/// Writes an install as a patch series for review and mailing.
///
/// Writes a cover letter and one patch per plugin, in the form of `git format-patch`, for `git am`. The
/// tree is not changed. The patches do not contain the tools; the cover letter says how to build them.
///
/// For a tree with its own LTO, writes one independent patch per plugin, which applies to the
/// unchanged tree, and no cover letter.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask series --tree ~/linux-5.10 --into ~/lto-patches
  cargo xtask series --tree ~/linux-5.10 --into ~/lto-patches --author 'A Maintainer <a@example.org>'")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The directory for the patches; created if it is missing.
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// The plugins, with all that they require [default: all that are useful in the tree].
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    plugins: Vec<String>,
    /// The sender of the patches [default: from git's configuration in the tree].
    #[arg(long, value_name = "NAME <MAIL>")]
    author: Option<String>,
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    let Args {
        tree,
        into,
        plugins,
        author,
    } = args;
    let author = match author {
        Some(author) => author,
        None => author_of(&tree)?,
    };
    let written = write(&tree, &into, &plugins, &author)?;
    let lines: Vec<_> = written
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    print(lines.concat().as_bytes())?;
    Ok(())
}

/// Writes the patches of these plugins, or of all that are useful in the tree if none is named, and
/// returns their paths.
///
/// # Errors
/// The tree is refused, or a patch cannot be written.
pub fn write(
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

/// Returns git's user in the tree.
fn author_of(tree: &Path) -> anyhow::Result<String> {
    let ask = |key: &str| {
        process::output(Command::new("git").current_dir(tree).args(["config", key]))
            .map(|value| value.trim().to_owned())
            .context("git does not know who sends the patches: say it with --author")
    };
    Ok(format!("{} <{}>", ask("user.name")?, ask("user.email")?))
}

/// Returns the current time in the format of mails, or the time in `SOURCE_DATE_EPOCH`, which
/// reproducible builds set.
fn date() -> anyhow::Result<String> {
    let mut command = Command::new("date");
    command.args(["-R", "-u"]).env("LC_ALL", "C");
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        command.arg(format!("--date=@{epoch}"));
    }
    Ok(process::output(&mut command)?.trim().to_owned())
}

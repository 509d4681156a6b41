// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask series`: writes an install as patches for mailing.

use std::path::PathBuf;

use crate::outcome::{Outcome, print};

/// Write an install as a patch series for review and mailing
///
/// Writes a cover letter, one patch per plugin, and one with documentation and an entry in
/// MAINTAINERS, in the form of `git format-patch`, for `git am -3`. The tree is not changed. Patches of
/// an earlier call are removed from the directory. The patches do not contain the tools; the cover
/// letter says how to build them.
///
/// For a tree with its own LTO, writes one independent patch per plugin, which applies to the
/// unchanged tree, and no cover letter.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask series --tree ~/linux-5.10 --into ~/lto-patches
  cargo xtask series --tree ~/linux-5.10 --into ~/lto-patches \\
      --author 'A Maintainer <a@example.org>'")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The directory for the patches; created if it is missing.
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// The plugins; name those that they require, too [default: all that are useful in the tree].
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
        None => installer::author_of(&tree)?,
    };
    let written = installer::write_series(&tree, &into, &plugins, &author)?;
    let lines: Vec<_> = written
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    print(lines.concat().as_bytes())?;
    Ok(())
}

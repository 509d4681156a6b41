// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask series`: an install as patches to be mailed.

use std::path::PathBuf;

use crate::outcome::{Outcome, print};

/// Writes an install as a patch series, ready to be looked at and mailed.
///
/// A cover letter and one patch per plugin, in the form of `git format-patch`, which `git am`
/// takes. The tree is not changed. The tools are not part of the patches; the cover letter says
/// how they are built.
///
/// For a tree whose own build knows LTO, there is one patch for each plugin and no cover letter:
/// each stands alone and applies to the tree as it is.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask series --tree ~/linux-5.10 --into ~/lto-patches
  cargo xtask series --tree ~/linux-5.10 --into ~/lto-patches --author 'A Maintainer <a@example.org>'")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// Where the patches go; made if it is not there.
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// The plugins, with all that they require [default: all that make sense in the tree].
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    plugins: Vec<String>,
    /// Who sends the patches [default: what git knows in the tree].
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

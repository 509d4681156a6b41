// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask series`: writes an install as patches for mailing.

use std::path::PathBuf;

use installer::{Patches, SeriesOptions};

use crate::outcome::{Outcome, print};

/// Write an install as a patch series for review and mailing
///
/// Writes a cover letter, one patch per plugin, and one with documentation and an entry in
/// MAINTAINERS, in the form of `git format-patch`, for `git am -3`. The tree is not changed. Patches of
/// an earlier call are removed from the directory. The patches do not contain the tools; the cover
/// letter says how to build them.
///
/// With --by-maintainer, each patch has the files of one plugin in one maintainer's tree (kbuild,
/// PCI, objtool, arm64, x86 and others), and the people and lists that `scripts/get_maintainer.pl` of
/// the tree names, for `git send-email`. The script needs perl. The architectures, whose patches
/// make Kconfig offer LTO, come last.
///
/// For a tree with its own LTO, writes one independent patch per plugin, which applies to the
/// unchanged tree, and no cover letter. With --in-order, each patch there applies on top of those
/// before it: for the patch folder of a build system that takes several plugins.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask series --tree ~/linux-5.10 --into ~/lto-patches
  cargo xtask series --tree ~/linux-5.10 --into ~/lto-patches \\
      --author 'A Maintainer <a@example.org>'
  cargo xtask series --tree ~/linux-5.10 --into ~/lto-patches --by-maintainer
  cargo xtask series --tree ~/linux-6.12 --into ~/lto-patches \\
      --plugins lto-link,initcall-order --in-order")]
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
    /// Split the patches by the trees of maintainers, and add who gets them.
    #[arg(long, conflicts_with = "in_order")]
    by_maintainer: bool,
    /// Write patches that apply one after the other, in a tree with its own LTO, too.
    #[arg(long)]
    in_order: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    let Args {
        tree,
        into,
        plugins,
        author,
        by_maintainer,
        in_order,
    } = args;
    let author = match author {
        Some(author) => author,
        None => installer::author_of(&tree)?,
    };
    let written = installer::write_series(&SeriesOptions {
        tree: &tree,
        into: &into,
        plugins: &plugins,
        sender: &author,
        patches: match (by_maintainer, in_order) {
            (true, _) => Patches::ByMaintainer,
            (false, true) => Patches::InOrder,
            (false, false) => Patches::PerPlugin,
        },
    })?;
    let lines: Vec<_> = written
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    print(lines.concat().as_bytes())?;
    Ok(())
}

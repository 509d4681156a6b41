// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask install`: plugins into a kernel tree.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use installer::Options;
use kernel_tree::Plan;

use crate::outcome::{Failure, Outcome, print, print_done};
use crate::uninstall::{Changes, merged};

/// Puts plugins into a kernel tree.
///
/// A tree without LTO gets LTO. To a tree whose own build knows it, single plugins are offered that
/// replace or check what it does; without --plugins they are explained, and nothing is changed.
///
/// New files go into scripts/lto of the tree; existing files get a few lines each, at places that
/// must be exactly as the plugins know them. Every edited file is kept, and `uninstall` gives it
/// back. A tree that has plugins already gets those that are named now, and no others. After an
/// update of the tree, install again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask install --tree ~/linux-5.10 --dry-run
  cargo xtask install --tree ~/linux-5.10
  cargo xtask install --tree ~/linux-5.10 --plugins lto-link,modversions --check
  cargo xtask install --tree ~/linux-6.12
  cargo xtask install --tree ~/linux-6.12 --plugins initcall-order

Exit code: 0 done; 1 --check found the tree different, a merged file has marks, or a plugin does less in this tree than
in others, which is named; 2 the tree was refused, or would be, and not changed.")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The plugins, with all that they require [default: all, or none in a tree with LTO].
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    plugins: Vec<String>,
    /// Change nothing: show what would be changed.
    #[arg(long, conflicts_with = "check")]
    dry_run: bool,
    /// Change nothing: fail if the tree is not as this install would leave it.
    #[arg(long, conflicts_with_all = ["discard_changes", "merge"])]
    check: bool,
    #[command(flatten)]
    changes: Changes,
    /// The directory of the LLVM tools to build with: check that they are fit for LTO.
    #[arg(long, value_name = "DIR")]
    llvm: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    let Args {
        tree,
        plugins,
        dry_run,
        check,
        changes,
        llvm,
    } = args;
    let options = Options {
        on_change: changes.into(),
        ..Options::new(&tree, &plugins)
    };
    if let Some(dir) = &llvm {
        installer::check_llvm(dir).with_context(|| format!("--llvm {}", dir.display()))?;
    }
    if plugins.is_empty() && !check {
        // --dry-run changes nothing; it refuses a tree with an interrupted command.
        if !dry_run {
            installer::recover(&tree)?;
        }
        if let Some(text) = installer::explanation(&tree)? {
            return Ok(print(text.as_bytes())?);
        }
    }
    if dry_run {
        let (plan, preview) = installer::previewed(&options)?;
        print(&installer::shown(&plan, &preview))?;
        return match preview.refusals.len() {
            0 => complete(&tree, &plan),
            n => Err(anyhow::anyhow!(
                "{}: the install would be refused ({n} reasons)",
                tree.display()
            )
            .into()),
        };
    }
    if check {
        let (_, preview) = installer::previewed(&options)?;
        return match installer::different(&options, &preview) {
            None => Ok(()),
            Some(text) => Err(Failure::Fault(anyhow::anyhow!(text))),
        };
    }
    let installed = installer::install(&options)?;
    print_done(installer::done(&installed, &tree, llvm.as_deref()).as_bytes());
    merged(&tree, &installed.report)?;
    complete(&tree, &installed.plan)
}

/// Fails if a plugin does less in this tree than in others.
fn complete(tree: &Path, plan: &Plan) -> Outcome {
    match installer::withheld(plan) {
        None => Ok(()),
        Some(lines) => Err(Failure::Fault(anyhow::anyhow!(
            "{}: not everything of these plugins fits this tree; the rest does:\n{lines}",
            tree.display()
        ))),
    }
}

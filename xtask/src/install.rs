// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask install`: plugins into a kernel tree.

use std::path::PathBuf;

use anyhow::Context as _;
use installer::Options;

use crate::outcome::{Failure, Outcome, print, print_done};
use crate::uninstall::{Changes, merged};

/// Install plugins into a kernel tree
///
/// A tree without LTO gets LTO. A tree that already has LTO is offered single plugins, which replace
/// or check steps of its build. Without --plugins, the command lists them and changes nothing.
///
/// New files go into scripts/lto, and a few headers into include/linux and arch/arm64/include/asm.
/// Existing files get a few lines each, at places whose text must match exactly. The original of
/// every edited file is kept, and `uninstall` restores it. After an update of the tree, install
/// again.
#[derive(clap::Args)]
#[command(after_help = after_help())]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The plugins; name those that they require, too. They replace the installed set: to remove one
    /// plugin, name the others [default: all, or none in a tree with LTO].
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
    /// The directory of the LLVM tools to build with: check that they can do LTO.
    #[arg(long, value_name = "DIR")]
    llvm: Option<PathBuf>,
}

/// Examples and exit codes.
const EXAMPLES: &str = "Examples:
  cargo xtask install --tree ~/linux-5.10 --dry-run
  cargo xtask install --tree ~/linux-5.10
  cargo xtask install --tree ~/linux-5.10 \\
      --plugins lto-link,modversions --check
  cargo xtask install --tree ~/linux-6.12
  cargo xtask install --tree ~/linux-6.12 --plugins initcall-order

Exit codes: 0 done; 1 --check found the tree different, a merged file has conflicts, or a plugin
does less in this tree than in others, which is named; 2 the tree was (or would be) refused, and
nothing was changed.";

/// Returns the end of the help: the names of the plugins, and the examples.
fn after_help() -> String {
    let names: Vec<_> = installer::plugin_names().collect();
    format!("Plugins:\n  {}\n\n{EXAMPLES}", names.join(" "))
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
            0 => installer::complete(&tree, &plan),
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
    print_done(installer::installed_text(&installed, &tree, llvm.as_deref()).as_bytes());
    merged(&tree, &installed.report)?;
    installer::complete(&tree, &installed.plan)
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask status`: what is installed in a kernel tree.

use std::path::{Path, PathBuf};

use kernel_tree::{Installed, Recovery, Status, Tree};
use serde::Serialize;

use crate::outcome::{Failure, Outcome, print};

/// Says what is installed in a kernel tree, and whether it still is as it was installed.
///
/// What an interrupted install or uninstall left is finished first.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask status --tree ~/linux-5.10
  cargo xtask status --tree ~/linux-5.10 --format json

Exit code: 0 all is as installed, or nothing is; 1 installed files were changed or are missing.")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// How a result is printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Json<'a> {
    tree: &'a Path,
    /// What was finished of an interrupted command, if anything was.
    recovered: Option<String>,
    #[serde(flatten)]
    status: &'a Status,
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    let Args { tree, format } = args;
    let recovered = recover(&tree)?;
    let status = kernel_tree::status(&Tree::open(&tree)?)?;
    let text = match format {
        Format::Text => text(&tree, &status),
        Format::Json => {
            let json = Json {
                tree: &tree,
                recovered,
                status: &status,
            };
            serde_json::to_string_pretty(&json)? + "\n"
        }
    };
    print(text.as_bytes())?;
    match status.installed {
        Some(installed) if !installed.is_intact() => Err(Failure::Fault(anyhow::anyhow!(
            "{}: {} installed files are not as they were installed",
            tree.display(),
            installed.changed.len() + installed.reverted.len() + installed.missing.len()
        ))),
        _ => Ok(()),
    }
}

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
    eprintln!("{}: {what}", tree.display());
    Ok(Some(what))
}

fn text(tree: &Path, status: &Status) -> String {
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

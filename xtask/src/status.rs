// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask status`: what is installed in a kernel tree.

use std::path::{Path, PathBuf};

use installer::Found;
use serde::Serialize;

use crate::outcome::{Failure, Outcome, print};
use crate::values::Format;

/// List the plugins in a kernel tree, and the files that are not as installed
///
/// An interrupted install or uninstall is finished first.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask status --tree ~/linux-5.10
  cargo xtask status --tree ~/linux-5.10 --format json

Exit codes: 0 no plugin is installed, or all files are as installed; 1 installed files were
changed, updated or are missing, or the record is gone.")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The format of the result.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// The JSON output.
#[derive(Serialize)]
struct Json<'a> {
    tree: &'a Path,
    #[serde(flatten)]
    found: &'a Found,
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    let Args { tree, format } = args;
    let found = installer::found(&tree)?;
    let text = match format {
        Format::Text => installer::status_text(&tree, &found),
        Format::Json => {
            let json = Json {
                tree: &tree,
                found: &found,
            };
            serde_json::to_string_pretty(&json)? + "\n"
        }
    };
    print(text.as_bytes())?;
    match found.fault(&tree) {
        None => Ok(()),
        Some(fault) => Err(Failure::Fault(anyhow::anyhow!(fault))),
    }
}

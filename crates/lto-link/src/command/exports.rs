// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `lto-link used-exports`: lists the exports that modules use.

use std::path::PathBuf;

use clap::Args;
use lto_link::used_exports;
use tool_io::{Failure, Files};

/// The users of exports.
#[derive(Args)]
pub struct UsedExportsArgs {
    /// A file with the paths of the objects of modules, one on each line: modules.order
    #[arg(long, value_name = "FILE")]
    modules: Option<PathBuf>,
    /// A file with names of exports, one on each line: `UNUSED_KSYMS_WHITELIST`
    #[arg(long, value_name = "FILE")]
    list: Vec<PathBuf>,
}

/// Prints the names, sorted, each once.
pub fn run(args: &UsedExportsArgs) -> Result<(), Failure> {
    let UsedExportsArgs { modules, list } = args;
    let modules = modules.as_deref().map(tool_io::read_text).transpose()?;
    let modules: Vec<PathBuf> = modules
        .iter()
        .flat_map(|text| text.lines())
        .map(PathBuf::from)
        .collect();
    let files = Files::new();
    let modules = files.link_order(&modules)?;
    let mut used = used_exports(&modules)?;
    for path in list {
        let text = tool_io::read_text(path)?;
        let names = text.lines().filter(|name| !name.is_empty());
        used.names.extend(names.map(str::to_owned));
    }
    tool_io::no_faults(&used.faults)?;
    let lines = used.names.iter().map(|name| format!("{name}\n"));
    Ok(tool_io::write_stdout(lines.collect::<String>().as_bytes())?)
}

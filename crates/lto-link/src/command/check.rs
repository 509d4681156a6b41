// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `lto-link check`: checks a linked kernel or module.

use std::path::PathBuf;

use clap::Args;
use lto_link::{SUFFIX_MAP_HEAD, definitions, kernel_names, suffix_map, suffixed};
use tool_io::{Failure, Files};

/// A linked file, and what to check it with.
#[derive(Args)]
pub struct CheckArgs {
    /// The linked kernel, or a module
    linked: PathBuf,
    /// Objects and archives of which everything was linked
    #[arg(long, num_args = 1..)]
    objs: Vec<PathBuf>,
    /// The file for the map from names in the source to names of symbols; `-` is standard output
    #[arg(long, value_name = "FILE")]
    emit_suffix_map: Option<PathBuf>,
}

/// Reports all faults of the linked file.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let CheckArgs {
        linked,
        objs,
        emit_suffix_map,
    } = args;
    let files = Files::new();
    let inputs = files.link_order(objs)?;
    let elf = files.elf(linked)?;
    let mut faults: Vec<String> = definitions(&inputs)
        .faults
        .iter()
        .map(ToString::to_string)
        .collect();
    faults.extend(kernel_names(&elf).faults.iter().map(ToString::to_string));
    if let Some(map) = emit_suffix_map {
        let lines = suffix_map(&linked.display().to_string(), &suffixed(&elf));
        tool_io::write_atomic(map, format!("{SUFFIX_MAP_HEAD}{lines}").as_bytes())?;
    }
    tool_io::no_faults(&tool_io::located(linked, &faults))
}

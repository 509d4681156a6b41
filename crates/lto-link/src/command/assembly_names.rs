// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `lto-link assembly-names`: the symbols that assembly in bitcode names.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use lto_link::named_in_assembly;
use tool_io::{Failure, Files};

use crate::command::recorded::recorded_inputs;

#[derive(Args)]
pub struct AssemblyNamesArgs {
    /// The output of the link: vmlinux.o, or the object of a module
    #[arg(short, default_value = "vmlinux.o")]
    output: PathBuf,
}

/// Prints each symbol, and the first object that names it.
pub fn run(args: &AssemblyNamesArgs) -> Result<(), Failure> {
    let AssemblyNamesArgs { output } = args;
    let files = Files::new();
    let inputs = files.link_order(&recorded_inputs(output)?)?;
    let named = named_in_assembly(&inputs, inputs.len())?;
    let text = named
        .symbols
        .iter()
        .fold(String::new(), |mut text, (symbol, object)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{symbol}\t{object}");
            text
        });
    tool_io::write_atomic(Path::new("-"), text.as_bytes())?;
    Ok(())
}

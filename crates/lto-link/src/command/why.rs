// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `lto-link why`: what keeps a symbol.

use std::path::PathBuf;

use clap::Args;
use lto_link::{Inputs, LinkPaths, Reach, Roots};
use tool_io::{Failure, Files};

use crate::command::recorded::recorded_inputs;

#[derive(Args)]
pub struct WhyArgs {
    /// The name of the function or variable in the source
    symbol: String,
    /// The output of the link: vmlinux.o, or the object of a module
    #[arg(short, default_value = "vmlinux.o")]
    output: PathBuf,
}

/// Prints why a symbol is in the output, or that it was dropped.
pub fn run(args: &WhyArgs) -> Result<(), Failure> {
    let WhyArgs { symbol, output } = args;
    let objects = recorded_inputs(output)?;
    let listing = LinkPaths::new(output).roots();
    if !listing.exists() {
        return Err(Failure::cannot_run(format!(
            "{}: was linked without --internalize, so that nothing was dropped",
            output.display()
        )));
    }
    let listing = tool_io::read_text(&listing)?;
    let files = Files::new();
    let inputs = Inputs::read(&&files, &objects, &[])?;
    let roots = Roots::read_listing(&listing);
    let reach =
        Reach::of(&inputs.objects, roots.map(|(name, _)| name)).map_err(Failure::cannot_run)?;
    let fates = reach.why(symbol);
    if fates.is_empty() {
        return Err(Failure::fault(format!(
            "{symbol}: no bitcode in {} defines it",
            output.display()
        )));
    }
    let lines = fates.iter().flat_map(|fate| fate.lines(symbol, &listing));
    let text = lines.map(|line| line + "\n").collect::<String>();
    Ok(tool_io::write_stdout(text.as_bytes())?)
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command line of initcall-order.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use initcall_order::Collector;
use tool_io::{Failure, Files};

const EXAMPLES: &str = "\
Examples:
  initcall-order -o .tmp_initcalls.lds init/built-in.a kernel/built-in.a drivers/built-in.a
  initcall-order --format json -o - @vmlinux.objects

Exit codes: 0 done, 1 a fault in the initcalls, 2 could not run.";

/// Writes the linker script that keeps initcalls in link order under LTO.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// What to write: a linker script, or the list with its details.
    #[arg(long, value_enum, default_value_t = Format::Lds)]
    format: Format,
    /// Where to write it; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Objects and archives in link order, ELF or LLVM bitcode; `@FILE` holds more of them.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Lds,
    Json,
}

fn main() -> ExitCode {
    tool_io::exit("initcall-order", run())
}

fn run() -> Result<(), Failure> {
    let arguments = Arguments::parse_from(tool_io::arguments()?);
    let mut collector = Collector::default();
    Files::for_process().visit_link_order(&arguments.inputs, |input| collector.add(&input))?;
    let initcalls = collector.finish().map_err(Failure::fault)?;
    let text = match arguments.format {
        Format::Lds => initcalls.linker_script(),
        Format::Json => initcalls.json(),
    };
    tool_io::write_atomic(&arguments.output, text.as_bytes())?;
    Ok(())
}

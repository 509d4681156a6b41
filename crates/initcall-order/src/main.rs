// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command line of initcall-order.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use initcall_order::{Collector, Initcalls, Tables};
use tool_io::{Failure, Files};

const EXAMPLES: &str = "\
Examples:
  initcall-order -o .tmp_initcalls.lds init/built-in.a \\
      kernel/built-in.a drivers/built-in.a
  initcall-order --format json -o - @vmlinux.objects
  initcall-order check vmlinux --inputs vmlinux.a lib/lib.a
  initcall-order check vmlinux --against ../build-without-lto/vmlinux

Exit codes: 0 done, 1 a fault in the initcalls, 2 could not run.";

/// Writes the linker script that keeps initcalls in link order under LTO.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    /// The format of the output: a linker script, or the list with its details.
    #[arg(long, value_enum, default_value_t = Format::Lds)]
    format: Format,
    /// The output file; `-` is standard output.
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Option<PathBuf>,
    /// Objects and archives in link order, ELF or LLVM bitcode; `@FILE` is a file with more of them.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Check that a kernel runs its initcalls in link order, and in the order of another build.
    Check {
        /// The linked kernel.
        vmlinux: PathBuf,
        /// The objects and archives that it was linked from, in link order.
        #[arg(long, num_args = 1.., value_name = "INPUT", required_unless_present = "against")]
        inputs: Vec<PathBuf>,
        /// The kernel to compare with, such as one without LTO.
        #[arg(long, value_name = "VMLINUX")]
        against: Option<PathBuf>,
    },
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
    if let Some(Command::Check {
        vmlinux,
        inputs,
        against,
    }) = arguments.command
    {
        return check(&vmlinux, &inputs, against.as_deref());
    }
    let initcalls = collect(&arguments.inputs)?;
    let text = match arguments.format {
        Format::Lds => initcalls.linker_script(),
        Format::Json => initcalls.json(),
    };
    let output = arguments.output.unwrap_or_else(|| "-".into());
    tool_io::write_atomic(&output, text.as_bytes())?;
    Ok(())
}

fn collect(inputs: &[PathBuf]) -> Result<Initcalls, Failure> {
    let mut collector = Collector::default();
    Files::for_process().visit_link_order(inputs, |input| collector.add(&input))?;
    collector.finish().map_err(Failure::fault)
}

fn check(vmlinux: &Path, inputs: &[PathBuf], against: Option<&Path>) -> Result<(), Failure> {
    let (found, mut faults) = tables(vmlinux)?;
    if !inputs.is_empty() {
        let expected = Tables::of_link(&collect(inputs)?);
        faults.extend(found.differences(&expected, "the link order"));
    }
    if let Some(path) = against {
        let (expected, _) = tables(path)?;
        faults.extend(found.differences(&expected, &path.display().to_string()));
    }
    tool_io::no_faults(&tool_io::located(vmlinux, &faults))
}

fn tables(vmlinux: &Path) -> Result<(Tables, Vec<initcall_order::OrderFault>), Failure> {
    let elf = Files::for_process().elf(vmlinux)?;
    let named = |error| Failure::cannot_run(format!("{}: {error}", vmlinux.display()));
    Tables::of_kernel(&elf).map_err(named)
}

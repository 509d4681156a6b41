// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command line of profile.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use object_model::InputError;
use profile::{CountingKernel, Raw, collect, merge};
use tool_io::{Failure, Files};

const EXAMPLES: &str = "\
Examples:
  profile collect --vmlinux build/vmlinux counters.raw -o kernel.profdata
  profile collect --vmlinux build/vmlinux --llvm-profdata /usr/lib/llvm-22/bin/llvm-profdata *.raw \\
      -o kernel.profdata

Exit codes: 0 done, 1 the counters are not those of the kernel, 2 could not run.";

/// Makes a profile for clang of the counters of a kernel.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Collect(Collect),
}

/// Joins counters that were read from a kernel's memory with the descriptions in its vmlinux.
#[derive(clap::Args)]
struct Collect {
    /// The vmlinux of the kernel that counted, with its symbols.
    #[arg(long, value_name = "FILE")]
    vmlinux: PathBuf,
    /// Files with counters, which are added up; `cargo xtask kernel profile --keep` leaves one.
    #[arg(required = true, value_name = "RAW")]
    raws: Vec<PathBuf>,
    /// The profile to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The llvm-profdata of the LLVM that compiled the kernel.
    #[arg(long, value_name = "PROGRAM", default_value = "llvm-profdata")]
    llvm_profdata: PathBuf,
}

fn main() -> ExitCode {
    tool_io::exit("profile", run())
}

fn run() -> Result<(), Failure> {
    let Arguments {
        command: Command::Collect(arguments),
    } = Arguments::parse_from(tool_io::arguments()?);
    let Collect {
        vmlinux,
        raws,
        output,
        llvm_profdata,
    } = &arguments;
    let files = Files::new();
    let elf = files.elf(vmlinux)?;
    let of_kernel = |error| Failure::fault(format!("{}: {error}", vmlinux.display()));
    let kernel = CountingKernel::read(&elf).map_err(of_kernel)?;
    let mut profraws = Vec::new();
    for path in raws {
        let content = files.bytes(path).map_err(|error| InputError {
            name: path.display().to_string(),
            error: error.into(),
        })?;
        let wrong =
            |error: &dyn std::fmt::Display| Failure::fault(format!("{}: {error}", path.display()));
        let raw = Raw::parse(content).map_err(|error| wrong(&error))?;
        let collected = collect(&kernel, &raw)
            .map_err(|error| wrong(&format!("{} {error}", vmlinux.display())))?;
        let said = format!(
            "{}: {} of {} functions were executed\n",
            path.display(),
            collected.n_executed,
            collected.n_functions
        );
        tool_io::write_stdout(said.as_bytes())?;
        profraws.push(collected.profraw);
    }
    merge(llvm_profdata, &profraws, output).map_err(Failure::cannot_run)
}

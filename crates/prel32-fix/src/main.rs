// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command `prel32-fix`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use prel32_fix::check;
use tool_io::{Failure, Files};

#[derive(Parser)]
#[command(version, about = "Tables of relative references, and whether they survived LTO",
    after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  prel32-fix check vmlinux
  prel32-fix check vmlinux.o fs/ext4/ext4.ko

Exit codes: 0 all entries resolve, 1 a fault was found, 2 could not run.";

#[derive(Subcommand)]
enum Command {
    /// Check that every entry of every table resolves to the start of a function or object
    Check {
        /// Kernels, relocatable objects or modules
        #[arg(required = true)]
        objects: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    tool_io::exit("prel32-fix", run())
}

fn run() -> Result<(), Failure> {
    let Command::Check { objects } = Cli::parse_from(tool_io::arguments()?).command;
    let mut faults = Vec::new();
    for path in objects {
        let found = check_one(&path)?;
        faults.extend(
            found
                .iter()
                .map(|fault| format!("{}: {fault}", path.display())),
        );
    }
    tool_io::no_faults(&faults)
}

fn check_one(path: &Path) -> Result<Vec<prel32_fix::Fault>, Failure> {
    let files = Files::new();
    let elf = files.elf(path)?;
    let named = |error| Failure::cannot_run(format!("{}: {error}", path.display()));
    let (_, faults) = check(&elf).map_err(named)?;
    Ok(faults)
}

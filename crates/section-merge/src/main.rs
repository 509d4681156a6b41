// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command `section-merge`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use section_merge::{Reference, check_module};
use tool_io::{Failure, Files};

#[derive(Parser)]
#[command(version, about = "Sections that LTO splits, and whether they were merged again",
    after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  section-merge check fs/ext4/ext4.ko
  section-merge check fs/ext4/ext4.ko --against ../build-without-lto/fs/ext4/ext4.ko

Exit codes: 0 all merged, 1 a fault was found, 2 could not run.";

#[derive(Subcommand)]
enum Command {
    /// Check that a module has no section left that LTO split
    Check {
        /// The module
        module: PathBuf,
        /// The same module, built without LTO
        #[arg(long)]
        against: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    tool_io::exit("section-merge", run())
}

fn run() -> Result<(), Failure> {
    let Command::Check { module, against } = Cli::parse_from(tool_io::arguments()?).command;
    let files = Files::new();
    let reference = match against {
        Some(path) => Some(Reference::of(&files.elf(&path)?)),
        None => None,
    };
    let elf = files.elf(&module)?;
    let faults = check_module(&elf, reference.as_ref()).into_iter();
    let named = faults.map(|fault| format!("{}: {fault}", module.display()));
    tool_io::no_faults(&named.collect::<Vec<_>>())
}

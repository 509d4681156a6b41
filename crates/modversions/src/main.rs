// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command `modversions`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use modversions::{Symvers, collect, exports};
use tool_io::{Failure, Files};

#[derive(Parser)]
#[command(version, about = "CRCs of symbols that LLVM bitcode exports", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  modversions exports net/core/dev.o
  modversions collect -o crcs.lds net/built-in.a lib/lib.a
  modversions check build/Module.symvers --against build-without-lto/Module.symvers

Exit codes: 0 done, 1 a fault was found, 2 could not run.";

#[derive(Subcommand)]
enum Command {
    /// Print what an object exports, a name per line
    Exports {
        /// The object, native or bitcode
        object: PathBuf,
    },
    /// Make one linker script of the .symversions files beside bitcode objects
    Collect {
        /// The linker script to write
        #[arg(short)]
        output: PathBuf,
        /// Objects and archives, in link order
        #[arg(required = true)]
        inputs: Vec<PathBuf>,
    },
    /// Check that no CRC is zero and that all are those of another build
    Check {
        /// Module.symvers of the kernel
        symvers: PathBuf,
        /// Module.symvers of the build to compare with
        #[arg(long)]
        against: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    tool_io::exit("modversions", run())
}

fn run() -> Result<(), Failure> {
    let files = Files::new();
    match Cli::parse_from(tool_io::arguments()?).command {
        Command::Exports { object } => {
            let input = files.object(&object)?;
            exports(&input.object).for_each(|name| println!("{name}"));
            Ok(())
        }
        Command::Collect { output, inputs } => {
            let inputs = files.link_order(&inputs)?;
            let crcs =
                collect(&inputs, |path| std::fs::read_to_string(path)).map_err(Failure::fault)?;
            tool_io::write_if_changed(&output, crcs.linker_script().as_bytes())?;
            Ok(())
        }
        Command::Check { symvers, against } => {
            let found = read(&symvers)?;
            let mut faults = found.zero_crcs();
            if let Some(path) = against {
                faults.extend(found.differences(&read(&path)?));
            }
            tool_io::no_faults(&faults)
        }
    }
}

fn read(path: &Path) -> Result<Symvers, Failure> {
    let text = tool_io::read_text(path)?;
    Symvers::parse(&text)
        .map_err(|error| Failure::cannot_run(format!("{}: {error}", path.display())))
}

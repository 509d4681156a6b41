// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command `modversions`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use modversions::{Exporters, Symvers, check_exports, check_uses, collect, exports};
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
  modversions check build/Module.symvers \\
      --against build-without-lto/Module.symvers
  modversions check Module.symvers --built vmlinux fs/ext4/ext4.ko

Exit codes: 0 done, 1 a fault was found, 2 could not run.";

#[derive(Subcommand)]
enum Command {
    /// Print the exports of an object, a name per line
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
    /// Check that no CRC is zero, and that CRCs agree with another build and with built files
    Check {
        /// Module.symvers of the kernel
        symvers: PathBuf,
        /// Module.symvers of the build to compare with
        #[arg(long)]
        against: Option<PathBuf>,
        /// The linked kernel, and modules in its object tree, whose exported and
        /// expected CRCs are checked
        #[arg(long, num_args = 1.., value_name = "FILE")]
        built: Vec<PathBuf>,
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
            let lines: String = exports(&input.object)
                .flat_map(|name| [name, "\n"])
                .collect();
            Ok(tool_io::write_stdout(lines.as_bytes())?)
        }
        Command::Collect { output, inputs } => {
            let inputs = files.link_order(&inputs)?;
            let crcs =
                collect(&inputs, |path| std::fs::read_to_string(path)).map_err(Failure::fault)?;
            tool_io::write_if_changed(&output, crcs.linker_script().as_bytes())?;
            Ok(())
        }
        Command::Check {
            symvers,
            against,
            built,
        } => {
            let path = symvers;
            let found = read(&path)?;
            let exporters = Exporters::new(&found, &path);
            let mut faults = found.zero_crcs();
            if let Some(path) = against {
                faults.extend(found.differences(&read(&path)?));
            }
            let mut lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
            for path in &built {
                let elf = files.elf(path)?;
                let (_, mut faults) = check_exports(&elf, &exporters.name(path, &elf), &found);
                if elf.is_relocatable() {
                    faults.extend(check_uses(&elf, &found).1);
                }
                lines.extend(tool_io::located(path, &faults));
            }
            tool_io::no_faults(&lines)
        }
    }
}

fn read(path: &Path) -> Result<Symvers, Failure> {
    let text = tool_io::read_text(path)?;
    Symvers::parse(&text)
        .map_err(|error| Failure::cannot_run(format!("{}: {error}", path.display())))
}

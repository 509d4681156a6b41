// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command line of mod-dedup.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mod_dedup::ModFile;
use tool_io::{Failure, Files};

const EXAMPLES: &str = "\
Examples:
  mod-dedup -o fs/ext4/ext4.mod -- fs/ext4/balloc.o fs/ext4/bitmap.o
  mod-dedup -o fs/ext4/ext4.mod --undefined fs/ext4/ext4.o \\
      -- fs/ext4/balloc.o fs/ext4/bitmap.o
  mod-dedup check fs/ext4/ext4.mod --object fs/ext4/ext4.o
  mod-dedup check fs/ext4/ext4.mod --line-per-part

Exit codes: 0 done, 1 a fault in the file or the object, 2 could not run.";

/// Writes a module's .mod file: its parts, and each symbol that it needs once.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    /// The output file; `-` is standard output.
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Option<PathBuf>,
    /// List the symbols that this object needs, as `CONFIG_TRIM_UNUSED_KSYMS` asks for.
    #[arg(long, value_name = "MODULE.o")]
    undefined: Option<PathBuf>,
    /// The objects that the module is made of, written as given; `@FILE` is a file with more of them.
    #[arg(last = true, required = true, value_name = "PART.o")]
    parts: Vec<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Check that a .mod file is complete and names no symbol twice.
    Check {
        /// The file to check.
        file: PathBuf,
        /// Also check that it names exactly the symbols that this object needs.
        #[arg(long, value_name = "MODULE.o")]
        object: Option<PathBuf>,
        /// The file is of Linux 5.19 or later: a line per object, and no symbols.
        #[arg(long, conflicts_with = "object")]
        line_per_part: bool,
    },
}

fn main() -> ExitCode {
    tool_io::exit("mod-dedup", run())
}

fn run() -> Result<(), Failure> {
    let arguments = Arguments::parse_from(tool_io::arguments()?);
    let files = Files::new();
    if let Some(Command::Check {
        file,
        object,
        line_per_part,
    }) = arguments.command
    {
        let object = object.map(|path| files.object(&path)).transpose()?;
        let text = tool_io::read_text(&file)?;
        let faults = if line_per_part {
            mod_dedup::check_parts(&text)
        } else {
            mod_dedup::check(&text, object.as_ref()).map_err(Failure::fault)?
        };
        return tool_io::no_faults(&tool_io::located(&file, &faults));
    }
    let module = arguments.undefined.map(|path| files.object(&path));
    let mod_file = ModFile::new(arguments.parts, module.transpose()?.as_ref());
    let text = mod_file.map_err(Failure::fault)?.text();
    let output = arguments.output.unwrap_or_else(|| "-".into());
    tool_io::write_atomic(&output, text.as_bytes())?;
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command `section-merge`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use object_model::Elf;
use section_merge::{ObjectFault, Reference, check_kernel, check_module, mismatches};
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
  section-merge check fs/ext4/ext4.ko \\
      --against ../build-without-lto/fs/ext4/ext4.ko
  section-merge check vmlinux.o --linked vmlinux

Exit codes: 0 all as it should be, 1 a fault was found, 2 could not run.";

#[derive(Subcommand)]
enum Command {
    /// Check that no split section is left, that no special section is lost, and that nothing that
    /// stays in memory refers to init code or data
    Check {
        /// A module, or the vmlinux.o of a kernel, in which sections may be split
        object: PathBuf,
        /// The same module, built without LTO
        #[arg(long, conflicts_with = "linked")]
        against: Option<PathBuf>,
        /// The kernel that was linked from this vmlinux.o
        #[arg(long, value_name = "VMLINUX")]
        linked: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    tool_io::exit("section-merge", run())
}

fn run() -> Result<(), Failure> {
    let Command::Check {
        object: path,
        against,
        linked,
    } = Cli::parse_from(tool_io::arguments()?).command;
    let files = Files::new();
    let object = files.elf(&path)?;
    if !object.is_relocatable() {
        return tool_io::no_faults(&tool_io::located(&path, &[ObjectFault::Linked]));
    }
    let mut faults = Vec::new();
    if let Some(path) = linked {
        let fault = check_kernel(&files.elf(&path)?, &object);
        faults.extend(tool_io::located(
            &path,
            &fault.into_iter().collect::<Vec<_>>(),
        ));
    } else if is_module(&object) {
        let reference = match against {
            Some(path) => Some(Reference::of(&files.elf(&path)?)),
            None => None,
        };
        let found = check_module(&object, reference.as_ref());
        faults.extend(tool_io::located(&path, &found));
    }
    let found = mismatches(&object).map_err(|error| cannot_read(&path, &error))?;
    if found.n_references == 0 && !is_module(&object) {
        faults.extend(tool_io::located(&path, &[ObjectFault::NoReferences]));
    }
    faults.extend(tool_io::located(&path, &found.faults));
    tool_io::no_faults(&faults)
}

/// Returns whether it is a module: only vmlinux.o has tables of initcalls.
fn is_module(object: &Elf) -> bool {
    let mut sections = object.sections().iter();
    !sections.any(|section| section.name.starts_with(".initcall"))
}

fn cannot_read(path: &Path, error: &object_model::ReadError) -> Failure {
    Failure::cannot_run(format!("{}: {error}", path.display()))
}

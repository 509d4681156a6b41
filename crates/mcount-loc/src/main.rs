// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command line of mcount-loc.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use mcount_loc::{Error, Fault, check, plan, rewrite};
use object_model::{Faults, InputError};
use tool_io::{Failure, Files};

const EXAMPLES: &str = "\
Examples:
  mcount-loc vmlinux.o
  mcount-loc fs/ext4/ext4.o fs/fat/fat.o
  mcount-loc --check vmlinux vmlinux.o @modules.list

An object that has its table already, or that calls nothing at the entry of its functions, keeps
its bytes and its time stamp. Another one keeps its mode, and a link to it stays a link.

Exit codes: 0 done, 1 a fault in an object, 2 could not run.";

/// Appends the table of calls that the function tracer patches to relocatable objects.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Write nothing; check that each object's table has exactly its entry calls, and that each record
    /// of a linked kernel is right.
    #[arg(long)]
    check: bool,
    /// Objects of native code; `@FILE` is a file with more of them.
    #[arg(required = true, value_name = "OBJECT")]
    objects: Vec<PathBuf>,
}

fn main() -> ExitCode {
    tool_io::exit("mcount-loc", run())
}

fn run() -> Result<(), Failure> {
    let arguments = Arguments::parse_from(tool_io::arguments()?);
    let mut faults = Vec::new();
    let mut unread = Vec::new();
    for path in &arguments.objects {
        match run_on(path, arguments.check) {
            Ok(found) => faults.extend(tool_io::located(path, &found)),
            Err(failure) => unread.push(failure),
        }
    }
    tool_io::no_faults_in_read(&faults, &unread)
}

/// Writes the table of one object, or only checks it. Returns the faults of the object.
fn run_on(path: &Path, is_check: bool) -> Result<Vec<Fault>, Failure> {
    let files = Files::new();
    let input = |error| InputError {
        name: path.display().to_string(),
        error,
    };
    let elf = files.elf(path)?;
    let outcome = if is_check {
        check(&elf).and_then(|(_, faults)| Ok(Faults::check(None, faults)?))
    } else {
        let bytes = files.bytes(path).map_err(|error| input(error.into()))?;
        plan(&elf).and_then(|records| records.map(|plan| rewrite(bytes, &plan)).transpose())
    };
    match outcome {
        Ok(Some(content)) => tool_io::rewrite_atomic(path, &content)?,
        Ok(None) => {}
        Err(Error::Faults(found)) => return Ok(found.into_iter().collect()),
        Err(Error::Read(error)) => return Err(input(error).into()),
        Err(error) => {
            let error = format!("{}: {error}", path.display());
            return Err(Failure::cannot_run(error));
        }
    }
    Ok(Vec::new())
}

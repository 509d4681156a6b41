// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command line of running-kernel.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tool_io::Failure;

const EXAMPLES: &str = "\
Examples:
  sudo running-kernel
  sudo running-kernel > page.md
  running-kernel --root saved    # files that were copied from another machine

Exit codes: 0 done, 2 could not run.";

/// Prints a page about the running kernel, to paste into a report. Read it before you send it.
///
/// Without root, the kernel hides addresses, and often its messages. For the initcalls, boot with
/// `initcall_debug` and a large log: `log_buf_len=4M`.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// The directory that has proc, sys and dev.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

fn main() -> ExitCode {
    tool_io::exit("running-kernel", run())
}

fn run() -> Result<(), Failure> {
    let Arguments { root } = Arguments::parse_from(tool_io::arguments()?);
    let page = running_kernel::page(&root).map_err(Failure::cannot_run)?;
    tool_io::write_stdout(page.as_bytes())?;
    Ok(())
}

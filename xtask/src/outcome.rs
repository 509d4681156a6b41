// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! How a command ends: done, a fault found, or not able to run.

use anyhow::Context as _;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

pub use kernel_lab::{Failure, Outcome};

/// Prints the error, if there is one, with its causes, and gives the exit code, as every tool does.
pub fn report(outcome: Outcome) -> ExitCode {
    tool_io::exit(
        "xtask",
        outcome.map_err(|failure| match failure {
            Failure::Fault(error) => tool_io::Failure::fault(error),
            Failure::CannotRun(error) => tool_io::Failure::cannot_run(error),
        }),
    )
}

/// Writes a result to standard output. That nobody reads it to its end, as `head` does not, is no
/// failure.
pub fn print(text: &[u8]) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("writing the result")
        }
        _ => Ok(()),
    }
}

/// Writes the result of a command that has changed a tree. That it cannot be written is told, and is no failure:
/// the work is done.
pub fn print_done(text: &[u8]) {
    if let Err(error) = print(text) {
        eprintln!("xtask: the work is done, but not told: {error:#}");
    }
}

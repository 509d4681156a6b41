// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The end of a command: success, a fault, or a failure to run.

use std::process::ExitCode;

pub use kernel_lab::{Failure, Outcome};

/// Prints the error, if there is one, with its causes, and returns the exit code that every tool uses.
pub fn report(outcome: Outcome) -> ExitCode {
    tool_io::exit(
        "xtask",
        outcome.map_err(|failure| match failure {
            Failure::Fault(error) => tool_io::Failure::fault(error),
            Failure::CannotRun(error) => tool_io::Failure::cannot_run(error),
        }),
    )
}

/// Writes a result to standard output. A reader that stops early, such as `head`, is no failure.
pub fn print(text: &[u8]) -> anyhow::Result<()> {
    Ok(tool_io::write_stdout(text)?)
}

/// Writes the result of a command that has changed a tree. A failed write is reported, but does not make the
/// command fail: the work is done.
pub fn print_done(text: &[u8]) {
    if let Err(error) = print(text) {
        eprintln!("xtask: the work is done, but the result could not be printed: {error:#}");
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! How a command ends: done, a fault found, or not able to run.

use std::process::ExitCode;

/// Why a command did not end well.
#[derive(Debug)]
pub enum Failure {
    /// The command did its work and found something wrong (exit code 1).
    Fault(anyhow::Error),
    /// The command could not do its work (exit code 2).
    CannotRun(anyhow::Error),
}

/// What every command's `run` returns.
pub type Outcome = Result<(), Failure>;

/// An error nobody said more about means that the command could not do its work.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::CannotRun(error.into())
    }
}

/// Prints the error, if there is one, with its causes, and gives the exit code.
pub fn report(outcome: Outcome) -> ExitCode {
    let (error, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Fault(error)) => (error, 1),
        Err(Failure::CannotRun(error)) => (error, 2),
    };
    // `{:#}` writes the causes after the message, separated by colons.
    eprintln!("xtask: {error:#}");
    ExitCode::from(code)
}

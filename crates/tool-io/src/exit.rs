// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Ends the run of a tool: error report and exit code.

use std::error::Error;
use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use object_model::{Faults, InputError, WithCauses};

use crate::{ArgumentFileError, ReadTextError, WriteError};

/// The reason why a tool failed.
#[derive(Debug)]
pub enum Failure {
    /// It found a fault in its inputs. Exit code 1.
    Fault(Box<dyn Error + Send + Sync>),
    /// It could not run: an input cannot be read, or an output cannot be written. Exit code 2, as
    /// for wrong arguments.
    CannotRun(Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// Returns a failure because of a fault.
    pub fn fault(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Fault(error.into())
    }

    /// Returns a failure because the tool could not run.
    pub fn cannot_run(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::CannotRun(error.into())
    }

    fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        let (Self::Fault(error) | Self::CannotRun(error)) = self;
        error.as_ref()
    }

    fn code(&self) -> u8 {
        match self {
            Self::Fault(_) => 1,
            Self::CannotRun(_) => 2,
        }
    }
}

impl From<Faults<InputError>> for Failure {
    fn from(error: Faults<InputError>) -> Self {
        Self::cannot_run(error)
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::cannot_run(error)
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::cannot_run(error)
    }
}

impl From<ReadTextError> for Failure {
    fn from(error: ReadTextError) -> Self {
        Self::cannot_run(error)
    }
}

impl From<ArgumentFileError> for Failure {
    fn from(error: ArgumentFileError) -> Self {
        Self::cannot_run(error)
    }
}

/// Ends a check: succeeds if there is no fault, otherwise returns a failure that lists all of them.
///
/// # Errors
/// The `faults`, a line each.
pub fn no_faults<F: Display>(faults: &[F]) -> Result<(), Failure> {
    if faults.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Err(Failure::fault(lines.join("\n")))
}

/// Ends a run over several files like [`no_faults`]. `unread` lists the files that could not be read or
/// written, with the reasons.
///
/// # Errors
/// The `faults` and then `unread`, a line each: a fault (exit code 1), or, if there is any `unread`, a
/// run that was not possible as a whole (exit code 2).
pub fn no_faults_in_read<F: Display>(faults: &[F], unread: &[Failure]) -> Result<(), Failure> {
    if unread.is_empty() {
        return no_faults(faults);
    }
    let faults = faults.iter().map(ToString::to_string);
    let unread = unread
        .iter()
        .map(|failure| WithCauses(failure.error()).to_string());
    let lines: Vec<String> = faults.chain(unread).collect();
    Err(Failure::cannot_run(lines.join("\n")))
}

/// Returns the `faults` as lines, each with its file.
pub fn located<F: Display>(file: &Path, faults: &[F]) -> Vec<String> {
    let line = |fault| format!("{}: {fault}", file.display());
    faults.iter().map(line).collect()
}

/// Returns the exit code of a run: 0 done, 1 a fault was found, 2 it could not run. Writes a failure
/// to standard error as `TOOL: error: MESSAGE: CAUSE`, one line for each fault.
pub fn exit(tool: &str, result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If standard error is closed, nobody can read the message; the exit code is still right.
            let _ = std::io::stderr().write_all(report(tool, &failure).as_bytes());
            ExitCode::from(failure.code())
        }
    }
}

/// Returns the text that [`exit`] writes for `failure`.
fn report(tool: &str, failure: &Failure) -> String {
    let mut report = String::new();
    for line in WithCauses(failure.error()).to_string().lines() {
        report.push_str(tool);
        report.push_str(": error: ");
        report.push_str(line);
        report.push('\n');
    }
    report
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_report_is_one_line_with_its_causes() {
        let failure = Failure::from(WriteError {
            path: PathBuf::from("out.lds"),
            source: io::Error::other("the disk is full"),
        });
        assert_eq!(
            report("tool", &failure),
            "tool: error: out.lds cannot be written: the disk is full\n"
        );
        assert_eq!(failure.code(), 2);
    }

    #[test]
    fn faults_are_a_line_each() {
        let failure = no_faults(&["first", "second"]).unwrap_err();
        assert_eq!(
            report("tool", &failure),
            "tool: error: first\ntool: error: second\n"
        );
        assert_eq!(failure.code(), 1);
        assert!(no_faults::<&str>(&[]).is_ok());
    }

    #[test]
    fn faults_come_before_what_could_not_be_read() {
        let unread = Failure::from(ReadTextError {
            path: PathBuf::from("a"),
            source: io::Error::other("no disk"),
        });
        let failure = no_faults_in_read(&["first"], &[unread]).unwrap_err();
        assert_eq!(
            report("tool", &failure),
            "tool: error: first\ntool: error: a cannot be read: no disk\n"
        );
        assert_eq!(failure.code(), 2);
        assert_eq!(no_faults_in_read(&["first"], &[]).unwrap_err().code(), 1);
        assert!(no_faults_in_read::<&str>(&[], &[]).is_ok());
    }

    #[test]
    fn a_run_without_failure_ends_with_0() {
        assert_eq!(exit("tool", Ok(())), ExitCode::SUCCESS);
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The two kinds of failure: a fault was found, or the work could not be done.

/// The reason of a failure.
#[derive(Debug)]
pub enum Failure {
    /// The work was done, and something is wrong (exit code 1).
    Fault(anyhow::Error),
    /// The work could not be done (exit code 2).
    CannotRun(anyhow::Error),
}

/// The result of work that returns nothing else.
pub type Outcome = Result<(), Failure>;

/// An error without further classification means that the work could not be done.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::CannotRun(error.into())
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Why something did not end well: a fault was found, or the work could not be done.

/// Why something did not end well.
#[derive(Debug)]
pub enum Failure {
    /// The work was done, and something is wrong (exit code 1).
    Fault(anyhow::Error),
    /// The work could not be done (exit code 2).
    CannotRun(anyhow::Error),
}

/// How work ends that has no other result.
pub type Outcome = Result<(), Failure>;

/// An error nobody said more about means that the work could not be done.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::CannotRun(error.into())
    }
}

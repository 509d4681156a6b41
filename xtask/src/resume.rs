// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Arguments of commands that take hours: which finished parts to skip, according to the ledger.

use kernel_lab::ledger::{self, Shard};

/// The options that decide which entries of the ledger are used again.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Resume {
    /// Skip tests or rows that have passed since the sources last changed, according to
    /// tests/ledger.toml. For tests, only with --wide.
    #[arg(long = "resume")]
    pub skips_passed: bool,
    /// With --resume: skip those that passed at this commit or later, even if the sources have
    /// changed since.
    #[arg(long, value_name = "COMMIT", requires = "skips_passed")]
    pub since: Option<String>,
    /// Run only the i-th of n parts with equally many tests or rows, as in 2/4. For tests, only with
    /// --wide.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
}

impl Resume {
    /// Returns the options for the ledger.
    pub fn of_ledger(&self) -> ledger::Resume {
        ledger::Resume {
            skips_passed: self.skips_passed,
            since: self.since.clone(),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Arguments of commands that take hours: what the ledger lets them leave out.

use kernel_lab::ledger::{self, Shard};

/// What of the ledger is used again.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Resume {
    /// Leave out what has passed since the sources last changed, as tests/ledger.toml says.
    #[arg(long = "resume")]
    pub skips_passed: bool,
    /// Skip what has passed at this commit or later, even if the sources have changed since.
    #[arg(long, value_name = "COMMIT", requires = "skips_passed")]
    since: Option<String>,
    /// Run only the i-th of n equal parts, as in 2/4.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
}

impl Resume {
    /// What the ledger is asked.
    pub fn of_ledger(&self) -> ledger::Resume {
        ledger::Resume {
            skips_passed: self.skips_passed,
            since: self.since.clone(),
        }
    }
}

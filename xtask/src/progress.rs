// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a long step shows: a moving line on a terminal, else one line when it starts and one when it ends.

use indicatif::ProgressBar;
use std::io::IsTerminal as _;
use std::time::Duration;
use std::time::Instant;

/// A step that is under way. Everything is written to standard error.
pub struct Step {
    what: String,
    bar: ProgressBar,
    started: Instant,
}

impl Step {
    /// Says that `what` starts.
    pub fn start(what: impl Into<String>) -> Self {
        let what = what.into();
        let bar = ProgressBar::new_spinner();
        if std::io::stderr().is_terminal() {
            bar.set_message(what.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
        } else {
            eprintln!("{what} ...");
        }
        Self {
            what,
            bar,
            started: Instant::now(),
        }
    }

    /// Shows how far the step is; only a terminal gets to see it.
    pub fn at(&self, detail: &str) {
        let seconds = self.started.elapsed().as_secs();
        self.bar
            .set_message(format!("{} ({seconds} s): {detail}", self.what));
    }

    /// Says that the step is done, and how.
    pub fn done(self, result: &str) {
        self.bar.finish_and_clear();
        let seconds = self.started.elapsed().as_secs_f64();
        eprintln!("{}: {result} ({seconds:.1} s)", self.what);
    }
}

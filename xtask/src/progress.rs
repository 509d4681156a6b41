// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Shows long steps: a moving line on a terminal, else a line at the start and a line at the end.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use kernel_lab::progress::{Listener, Running};

/// Shows the lab's progress on standard error.
pub struct Shown;

impl Listener for Shown {
    fn start(&self, what: &str) -> Box<dyn Running> {
        let bar = ProgressBar::new_spinner();
        if std::io::stderr().is_terminal() {
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
        } else {
            eprintln!("{what} ...");
        }
        Box::new(Step {
            what: what.to_owned(),
            bar,
            started: Instant::now(),
        })
    }

    fn note(&self, text: &str) {
        eprintln!("{text}");
    }
}

/// A running step.
struct Step {
    what: String,
    bar: ProgressBar,
    started: Instant,
}

impl Running for Step {
    /// Shows progress on terminals only.
    fn at(&self, detail: &str) {
        let seconds = self.started.elapsed().as_secs();
        self.bar
            .set_message(format!("{} ({seconds} s): {detail}", self.what));
    }

    fn finish(self: Box<Self>, result: &str) {
        self.bar.finish_and_clear();
        let seconds = self.started.elapsed().as_secs_f64();
        eprintln!("{}: {result} ({seconds:.1} s)", self.what);
    }
}

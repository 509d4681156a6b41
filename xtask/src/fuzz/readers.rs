// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask fuzz --minutes N`: arbitrary bytes for every reader.

use std::time::Duration;

use kernel_lab::table;
use kernel_tests::readers::{TARGETS, Tried, attack};

use crate::outcome::{Failure, Outcome, print};

/// The readers to attack, and for how long.
#[derive(clap::Args)]
pub struct Readers {
    /// The time for all targets together.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// A target; may be given several times [default: all].
    #[arg(long, value_name = "NAME", value_parser = TARGETS)]
    target: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Readers) -> Outcome {
    let asked = |target: &&'static str| {
        args.target.is_empty() || args.target.iter().any(|name| name == target)
    };
    let targets: Vec<&'static str> = TARGETS.into_iter().filter(|target| asked(target)).collect();
    let tried = attack(&targets, Duration::from_secs(args.minutes * 60))?;
    print(format!("{}\n", table::of(tried.iter().map(cells))).as_bytes())?;
    let failed: Vec<String> = tried.iter().filter_map(Tried::told).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Fault(anyhow::anyhow!(failed.join("\n"))))
}

fn cells(tried: &Tried) -> [String; 4] {
    [
        tried.target.to_owned(),
        format!("{} inputs", tried.executions),
        format!("{} of {} edges", tried.coverage, tried.edges),
        if tried.failure.is_some() {
            "FAILED"
        } else {
            "ok"
        }
        .to_owned(),
    ]
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `lto-link explain`: explains the messages in the log of a build.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use lto_link::causes_in_log;
use tool_io::Failure;

/// The log.
#[derive(Args)]
pub struct ExplainArgs {
    /// The log
    #[arg(default_value = "/dev/stdin")]
    log: PathBuf,
    /// The object whose code was generated, for messages that name none
    #[arg(long)]
    object: Option<String>,
    /// The exit code of the program that wrote the log
    #[arg(long, value_name = "CODE")]
    status: Option<i32>,
}

/// Prints the explanations.
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let ExplainArgs {
        log,
        object,
        status,
    } = args;
    let name = log.display();
    let log = fs::read(log).map_err(|error| Failure::cannot_run(format!("{name}: {error}")))?;
    let log = String::from_utf8_lossy(&log);
    let causes = causes_in_log(&log, object.as_deref(), *status);
    if causes.is_empty() {
        return Err(Failure::fault(format!(
            "{name}: has no message that lto-link can explain"
        )));
    }
    let text = causes.iter().map(|cause| format!("{cause}\n"));
    Ok(tool_io::write_stdout(text.collect::<String>().as_bytes())?)
}

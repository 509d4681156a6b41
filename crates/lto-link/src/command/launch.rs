// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `lto-link launch` and `launched`: code generation by another program, and where it was done.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use lto_link::{DEFAULT_CACHE_LIMIT, LaunchOptions, Slots, launch, launched_line};
use tool_io::Failure;

use crate::command::environment::{cache_limit, variable};

/// The time that a launcher has for one code generation, in seconds.
const TIMEOUT: u64 = 300;

/// The command of one code generation. The environment says how it is launched.
#[derive(Args)]
pub struct LaunchArgs {
    /// The compiler and its arguments, as make runs it
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// The record of a build.
#[derive(Args)]
pub struct LaunchedArgs {
    /// The record
    #[arg(default_value = ".lto-launched")]
    record: PathBuf,
}

/// Generates code, and ends the process with the exit code of the compiler.
pub fn run(args: LaunchArgs) -> Result<(), Failure> {
    // This comes first: see Slots::of_make.
    let slots = Slots::of_make(variable("LTO_SLOT").map(PathBuf::from));
    let LaunchArgs { command } = args;
    let text = |name| variable(name).map(|value| value.to_string_lossy().into_owned());
    let timeout = text("LTO_LAUNCHER_TIMEOUT").map(|seconds| seconds.parse());
    let timeout = timeout.transpose().map_err(|error| {
        Failure::cannot_run(format!(
            "LTO_LAUNCHER_TIMEOUT: {error}; it is a number of seconds"
        ))
    })?;
    let options = LaunchOptions {
        launcher: text("LTO_LAUNCHER").unwrap_or_default(),
        command,
        timeout: Duration::from_secs(timeout.unwrap_or(TIMEOUT)),
        record: variable("LTO_LAUNCHED").map(PathBuf::from),
        trexe: text("LTO_TREXE").unwrap_or_else(|| "trexe".to_owned()),
        cache_limit: cache_limit()?.unwrap_or(DEFAULT_CACHE_LIMIT),
    };
    let launched = launch(&options, &slots).map_err(Failure::cannot_run)?;
    // If nobody reads the messages, the code is right nevertheless.
    let _ = std::io::stderr().write_all(&launched.said);
    if launched.code == 0 {
        return Ok(());
    }
    // make's rule tells the exit codes of the compiler apart, as without a launcher.
    std::process::exit(launched.code);
}

/// Prints the line for the end of a build.
pub fn print(args: &LaunchedArgs) -> Result<(), Failure> {
    let LaunchedArgs { record } = args;
    // Without code generation there is no record.
    let text = if Path::new(record).exists() {
        tool_io::read_text(record)?
    } else {
        String::new()
    };
    Ok(tool_io::write_stdout(launched_line(&text).as_bytes())?)
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel selftest`: runs the kernel's own tests in a guest, probes the code that
//! finds functions at run time, and compares the outcomes with another build.

use std::path::PathBuf;
use std::time::Duration;

use kernel_lab::Arch;
use kernel_lab::selftest::{Options, selftest};

use crate::outcome::{Outcome, print};
use crate::values::{self, Format};

/// Run the kernel's own tests in QEMU, and compare them with another build
///
/// Loads every module that is a test, traces and probes functions by their names, prints the stacks
/// of all tasks, calls the vDSO, and triggers lkdtm's crashes. A panic or an oops that no test
/// provokes is a fault (exit code 1); with --against, so is a test whose outcome differs.
/// Some tests fail on purpose: only the comparison counts.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kernel selftest --arch arm64 --objtree /build/thin
  cargo xtask kernel selftest --arch x86_64 --objtree /build/thin \\
      --against /build/none")]
pub struct Args {
    /// The architecture of the kernel.
    #[arg(long, value_parser = values::arch())]
    arch: Arch,
    /// The object tree, with the kernel image and the modules.
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// The object tree of the kernel to compare with: the same one, built without LTO.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// The format of the result.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The number of seconds after which a guest that has not ended is a fault. There are several guests.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// The directory for the consoles; those of --against are written to `against` in it [default:
    /// the object trees].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// A static busybox of the guest's architecture [default: from Debian's package busybox-static,
    /// kept in target/guest of this repository].
    #[arg(long, value_name = "FILE")]
    busybox: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        arch,
        objtree,
        against,
        format,
        timeout,
        output,
        busybox,
    } = args;
    let report = selftest(Options {
        arch: *arch,
        objtree,
        against: against.as_deref(),
        output: output.as_deref(),
        busybox: busybox.as_deref(),
        timeout: Duration::from_secs(*timeout),
    })?;
    let text = match format {
        Format::Json => serde_json::to_string_pretty(&report)?,
        Format::Text => report.table(against.is_some()),
    };
    print(format!("{text}\n").as_bytes())?;
    report.judge(objtree)
}

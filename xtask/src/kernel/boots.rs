// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel boot`: boots a kernel in QEMU, loads every module, and checks the console.

use std::path::PathBuf;
use std::time::Duration;

use kernel_lab::Arch;
use kernel_lab::boot::{Options, TIME, boot};

use crate::outcome::{Outcome, print};
use crate::values::{self, Format};

/// Boot a built kernel in QEMU, load every module, and power off
///
/// Modules are loaded after the modules whose exports they use, and after their soft dependencies.
/// The kernel's own tests are left to `kernel selftest`. Panics, oopses, warnings of the kernel,
/// modules that do not load and a guest that does not end are faults (exit code 1). The console is
/// kept in boot.log.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kernel boot --arch arm64 --objtree /build/thin
  cargo xtask kernel boot --arch arm64 --objtree /build/thin \\
      --format json --timeout 60")]
pub struct Args {
    /// The architecture of the kernel.
    #[arg(long, value_parser = values::arch())]
    arch: Arch,
    /// The object tree, with the kernel image and the modules.
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// The format of the result.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The number of seconds after which a guest that has not ended is a fault.
    #[arg(long, value_name = "SECONDS", default_value_t = TIME.as_secs())]
    timeout: u64,
    /// The directory for boot.log and the initramfs [default: the object tree].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    let Args {
        arch,
        objtree,
        format,
        timeout,
        output,
    } = args;
    let output = output.as_deref().unwrap_or(&objtree);
    let timeout = Duration::from_secs(timeout);
    let report = boot(Options {
        arch,
        objtree: &objtree,
        output,
        timeout,
    })?;
    let text = match format {
        Format::Json => serde_json::to_string_pretty(&report)?,
        Format::Text => format!(
            "{} of {} modules loaded, {} faults",
            report.loaded(),
            report.modules.len(),
            report.faults.len()
        ),
    };
    print(format!("{text}\n").as_bytes())?;
    report.outcome(output)
}

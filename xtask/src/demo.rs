// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask demo`: builds a kernel with LTO from scratch, boots it, and compares it with the
//! same kernel without.

use std::path::PathBuf;

use kernel_bench::{gains, guided};
use kernel_lab::config::{Lto, Profile};
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, table, workspace};
use lto_lab::Lab;

use crate::outcome::{Failure, Outcome, print};
use crate::values;

/// Build a kernel with LTO and without, and compare them
///
/// Installs missing system packages, fetches the source of linux 5.10, installs all plugins into it,
/// builds it with LTO and without, boots both, loads every module, and compares them. The table begins with the
/// gains: size, executed instructions, and the cost of a rebuild; the checks follow. Kernels from an earlier run
/// are used again.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
#[command(after_help = "Examples:
  cargo xtask demo
  cargo xtask demo --trim
  cargo xtask demo --lto thin
  cargo xtask demo --profile-guided
  cargo xtask demo --tree ~/linux-5.10 --lto full --drop --profile wide

The last line is `demo: ok` (exit code 0) or `demo: FAILED: <what>` (exit code 1).")]
pub struct Args {
    /// An existing kernel tree [default: fetched].
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// The kind of link time optimization [default: thin-dist with --drop].
    #[arg(long, value_parser = values::lto())]
    lto: Option<Lto>,
    /// The directory for the kernel and its builds [default: target/demo of this repository].
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// The architecture of the kernel.
    #[arg(long, value_parser = values::arch(), default_value = "arm64")]
    arch: Arch,
    /// The profile of the kernel.
    #[arg(long, value_parser = values::profile(), default_value = "ci")]
    profile: Profile,
    /// Drop unreferenced definitions, and fail if the kernel is not smaller than without LTO.
    #[arg(long)]
    drop: bool,
    /// Trim exports that no module uses, also in the kernel without LTO.
    #[arg(long)]
    trim: bool,
    /// Use the options for smaller code, too: less is inlined, equal functions are merged, repeated sequences of
    /// instructions become functions on arm64, and functions have a smaller alignment on 64-bit x86.
    #[arg(long)]
    smaller: bool,
    /// Build the kernel by a profile of the training set, and compare it with the same kernel without the profile
    /// and without LTO: size, and executed instructions of trained and untrained work.
    #[arg(long, conflicts_with = "no_measure")]
    profile_guided: bool,
    /// Measure neither executed instructions nor a rebuild; this saves minutes.
    #[arg(long)]
    no_measure: bool,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    no_install: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let outcome = demonstrate(args);
    match &outcome {
        Ok(()) => print(b"demo: ok\n")?,
        Err(Failure::Fault(error)) => {
            let what = format!("{error:#}");
            let what = what.lines().next().unwrap_or_default();
            print(format!("demo: FAILED: {what}\n").as_bytes())?;
        }
        Err(Failure::CannotRun(_)) => {}
    }
    outcome
}

fn demonstrate(args: &Args) -> Outcome {
    let workdir = args.workdir.clone();
    let workdir = workdir.unwrap_or_else(|| workspace::root().join("target/demo"));
    let lab = Lab::new(workdir)
        .with_tree(args.tree.clone())
        .installing_packages(!args.no_install);
    let (lto, drops) = shown(args.lto, args.drop);
    let variant = Variant {
        drops,
        trims: args.trim,
        smaller: args.smaller,
        ..Variant::new(args.arch, args.profile, lto)
    };
    if args.profile_guided {
        let guided = guided::demonstrate(&lab, variant)?;
        print(format!("{}\n", table::of(guided.cells()?)).as_bytes())?;
        return guided.judge();
    }
    let gains = gains::demonstrate(&lab, variant, !args.no_measure)?;
    print(format!("{}\n", table::of(gains.cells())).as_bytes())?;
    gains.judge()
}

/// Returns the kind of LTO, and whether the kernel drops; by default distributed thin LTO that drops.
fn shown(lto: Option<Lto>, drops: bool) -> (Lto, bool) {
    lto.map_or((Lto::ThinDist, true), |lto| (lto, drops))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unless_a_kind_of_lto_is_named_the_kernel_drops() {
        assert_eq!(shown(None, false), (Lto::ThinDist, true));
        assert_eq!(shown(Some(Lto::Thin), false), (Lto::Thin, false));
        assert_eq!(shown(Some(Lto::ThinDist), false), (Lto::ThinDist, false));
        assert_eq!(shown(Some(Lto::Full), true), (Lto::Full, true));
    }
}

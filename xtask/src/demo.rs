// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask demo`: builds a kernel with LTO from nothing, boots it, and compares it with the
//! same kernel without.

use std::path::{Path, PathBuf};

use kernel_bench::gains;
use kernel_lab::config::{Lto, Profile};
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, fetch, setup, table, workspace};

use crate::outcome::{Failure, Outcome, print};
use crate::values;

pub use kernel_lab::KERNEL;

/// Gives a real kernel LTO, and shows the gain over the same kernel without LTO.
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
  cargo xtask demo --tree ~/linux-5.10 --lto full --drop --profile wide

The last line is `demo: ok` (exit code 0) or `demo: FAILED: <what>` (exit code 1).")]
pub struct Args {
    /// An existing kernel tree [default: fetched by package name].
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
    /// Drop unreferenced definitions; the kernel must get smaller than without LTO.
    #[arg(long)]
    drop: bool,
    /// Trim exports that no module uses, also in the kernel without LTO.
    #[arg(long)]
    trim: bool,
    /// Use the options for smaller code, too: less is inlined, equal functions are merged, repeated sequences of
    /// instructions become functions on arm64, and functions have a smaller alignment on 64-bit x86.
    #[arg(long)]
    smaller: bool,
    /// Measure neither executed instructions nor a rebuild, which saves minutes.
    #[arg(long)]
    no_measure: bool,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    no_install: bool,
}

/// The options of a demo.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// A kernel tree; fetched if it is `None`.
    pub tree: Option<&'a Path>,
    /// The kernel to build.
    pub variant: Variant,
    /// The directory for the kernel and its builds.
    pub workdir: &'a Path,
    /// Whether to install missing system packages.
    pub install: bool,
    /// Whether to measure executed instructions and a rebuild too, which takes minutes.
    pub measures: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        tree,
        lto,
        workdir,
        arch,
        profile,
        drop,
        trim,
        smaller,
        no_measure,
        no_install,
    } = args;
    let workdir = workdir
        .clone()
        .unwrap_or_else(|| workspace::root().join("target/demo"));
    let (lto, drops) = shown(*lto, *drop);
    let outcome = demonstrate(&Options {
        tree: tree.as_deref(),
        variant: Variant {
            drops,
            trims: *trim,
            smaller: *smaller,
            ..Variant::new(*arch, *profile, lto)
        },
        workdir: &workdir,
        install: !no_install,
        measures: !no_measure,
    });
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

/// Returns the kind of LTO, and whether the kernel drops; by default distributed thin LTO that drops.
fn shown(lto: Option<Lto>, drops: bool) -> (Lto, bool) {
    lto.map_or((Lto::ThinDist, true), |lto| (lto, drops))
}

/// Runs all steps and prints the table: gains first, checks last.
///
/// # Errors
/// A step cannot run. A failed build, or a finding of a check, is a fault.
pub fn demonstrate(options: &Options<'_>) -> Outcome {
    let Options {
        tree,
        variant,
        workdir,
        install,
        measures,
    } = *options;
    if (variant.drops || variant.smaller) && variant.lto == Lto::None {
        return Err(anyhow::anyhow!(
            "without LTO nothing is dropped or made smaller; choose one with --lto"
        )
        .into());
    }
    let tree = prepare(tree, workdir, variant.arch, install)?;
    let gains = gains::compare(&tree, workdir, variant, measures)?;
    print(format!("{}\n", table::of(gains.cells())).as_bytes())?;
    gains.judge()
}

/// Returns a kernel tree with all plugins: `tree`, or one that is fetched into `workdir`. With
/// `install`, installs missing system packages for `arch`.
///
/// # Errors
/// A package or the tree cannot be fetched, or the plugins cannot be installed into the tree.
pub fn prepare(
    tree: Option<&Path>,
    workdir: &Path,
    arch: Arch,
    install: bool,
) -> anyhow::Result<PathBuf> {
    setup::ensure(setup::Options { arch, install })?;
    let tree = match tree {
        Some(tree) => tree.to_owned(),
        None => fetch::fetch(fetch::Options {
            version: KERNEL,
            package_version: None,
            into: &workdir.join("trees"),
        })?,
    };
    installer::install(&installer::Options::new(&tree, &[]))?;
    Ok(tree)
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

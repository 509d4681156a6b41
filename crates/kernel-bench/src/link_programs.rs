// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs generated programs through every way of lto-link, for `fuzz links`.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use kernel_lab::progress::Step;
use kernel_lab::{Arch, build, llvm, setup};
use link_lab::{FuzzOptions, Lab, Summary, Tools, fuzz};

/// Returns the same architecture, as link-lab knows it.
pub const fn arch_of(arch: Arch) -> link_lab::Arch {
    match arch {
        Arch::X86_64 => link_lab::Arch::X86_64,
        Arch::Arm64 => link_lab::Arch::Arm64,
    }
}

/// Tries programs with `lto_link`, or with that of this repository, which is built. Returns the result and
/// the CPU time of all processes.
///
/// # Errors
/// A tool is missing.
pub fn run(
    lto_link: Option<&PathBuf>,
    options: &FuzzOptions,
) -> anyhow::Result<(Summary, Duration)> {
    setup::ensure_user_mode_emulation()?;
    let lab = Lab::new(Tools {
        llvm: Some(llvm::bin_dir()?),
        lto_link: match lto_link {
            Some(path) => {
                std::fs::canonicalize(path).with_context(|| path.display().to_string())?
            }
            None => installer::built_tool("lto-link")?,
        },
    })?;
    let Range { start, end } = options.seeds;
    let step = Step::start(format!("programs {start}..{end}"));
    let tried = AtomicU64::new(0);
    let before = build::children_seconds()?;
    let summary = fuzz(&lab, options, |seeds| {
        let n_seeds = seeds.end - seeds.start;
        let tried = tried.fetch_add(n_seeds, Ordering::Relaxed) + n_seeds;
        let last = seeds.end - 1;
        step.at(&format!("{tried} programs, the last has seed {last}"));
    });
    step.finish(&format!("{} programs", tried.load(Ordering::Relaxed)));
    let cpu = Duration::from_secs_f64(build::children_seconds()? - before);
    Ok((summary, cpu))
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The kernels that `cargo xtask bench` builds or reads.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_bench::kernels::{Kept, Kernels};
use kernel_lab::config::Profile;
use kernel_lab::{Arch, Failure, build, process, workspace};
use lto_lab::Lab;
use xshell::cmd;

use crate::outcome::{Outcome, print};
use crate::values;

/// The kernels to build, and their directories.
#[derive(clap::Args)]
pub struct KernelArgs {
    /// The profile of the kernel.
    #[arg(long, value_parser = values::profile(), default_value = "wide")]
    profile: Profile,
    /// The architecture of the kernel.
    #[arg(long, value_parser = values::arch(), default_value = "arm64")]
    arch: Arch,
    /// The directory in which the kernels are built [default: target/bench of this repository].
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// The directory for the result [default: docs/results of this repository].
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    no_install: bool,
}

impl KernelArgs {
    /// Measures these kernels, and prints the result.
    pub fn measure(&self, measure: impl FnOnce(&Kernels<'_>) -> Result<Kept, Failure>) -> Outcome {
        let workdir = self
            .workdir
            .clone()
            .unwrap_or_else(|| workspace::root().join("target/bench"));
        let kept = measure(&Kernels {
            lab: &Lab::new(workdir).installing_packages(!self.no_install),
            arch: self.arch,
            profile: self.profile,
            results: &results_dir(self.results.as_deref()),
            build: &build_apart,
        })?;
        shown(&kept)
    }
}

/// A built kernel.
#[derive(clap::Args)]
pub struct Built {
    /// The object tree of a built kernel; `initcalls` and `checks` take one from a tree with its own LTO.
    pub objtree: PathBuf,
    /// The directory for the result [default: docs/results of this repository].
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
}

impl Built {
    /// Measures this kernel, and prints the result.
    pub fn measure(&self, measure: fn(&Path, &Path) -> Result<Kept, Failure>) -> Outcome {
        let results = results_dir(self.results.as_deref());
        shown(&measure(&self.objtree, &results)?)
    }
}

/// Returns the directory for results.
pub fn results_dir(results: Option<&Path>) -> PathBuf {
    results.map_or_else(|| workspace::root().join("docs/results"), Path::to_owned)
}

/// Prints a measurement that was kept.
pub fn shown(kept: &Kept) -> Outcome {
    let Kept { table, page } = kept;
    let text = format!("{table}\nwritten to {}\n", page.display());
    Ok(print(text.as_bytes())?)
}

/// Builds a configured kernel in a separate process, which has no other children whose memory counts.
fn build_apart(options: build::Options<'_>) -> anyhow::Result<build::Usage> {
    let build::Options {
        tree,
        arch,
        objtree,
        target,
        ..
    } = options;
    let program = std::env::current_exe().context("this program")?;
    let sh = process::shell()?;
    let arch = arch.name();
    eprintln!("building {}", objtree.display());
    process::read(cmd!(
        sh,
        "{program} kernel build --arch {arch} --target {target} --tree {tree} --objtree {objtree}"
    ))?;
    build::read_usage(objtree)
}

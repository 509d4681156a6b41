// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The old spelling of the commands of `cargo xtask bench`, as options. It works for one more release.

use std::path::{Path, PathBuf};

use kernel_bench::kernels::{checks_of, initcalls};

use super::kernels::{Built, KernelArgs};
use crate::outcome::Outcome;

/// The measurement, if it is not the cost of the plugins in a clean build.
#[derive(clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "options of the command line, of which one is given"
)]
pub struct Old {
    #[arg(long, hide = true, requires = "drops")]
    trim: bool,
    #[arg(long, hide = true, requires = "rebuilds")]
    kernel: Option<String>,
    #[arg(long, hide = true, requires = "rebuilds")]
    built: bool,
    #[arg(long, hide = true, group = "old")]
    rebuilds: bool,
    #[arg(long, hide = true, groups = ["old", "drops"])]
    dropping: bool,
    #[arg(long, hide = true, groups = ["old", "drops"])]
    levers: bool,
    #[arg(long, hide = true, group = "old")]
    inlining: bool,
    #[arg(long, hide = true, group = "old", conflicts_with_all = ["profile", "arch", "workdir"])]
    initcalls: Option<PathBuf>,
    #[arg(long, hide = true, group = "old", conflicts_with_all = ["profile", "arch", "workdir"])]
    checks: Option<PathBuf>,
}

impl Old {
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself has one lifetime, and the argument must take every lifetime"
    )]
    pub fn run(&self, kernels: &KernelArgs) -> Outcome {
        let Self {
            trim,
            kernel,
            built,
            rebuilds,
            dropping,
            levers,
            inlining,
            initcalls: initcalls_tree,
            checks: checks_tree,
        } = self;
        let of = |objtree: &Path| Built {
            objtree: objtree.to_owned(),
            results: kernels.results.clone(),
        };
        if let Some(objtree) = initcalls_tree {
            renamed("initcalls");
            of(objtree).measure(initcalls)
        } else if let Some(objtree) = checks_tree {
            renamed("checks");
            of(objtree).measure(checks_of)
        } else if *rebuilds {
            renamed("rebuilds");
            kernels.measure(|kernels| kernels.rebuilds(kernel.as_deref(), *built))
        } else if *dropping {
            renamed("dropping");
            kernels.measure(|kernels| kernels.dropping(*trim, &[]))
        } else if *levers {
            renamed("levers");
            kernels.measure(|kernels| kernels.levers(*trim))
        } else if *inlining {
            renamed("inlining");
            kernels.measure(|kernels| kernels.inlining())
        } else {
            kernels.measure(|kernels| kernels.plugins())
        }
    }
}

/// Prints the new spelling of a command.
fn renamed(command: &str) {
    eprintln!("`cargo xtask bench --{command}` is now `cargo xtask bench {command}`");
}

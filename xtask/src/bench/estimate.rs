// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask bench estimate`: fits the model of `lto-link estimate`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use installer::built_tool;
use kernel_bench::estimate::links::Links;
use kernel_bench::estimate::measure::{Kernel, measure};
use kernel_bench::estimate::{fit_model, links_path};

use super::kernels::{results_dir, shown};
use crate::outcome::Outcome;

/// Fit the model of `lto-link estimate` to measured links, and show its errors
///
/// Writes the page estimate.md and the coefficients in lto-link's sources. Each kernel is estimated by the other
/// kernels only. With --measure, links a built kernel again, in each mode, and adds it to the measured links.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench estimate
  cargo xtask bench estimate --measure /build/thin --name '5.10 arm64 ci' --share 6")]
pub struct Args {
    /// The object tree of a built kernel with LTO. It is only read.
    #[arg(long, value_name = "OBJTREE", requires = "name")]
    measure: Option<PathBuf>,
    /// The name of the kernel, for the page.
    #[arg(long)]
    name: Option<String>,
    /// Link only the objects of every N-th directory.
    #[arg(long, value_name = "N", default_value = "1")]
    share: NonZeroUsize,
    /// The number of jobs [default: the number of CPUs].
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// The directory for the page [default: docs/results of this repository].
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// Measures a kernel, if one is named, and fits the model.
pub fn run(args: &Args) -> Outcome {
    let Args {
        measure: objtree,
        name,
        share,
        jobs,
        results,
    } = args;
    if let Some(objtree) = objtree {
        let path = links_path();
        let links = Links::read(&path)?;
        let measured = measure(Kernel {
            objtree: &objtree.canonicalize()?,
            name: name.as_deref().unwrap_or_default(),
            share: share.get(),
            jobs: jobs.unwrap_or_else(tool_io::cpus).get(),
            lto_link: &built_tool("lto-link")?,
        })?;
        links.replace(&path, measured)?;
    }
    shown(&fit_model(&results_dir(results.as_deref()))?)
}

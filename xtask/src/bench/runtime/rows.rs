// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The commands of `cargo xtask bench runtime` for the results pages.

use std::path::PathBuf;
use std::time::Duration;

use kernel_bench::runtime_rows;
use kernel_lab::runtime::{TIME, write_page};
use kernel_lab::{Arch, KERNEL, workspace};
use lto_lab::Lab;

use crate::outcome::{Outcome, print};
use crate::resume::Resume;
use crate::values;

/// A command for the rows of a results page.
#[derive(Clone, clap::Subcommand)]
pub enum Command {
    /// Build and measure a row of the results page, and write the page
    #[command(after_help = "Examples:
  cargo xtask bench runtime row thin-dist-drop --arch arm64
  cargo xtask bench runtime row none --arch x86_64 --objtree /build/none

docs/results/runtime-arm64-5.10.md has the names of all rows.")]
    Row {
        /// The name of the row.
        #[arg(value_name = "NAME")]
        name: String,
        /// The object tree of a finished build of this row: measures it, and builds nothing.
        #[arg(long, value_name = "DIR")]
        objtree: Option<PathBuf>,
        #[command(flatten)]
        building: Building,
        #[command(flatten)]
        resume: Resume,
    },
    /// Build and measure all rows of the results page, and write the page after each
    #[command(after_help = "Examples:
  cargo xtask bench runtime rows --arch arm64
  cargo xtask bench runtime rows --arch arm64 --resume --shard 1/4")]
    Rows {
        #[command(flatten)]
        building: Building,
        #[command(flatten)]
        resume: Resume,
    },
    /// Only write the results page, from the stored rows
    #[command(after_help = "Example:
  cargo xtask bench runtime page --arch arm64")]
    Page {
        /// The architecture of the kernels.
        #[arg(long, value_parser = values::arch())]
        arch: Arch,
        /// The version of the kernels.
        #[arg(long, value_name = "VERSION", value_parser = values::measured_version(), default_value = KERNEL)]
        kernel: &'static str,
    },
}

/// How the kernels of rows are built and measured.
#[derive(Clone, clap::Args)]
pub struct Building {
    /// The architecture of the kernels.
    #[arg(long, value_parser = values::arch())]
    pub arch: Arch,
    /// The version of the kernels.
    #[arg(long, value_name = "VERSION", value_parser = values::measured_version(), default_value = KERNEL)]
    pub kernel: &'static str,
    /// The directory in which the kernels are built [default: target/bench of this repository].
    #[arg(long, value_name = "DIR")]
    pub workdir: Option<PathBuf>,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    pub no_install: bool,
    /// The time limit of a guest in seconds; there is one guest for each set.
    #[arg(long, value_name = "SECONDS", default_value_t = TIME)]
    pub timeout: u64,
}

impl Command {
    /// Runs the command.
    pub fn run(&self) -> Outcome {
        match self {
            Self::Row {
                name,
                objtree,
                building,
                resume,
            } => building.measure(Some(name), objtree.as_ref(), resume),
            Self::Rows { building, resume } => building.measure(None, None, resume),
            Self::Page { arch, kernel } => {
                let page = write_page(kernel, *arch, &workspace::root().join("docs/results"))?;
                Ok(print(
                    format!("written to {}\n", page.display()).as_bytes(),
                )?)
            }
        }
    }
}

impl Building {
    /// Builds and measures a row, or all, and writes the results page after each.
    fn measure(&self, name: Option<&str>, objtree: Option<&PathBuf>, resume: &Resume) -> Outcome {
        let root = workspace::root();
        let workdir = self.workdir.clone();
        let workdir = workdir.unwrap_or_else(|| root.join("target/bench"));
        runtime_rows::measure(&runtime_rows::Options {
            lab: &Lab::new(workdir).installing_packages(!self.no_install),
            version: self.kernel,
            arch: self.arch,
            name,
            objtree: objtree.map(PathBuf::as_path),
            results: &root.join("docs/results"),
            timeout: Duration::from_secs(self.timeout),
            resume: &resume.of_ledger(),
            shard: resume.shard,
        })
    }
}

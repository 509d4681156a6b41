// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The commands of `cargo xtask bench`.

use kernel_bench::kernels::{checks_of, initcalls, scaling};
use kernel_lab::config::Lto;

use super::kernels::{Built, KernelArgs};
use super::{estimate, runtime};
use crate::outcome::Outcome;
use crate::values;

/// A measurement.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Measure the cost of rebuilds
    ///
    /// Builds the kernel without LTO, with distributed thin LTO and with thin LTO, and each again after
    /// small changes. Of a kernel with its own LTO, the distributed modes are built: the kernel's own, if it
    /// has one, and that of lto-link without dropping and with.
    #[command(after_help = "Examples:
  cargo xtask bench rebuilds --arch arm64 --profile ci
  cargo xtask bench rebuilds --arch x86_64 --profile ci --kernel 7.3")]
    Rebuilds {
        #[command(flatten)]
        kernels: KernelArgs,
        /// The version of the kernel: one with its own LTO is built unchanged and with lto-link
        /// [default: 5.10].
        #[arg(long, value_name = "VERSION")]
        kernel: Option<String>,
        /// Measure only the changes, on the builds of an earlier run.
        #[arg(long)]
        built: bool,
    },
    /// Measure the cost and gain of dropping unreferenced definitions
    ///
    /// Builds the kernel without LTO and with each kind of LTO, with and without dropping.
    #[command(after_help = "Examples:
  cargo xtask bench dropping --arch arm64 --profile wide
  cargo xtask bench dropping --profile ci --trim --lto thin-dist")]
    Dropping {
        #[command(flatten)]
        kernels: KernelArgs,
        /// The kinds of LTO: thin, thin-dist or full, separated by commas [default: all].
        #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = values::lto())]
        lto: Vec<Lto>,
        /// Trim unused exports in all kernels.
        #[arg(long)]
        trim: bool,
    },
    /// Measure the gain of the options for smaller code, on top of dropping; boots each kernel
    #[command(after_help = "Examples:
  cargo xtask bench levers --arch x86_64 --profile wide
  cargo xtask bench levers --profile ci --trim")]
    Levers {
        #[command(flatten)]
        kernels: KernelArgs,
        /// Trim unused exports in all kernels.
        #[arg(long)]
        trim: bool,
    },
    /// Measure the size of the kernel with full LTO and several inlining limits
    #[command(after_help = "Example:
  cargo xtask bench inlining --arch arm64 --profile ci")]
    Inlining {
        #[command(flatten)]
        kernels: KernelArgs,
    },
    /// Compare initcall-order with the Perl script of a tree with its own LTO
    #[command(after_help = "Example:
  cargo xtask bench initcalls /build/6.12-thin --results /tmp")]
    Initcalls {
        #[command(flatten)]
        built: Built,
    },
    /// Measure the cost of verify, and of the checks that single plugins add to a build with its own LTO
    #[command(after_help = "Example:
  cargo xtask bench checks /build/6.12-thin --results /tmp")]
    Checks {
        #[command(flatten)]
        built: Built,
    },
    Estimate(estimate::Args),
    /// Measure each code generation of a kernel with distributed thin LTO, and simulate farms of several sizes
    ///
    /// Generates the code once more, one object after the other, and links vmlinux again.
    #[command(after_help = "Example:
  cargo xtask bench scaling /build/thin-dist --results /tmp")]
    Scaling {
        #[command(flatten)]
        built: Built,
    },
    Runtime(Box<runtime::Args>),
}

impl Command {
    /// Runs it.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself has one lifetime, and the argument must take every lifetime"
    )]
    pub fn run(&self) -> Outcome {
        match self {
            Self::Estimate(args) => estimate::run(args),
            Self::Runtime(args) => runtime::run(args),
            Self::Rebuilds {
                kernels,
                kernel,
                built,
            } => kernels.measure(|kernels| kernels.rebuilds(kernel.as_deref(), *built)),
            Self::Dropping { kernels, lto, trim } => {
                kernels.measure(|kernels| kernels.dropping(*trim, lto))
            }
            Self::Levers { kernels, trim } => kernels.measure(|kernels| kernels.levers(*trim)),
            Self::Inlining { kernels } => kernels.measure(|kernels| kernels.inlining()),
            Self::Initcalls { built } => built.measure(initcalls),
            Self::Checks { built } => built.measure(checks_of),
            Self::Scaling { built } => built.measure(scaling),
        }
    }
}

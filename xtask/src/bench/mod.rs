// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask bench`: measures the cost of the plugins, as ratios to the steps that they replace.

mod kernels;
mod old;
pub mod runtime;

use kernel_bench::kernels::{checks_of, initcalls};

use self::kernels::{Built, KernelArgs};
use self::old::Old;
use crate::outcome::Outcome;

/// Measure the cost of the plugins, and write docs/results/
///
/// Each result is a ratio within one run. Without a command, builds the same kernel from scratch without
/// LTO and with thin LTO; each command measures something else. Run nothing else on the machine meanwhile.
/// The commands' old spelling as options, such as --rebuilds, still works.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  cargo xtask bench
  cargo xtask bench --profile ci --results /tmp
  cargo xtask bench rebuilds
  cargo xtask bench rebuilds --arch x86_64 --profile ci --kernel 7.3
  cargo xtask bench dropping --trim
  cargo xtask bench levers --trim --profile ci
  cargo xtask bench inlining --profile ci
  cargo xtask bench initcalls /build/6.12-thin
  cargo xtask bench checks /build/6.12-thin")]
pub struct Args {
    #[command(flatten)]
    kernels: KernelArgs,
    #[command(flatten)]
    old: Old,
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(clap::Subcommand)]
enum Sub {
    /// Measure the cost of rebuilds
    ///
    /// Builds the kernel without LTO, with distributed thin LTO and with thin LTO, and each again after
    /// small changes.
    #[command(after_help = "Examples:
  cargo xtask bench rebuilds --arch arm64 --profile ci
  cargo xtask bench rebuilds --arch arm64 --profile ci --built
  cargo xtask bench rebuilds --arch x86_64 --profile ci --kernel 7.3")]
    Rebuilds {
        #[command(flatten)]
        kernels: KernelArgs,
        /// The version of the kernel: one with its own distributed thin LTO is built unchanged and
        /// with lto-link [default: 5.10].
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
  cargo xtask bench dropping --profile ci --trim")]
    Dropping {
        #[command(flatten)]
        kernels: KernelArgs,
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
    Runtime(runtime::Args),
}

/// Runs the command.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method itself has one lifetime, and the argument must take every lifetime"
)]
pub fn run(args: &Args) -> Outcome {
    let Some(command) = &args.command else {
        return args.old.run(&args.kernels);
    };
    match command {
        Sub::Runtime(args) => runtime::run(args),
        Sub::Rebuilds {
            kernels,
            kernel,
            built,
        } => kernels.measure(|kernels| kernels.rebuilds(kernel.as_deref(), *built)),
        Sub::Dropping { kernels, trim } => kernels.measure(|kernels| kernels.dropping(*trim)),
        Sub::Levers { kernels, trim } => kernels.measure(|kernels| kernels.levers(*trim)),
        Sub::Inlining { kernels } => kernels.measure(|kernels| kernels.inlining()),
        Sub::Initcalls { built } => built.measure(initcalls),
        Sub::Checks { built } => built.measure(checks_of),
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Measures costs and gains of LTO and of the plugins, all in one run, and returns tables.
//!
//! **Invariant:** this crate composes kernel-lab, lto-lab, kernel-checks and size-report. It prints nothing.
#![warn(missing_docs)]

pub mod checks;
pub mod dropping;
pub mod estimate;
pub mod gains;
pub mod guided;
pub mod initcall_script;
pub mod kernels;
pub mod link_programs;
pub mod page;
pub mod plugins;
pub mod profile;
pub mod rebuilds;
pub mod runtime_rows;
pub mod scaling;

use kernel_lab::build::{Options, Usage};

/// Builds a kernel in a process without other children whose memory counts, and returns the cost.
pub type BuildApart<'a> = &'a dyn Fn(Options<'_>) -> anyhow::Result<Usage>;

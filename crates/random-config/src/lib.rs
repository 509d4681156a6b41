// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Random configurations of a kernel: each is built without LTO and with, and every difference is named.
//!
//! 1. [`configuration`](configuration::configuration): a configuration of bounded size by the tree's own `make randconfig`;
//! 2. [`try_kernels`]: build, boot and verify without LTO and with; whose fault each failure is;
//! 3. [`series::run`]: many of them, with a ledger, results and a page;
//! 4. [`shrunk::shrink`]: a failing configuration with only the options that matter.
//!
//! **Invariant:** this crate knows configurations and what their kernels did. It prints nothing, and leaves building,
//! booting and checking to kernel-lab and kernel-checks.
#![warn(missing_docs)]

mod base;
pub mod category;
pub mod configuration;
mod depends;
mod kernels;
pub mod known;
pub mod lab;
pub mod minimize;
mod page;
pub mod results;
pub mod series;
pub mod shrunk;
mod steps;
#[cfg(test)]
mod tests;

pub use base::Base;
pub use kernels::try_kernels;
pub use page::page;
pub use steps::{Booted, Built, Steps};

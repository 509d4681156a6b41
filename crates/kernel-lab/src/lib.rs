// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Fetches, configures, builds, boots and tests kernels, and counts the instructions of their work.
//!
//! The steps take minutes; [`progress::listen`] reports their progress.
//!
//! **Invariant:** this crate runs make, compilers, QEMU and the tools of Debian's packages. It prints
//! nothing, knows no plugin, and does not change a kernel tree.
#![warn(missing_docs)]

pub mod apt;
pub mod arch;
pub mod boot;
pub mod build;
pub mod busybox;
pub mod config;
pub mod disk_space;
mod failure;
pub mod fetch;
pub mod files;
pub mod guest;
mod guest_memory;
pub mod kconfig;
pub mod ledger;
pub mod llvm;
mod make;
pub mod mode;
pub mod modules;
pub mod packages;
pub mod process;
pub mod progress;
pub mod qemu;
pub mod runtime;
pub mod selftest;
pub mod setup;
pub mod table;
pub mod variant;
pub mod workspace;

pub use arch::Arch;
pub use failure::{Failure, Outcome};
pub use guest_memory::Piece;
pub use make::{make, path_with};

/// The version of the default kernel, which has no LTO in its own tree.
pub const KERNEL: &str = "5.10";

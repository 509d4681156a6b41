// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The tests that build kernels, the steps of `cargo xtask test`, and helpers for tests over several crates.
#![warn(missing_docs)]

pub mod imports;
pub mod kernels;
pub mod object_differential;
pub mod readers;
pub mod steps;
pub mod suite;

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Links small programs with `ld.lld -r` and in every mode of lto-link, runs the resulting programs, and
//! compares their output.
//!
//! A [`Case`] is a folder of sources and a file `case.toml`; [`Lab::judge`] returns the ways of
//! linking that change its meaning. The programs have no C library, so they are small and links are fast.
//! Programs of another architecture run in QEMU's user mode.
//!
//! **Invariant:** this crate knows sources, commands, and what programs print. It knows nothing of
//! how lto-link does its work, and no kernel.
#![warn(missing_docs)]

mod arch;
mod bench;
mod case;
mod codegen;
mod counts;
mod emit;
mod emulator;
mod error;
mod feature;
mod fuzz;
mod generate;
mod lab;
mod program;
mod random;
mod results;
mod shrink;
mod together;
mod toolbox;
mod verdict;
mod way;

pub use arch::Arch;
pub use case::{Archive, Case, Count, Form, Input, Spec};
pub use error::LabError;
pub use feature::Feature;
pub use fuzz::{Found, FuzzOptions, Summary, fuzz};
pub use lab::Lab;
pub use program::Program;
pub use results::{add_row, seeds};
pub use toolbox::Tools;
pub use verdict::{Difference, Seen, Verdict};
pub use way::{Lto, Way};

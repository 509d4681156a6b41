// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Links small programs by `ld.lld -r` and in every way of lto-link, makes programs of the results,
//! runs them, and compares what they print.
//!
//! A [`Case`] is a folder of sources and a file `case.toml`; [`Lab::judge`] says in which ways of
//! linking it means something else. The programs have no C library: they are small, links are fast, and
//! those of another architecture run in QEMU's user mode.
//!
//! **Invariant:** this crate knows sources, commands, and what programs print. It knows nothing of how
//! lto-link does its work, and no kernel.
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
pub use generate::GENERATOR_VERSION;
pub use lab::Lab;
pub use program::Program;
pub use toolbox::Tools;
pub use verdict::{Difference, Seen, Verdict};
pub use way::{Lto, Way};

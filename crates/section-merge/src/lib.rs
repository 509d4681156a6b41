// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Merges the sections that LTO splits, in modules and in vmlinux, and checks the result.
//!
//! LTO gives every function and object a separate section, `.text.<name>` or `.data.<name>`. The linker
//! scripts that this plugin edits merge them. This crate checks that they did, and that special sections
//! (two dots: `.data..percpu`, `.data..once`; the thunks of retpolines) were left alone. It also finds references from code or data
//! that stay in memory to code or data that is freed; modpost, which goes by the names of sections, misses
//! them when sections are split.
//!
//! **Invariant:** knows sections and symbols of one ELF file; its caller gives it those of a build
//! without LTO.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod check;
mod mismatch;
mod names;
mod thunks;

pub use check::{
    Fault, KernelFault, ObjectFault, OnceFault, Reference, check_kernel, check_module, check_once,
};
pub use mismatch::{Mismatch, Mismatches, is_freed, is_staying_code, mismatches};
pub use thunks::{ThunkFault, check_thunks};

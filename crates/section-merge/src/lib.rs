// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The sections that LTO splits, merged again in modules and in vmlinux.
//!
//! LTO gives every function and object a section of its own, `.text.<name>`, `.data.<name>`. The
//! linker scripts that this plugin edits put them back together; here is the check that they did,
//! and that sections with a meaning of their own (two dots: `.data..percpu`, `.data..once`) were
//! left alone; and that for modpost, which goes by the names of sections, the splitting hid no
//! reference from what stays in memory to what is freed.
//!
//! **Invariant:** knows sections and symbols of one ELF file. What a build without LTO has, the
//! caller says.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod check;
mod mismatch;
mod names;

pub use check::{
    Fault, KernelFault, ObjectFault, OnceFault, Reference, check_kernel, check_module, check_once,
};
pub use mismatch::{Mismatch, Mismatches, is_freed, is_staying_code, mismatches};

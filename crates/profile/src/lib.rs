// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Makes a profile for clang of the counters of a kernel.
//!
//! A kernel that was compiled with `-fprofile-generate` counts how often it executes each part of its code.
//! The counters are in its memory, in section `__llvm_prf_cnts`; what each of them counts is described in
//! `__llvm_prf_data` and `__llvm_prf_names`, which do not change and are read from vmlinux. In a program, the
//! compiler's run time writes all three into a file (`.profraw`) when it ends. A kernel has no such run time
//! and no file; so somebody reads the counters out of its memory, and this crate writes the file. The plugin's own
//! run time (`kconfig/profile/lto_profile.c`) writes such files for modules, and in debugfs for all.
//!
//! [`CountingKernel`] says where a kernel has its counters, [`Raw`] is a file with what was read there, and
//! [`collect()`] makes a `.profraw` of both. [`Profraw`] reads what a kernel has written itself. [`merge()`] makes a profile of such files with LLVM's own program.
//! [`functions()`] reads a profile, [`show()`] sums it up; [`layout()`] and [`inlined()`] say what the compiler made of it.
//!
//! **Invariant:** knows the counters of one linked kernel, and what was read from its memory; of a kernel
//! no more than its build ID and the symbols around the counters. It runs llvm-profdata, and knows no
//! other plugin.
//!
//! Sources: `InstrProfData.inc`, which LLVM installs with the headers of its profiling run time (fields of the
//! header and of the records; versions), and the manual of llvm-profdata.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod collect;
mod counts;
mod error;
mod kernel;
mod layout;
mod merge;
mod profraw;
mod raw;
mod show;

pub use collect::{Collected, collect};
pub use counts::{Counted, TextError, functions, text_of};
pub use error::{Error, MergeError, ProfrawError, RawError};
pub use kernel::{CountingKernel, Memory};
pub use merge::merge;
pub use profraw::Profraw;
pub use raw::Raw;
pub use show::{Amount, Hot, Inlined, Layout, Shown, inlined, layout, show, text};

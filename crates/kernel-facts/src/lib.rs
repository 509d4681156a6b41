// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Facts about the sources of a kernel: whether a directory has them, their version, and whether
//! their build knows LTO. Also the names of files that kbuild leaves.
//!
//! A tree is asked for files and texts ([`Facts`]), never whether its version is new enough, because
//! vendor trees take parts from later versions.
//!
//! **Invariant:** this crate reads sources of a kernel, and knows no plugin and no install. It writes
//! nothing.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod error;
mod facts;
mod files;
mod kbuild;
mod known_lto;
mod version;

pub use error::Error;
pub use facts::{Facts, Sources};
pub use files::{contains, exists, read_if_there};
pub use kbuild::command_file;
pub use known_lto::KnownLto;
pub use version::KernelVersion;

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Installs plugins into kernel trees: plans, builds the tools, writes, and explains. Makes releases.
//!
//! [`kernel_lab::progress`] reports long steps, and the remains of an interrupted command.
//!
//! **Invariant:** this crate composes kernel-tree, plugin-table and cargo. It prints nothing: it returns texts.
//! kernel-tree decides how a tree is changed.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod dist;
mod explain;
mod install;
mod llvm;
mod offers;
mod recipients;
mod series;
mod status;
mod tools;
mod uninstall;

#[cfg(test)]
mod sample;

pub use dist::{HOST, dist};
pub use explain::{complete, different, installed_text, shown};
pub use install::{Installed, Options, install, previewed};
pub use llvm::check_llvm;
pub use offers::{explanation, offered};
pub use plugin_table::names as plugin_names;
pub use series::{Patches, SeriesOptions, author_of, write_series};
pub use status::{Found, found, recover, status_text, version_text};
pub use tools::built_tool;
pub use uninstall::{given_back, uninstall, uninstall_by_text};

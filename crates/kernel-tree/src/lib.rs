// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Puts plugins into Linux kernel trees and takes them out again.
//!
//! Data flows one way:
//!
//! 1. [`Tree`] reads: facts about the tree as it was before any install.
//! 2. [`Table`] and [`Selection`] resolve the plugins, their order and their glue. A tree
//!    whose own build knows LTO is offered single plugins ([`Offer`]), with glue for such trees.
//! 3. [`Plan`] plans: every file's text after the install, in memory. All faults are collected.
//! 4. [`install()`] and [`uninstall`] write, under a journal that the next command finishes.
//!
//! **Invariant:** this crate knows no plugin, no object file and no compiler, and prints nothing.
//! It asks a tree for facts (`has`, `contains`), never whether its version is new enough.

#![warn(missing_docs)]

mod anchor;
mod changes;
mod diff;
mod disk;
mod edits;
mod error;
mod install;
mod journal;
mod manifest;
mod native;
mod plan;
mod plugin;
mod series;
mod status;
mod tree;

#[cfg(test)]
mod sample;

pub use anchor::{Mismatch, Nearest};
pub use edits::{Condition, Edits, EditsError};
pub use error::{Error, Refusal, Result};
pub use install::{Preview, Report, check_install, install, preview, recover, uninstall};
pub use journal::Recovery;
pub use native::{KnownLto, Offer};
pub use plan::{CreatedFile, EditedFile, Note, Plan, Tool};
pub use plugin::{GenerateResult, Generated, GlueFile, Plugin, Selection, Table};
pub use series::{Author, Patch, series};
pub use status::{Installed, Status, status};
pub use tree::{KernelVersion, Tree};

/// The directory of the kernel tree for new files.
pub const LTO_DIR: &str = "scripts/lto";
/// The directory of the tools.
pub const BIN_DIR: &str = "scripts/lto/bin";
/// The file with the version of the installed tools.
pub const VERSION_FILE: &str = "scripts/lto/VERSION";

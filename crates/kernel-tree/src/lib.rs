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
mod attributes;
mod changes;
mod condition;
mod description;
mod diff;
mod disk;
mod edits;
mod error;
mod hash;
mod hook_file;
mod install;
mod journal;
mod manifest;
mod merge;
mod mismatch;
mod offer;
mod on_change;
mod paths;
mod plan;
mod plugin;
mod series;
mod status;
mod table;
mod taken_out;
mod time_stamp;
mod tree;
mod unrecorded;

#[cfg(test)]
mod sample;

pub use kernel_facts::{KernelVersion, KnownLto};

pub use description::{EditsError, MailedPart};
pub use error::{Error, Refusal, Result};
pub use install::{
    Preview, Report, check_install, check_uninstall, install, preview, recover, uninstall,
    uninstall_by_text,
};
pub use journal::Recovery;
pub use mismatch::{Mismatch, Nearest};
pub use offer::{Offer, Withheld};
pub use on_change::OnChange;
pub use plan::{CreatedFile, EditedFile, Note, Plan, Tool};
pub use plugin::{Folder, Generate, GenerateResult, Generated, GlueFile, Plugin};
pub use series::{
    Author, Division, MaintainedTrees, Patch, Prose, Recipients, Series, is_of_series, series,
};
pub use status::{Installed, Status, status};
pub use table::{Selection, Table};
pub use tree::Tree;
pub use unrecorded::Unrecorded;

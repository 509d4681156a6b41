// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Commands of the tool, a file each.

pub mod actions;
pub mod assembly_names;
pub mod cache;
pub mod check;
pub mod environment;
pub mod estimate;
pub mod explain;
pub mod exports;
pub mod launch;
mod recorded;
pub mod why;

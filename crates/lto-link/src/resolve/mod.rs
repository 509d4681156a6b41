// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Second phase: decides which objects are linked, which definitions count, and which of them are roots.

pub(crate) mod assembly;
pub(crate) mod explain;
pub(crate) mod exports;
pub(crate) mod kept;
pub(crate) mod reach;
pub(crate) mod reason;
pub(crate) mod resolution;
pub(crate) mod resolved;
pub(crate) mod root_files;
pub(crate) mod roots;
mod unseen;

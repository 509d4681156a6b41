// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks of objects, of linked files, and of the toolchain.

pub(crate) mod definitions;
pub(crate) mod included;
pub(crate) mod kallsyms;
pub(crate) mod kallsyms_table;
pub(crate) mod named;
pub(crate) mod names;
pub(crate) mod toolchain;

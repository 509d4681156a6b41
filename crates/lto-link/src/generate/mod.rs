// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Fourth phase: native code of the bitcode.

pub(crate) mod code;
pub(crate) mod codegen_flags;
mod codegen_list;
pub(crate) mod distributed;
mod dropping;
pub(crate) mod folders;
pub(crate) mod link_files;
pub(crate) mod lld_cache;
pub(crate) mod references;
pub(crate) mod root_lists;

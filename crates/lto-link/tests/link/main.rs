// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Links by `lto-link` with ld.lld, of objects that clang makes in the test.

mod actions;
mod built;
mod cache;
mod capture;
mod code_cache;
mod codegen;
mod conflicts;
mod distributed;
mod estimate;
mod exports;
mod failures;
mod internalize;
mod jobs;
mod launch;
mod left_files;
mod logs;
mod messages;
mod module;
mod names;
mod places;
mod resolution;
mod soundness;
mod support;
mod toolchain;
mod vmlinux;

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Sections of modules and kernels that clang and ld.lld make in the test, with the patterns of
//! this plugin and with others.

mod mismatch;
mod module;
mod once;
mod support;
mod thunks;

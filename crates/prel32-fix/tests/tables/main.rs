// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tables of relative references in kernels and objects that clang and ld.lld make in the test.

mod command;
mod header;
mod linked;
mod meaning;
mod names;
mod relocatable;
mod support;

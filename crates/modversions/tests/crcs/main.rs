// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Exports and CRCs of objects that clang and ld.lld make in the test.

mod check;
mod collect;
mod exports;
mod support;
mod table;
mod versions;

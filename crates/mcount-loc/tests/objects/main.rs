// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The table of entry calls, over objects that clang and ld.lld make in the test.

mod faults;
mod hostile;
mod left_out;
mod linked;
mod many_sections;
mod sites;
mod support;
mod table;

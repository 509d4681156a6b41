// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The list of disabled objects: read, resolved against trees, read back by make, and compared with
//! objects that clang makes in the test.

mod check;
mod fragment;
mod list;
mod support;

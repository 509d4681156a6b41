// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Any bytes, as a file that a link is given: an object, an archive, and all that is in it.
#![no_main]

#[path = "../../tests/support/read_all.rs"]
mod read_all;

libfuzzer_sys::fuzz_target!(|data: &[u8]| read_all::read_all(data));

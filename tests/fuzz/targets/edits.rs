// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `edits.toml`.
#![no_main]

use std::str;

use kernel_tree::Table;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = str::from_utf8(data) {
        let _ = Table::new(text, Vec::new());
    }
});

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! BTF of both byte orders.
#![no_main]

use libfuzzer_sys::fuzz_target;
use object_model::Btf;

fuzz_target!(|data: &[u8]| {
    for is_big_endian in [false, true] {
        let _ = Btf::parse(data, is_big_endian);
    }
});

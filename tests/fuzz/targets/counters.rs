// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Counters of a kernel: the file of `kernel profile`, and the raw profile of debugfs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use profile::{Profraw, Raw};

fuzz_target!(|data: &[u8]| {
    if let Ok(raw) = Raw::parse(data) {
        let again = raw.to_bytes();
        let again = Raw::parse(&again).expect("what was written");
        assert_eq!(again.counters, raw.counters);
    }
    let _ = (Profraw::is_one(data), Profraw::parse(data).is_ok());
});

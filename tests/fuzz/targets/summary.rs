// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Any records in a module, its block info and its summary, in bitcode whose blocks are sound.
#![no_main]

#[path = "../../../crates/object-model/tests/support/read_all.rs"]
mod read_all;
#[path = "../../../crates/object-model/tests/support/write_bitcode.rs"]
mod write_bitcode;
#[path = "../../../crates/object-model/tests/support/write_summary.rs"]
mod write_summary;

use libfuzzer_sys::fuzz_target;

use write_summary::{BLOCK_INFO, THIN_SUMMARY, file, records};

/// Codes are below 64, and most numbers as small as the numbers of values.
type Records = Vec<(u8, Vec<u8>, Option<u64>)>;

/// The records, behind one that states a version.
fn with_version(code: u64, version: u64, rest: Records) -> Vec<write_summary::Record> {
    let rest = rest.into_iter().map(|(code, numbers, last)| {
        let numbers = numbers.into_iter().map(u64::from).chain(last);
        (u64::from(code % 64), numbers.collect())
    });
    [(code, vec![version])].into_iter().chain(rest).collect()
}

fuzz_target!(|content: (Records, Records, Records, u8)| {
    let (module, info, summary, version) = content;
    let blocks = vec![
        (
            BLOCK_INFO,
            records(&with_version(1, THIN_SUMMARY.into(), info)),
        ),
        (
            THIN_SUMMARY,
            records(&with_version(10, 10 + u64::from(version % 3), summary)),
        ),
    ];
    read_all::read_all(&file(&with_version(1, 2, module), blocks));
});

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Damaged objects: no panic, no endless loop, no wrong table.

use std::sync::OnceLock;

use mcount_loc::{check, plan, rewrite};
use object_model::Elf;
use proptest::prelude::*;
use test_support::TestDir;

use crate::support::{TARGETS, TRACED_SECTIONS, object, run};

/// Objects of every target, with and without table.
fn samples() -> &'static [Vec<u8>] {
    static SAMPLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let dir = TestDir::new();
        let sections = [&TRACED_SECTIONS[..2], &[".exit.text"]].concat();
        let mut samples = Vec::new();
        for target in TARGETS {
            object(&dir, "a.o", target, &sections, &["-ffunction-sections"]);
            samples.push(dir.read("a.o"));
            run(&dir, &["a.o"]);
            samples.push(dir.read("a.o"));
        }
        samples
    })
}

/// Does all that there is to do. What comes of it must be an object that has what it lacked.
fn whole_way(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(elf) = Elf::parse(bytes) else {
        return Ok(());
    };
    let _ = check(&elf);
    let Ok(Some(records)) = plan(&elf) else {
        return Ok(());
    };
    let Ok(output) = rewrite(bytes, &records) else {
        return Ok(());
    };
    let output = Elf::parse(&output);
    prop_assert!(output.is_ok(), "{output:?}");
    let (report, faults) = check(&output.unwrap()).unwrap();
    prop_assert!(faults.is_empty(), "{faults:?}");
    prop_assert_eq!(report.n_calls, records.records().len());
    prop_assert_eq!(report.n_records, report.n_calls);
    Ok(())
}

#[test]
fn samples_go_the_whole_way() {
    for (number, sample) in samples().iter().enumerate() {
        whole_way(sample).unwrap();
        let lacks = plan(&Elf::parse(sample).unwrap()).unwrap();
        assert_eq!(lacks.is_some(), number % 2 == 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_do_no_harm(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..4),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut data = which.get(samples()).clone();
        for (position, bit) in flips {
            let position = position.index(data.len());
            data[position] ^= 1_u8 << bit;
        }
        if let Some(cut) = cut {
            data.truncate(cut.index(data.len()));
        }
        whole_way(&data)?;
    }

    #[test]
    fn damaged_words_do_no_harm(
        which in any::<prop::sample::Index>(),
        words in prop::collection::vec((any::<prop::sample::Index>(), interesting()), 1..4),
    ) {
        let mut data = which.get(samples()).clone();
        for (position, word) in words {
            let position = position.index(data.len() / 4) * 4;
            data[position..position + 4].copy_from_slice(&word);
        }
        whole_way(&data)?;
    }
}

/// Words at the edges of ranges, in both byte orders.
fn interesting() -> impl Strategy<Value = [u8; 4]> {
    let number = prop_oneof![
        Just(0_u32),
        Just(1),
        Just(u32::MAX),
        Just(u32::MAX - 7),
        Just(1 << 31),
        0_u32..4096,
        any::<u32>(),
    ];
    (number, any::<bool>()).prop_map(|(number, big_endian)| {
        if big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    })
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Damaged objects: no panic, no endless loop, no wrong table.

use std::sync::OnceLock;

use mcount_loc::{check, plan, rewrite};
use object_model::Elf;
use proptest::prelude::*;
use test_support::{TestDir, damaged_words, flipped_bits};

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
    fn flipped_bits_do_no_harm(damage in flipped_bits()) {
        whole_way(&damage.of(samples()))?;
    }

    #[test]
    fn damaged_words_do_no_harm(damage in damaged_words()) {
        whole_way(&damage.of(samples()))?;
    }
}

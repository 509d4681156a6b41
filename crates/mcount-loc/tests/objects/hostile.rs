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

/// Plans and rewrites. The result must be an object that lacks nothing.
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

/// Returns the first sample with another value in the header of `section`: `value` of the object,
/// in the field at `offset` of `Elf64_Shdr`.
fn with_header(section: &str, offset: usize, value: impl Fn(&goblin::elf::Elf) -> u64) -> Vec<u8> {
    let mut bytes = samples()[0].clone();
    let (at, width, value) = {
        let elf = goblin::elf::Elf::parse(&bytes).unwrap();
        let index = position(&elf, section);
        let width = if offset == SH_INFO { 4 } else { 8 };
        let header = usize::try_from(elf.header.e_shoff).unwrap() + index * 64;
        (header + offset, width, value(&elf))
    };
    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    bytes
}

const SH_OFFSET: usize = 0x18;
const SH_INFO: usize = 0x2c;

fn position(elf: &goblin::elf::Elf, name: &str) -> usize {
    let mut sections = elf.section_headers.iter();
    let found = sections.position(|header| elf.shdr_strtab.get_at(header.sh_name) == Some(name));
    found.expect(name)
}

fn refusal(bytes: &[u8]) -> String {
    plan(&Elf::parse(bytes).unwrap()).unwrap_err().to_string()
}

/// A call that becomes a no-op in one section would be one in the other, too.
#[test]
fn sections_that_share_bytes_are_refused() {
    let bytes = with_header(".ref.text", SH_OFFSET, |elf| {
        elf.section_headers[position(elf, ".exit.text")].sh_offset
    });
    let refusal = refusal(&bytes);
    let names = refusal.contains(".ref.text") && refusal.contains(".exit.text");
    assert!(names && refusal.contains("share bytes"), "{refusal}");
}

/// The first section after the existing ones will be the table.
#[test]
fn relocations_for_a_section_that_is_not_there_are_refused() {
    let bytes = with_header(".rela.data", SH_INFO, |elf| {
        elf.section_headers.len() as u64
    });
    let refusal = refusal(&bytes);
    assert!(
        refusal.contains(".rela.data has relocations for section"),
        "{refusal}"
    );
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

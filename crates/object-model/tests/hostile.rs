// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Damaged inputs: no truncation, bit flip or random text makes a reader panic or run on, and no
//! truncated object passes for one with fewer symbols.

#[path = "support/read_all.rs"]
mod read_all;
mod support;
#[path = "support/write_bitcode.rs"]
mod write_bitcode;
#[path = "support/write_summary.rs"]
mod write_summary;

use std::ops::Range;
use std::sync::OnceLock;

use object_model::{Archive, Object};
use proptest::prelude::*;
use test_support::{TestDir, damaged_words, flipped_bits};

use read_all::read_all;
use support::SOURCE;
use write_summary::{BLOCK_INFO, Record, THIN_SUMMARY, file, records};

/// Returns one sample of each kind of input.
struct Samples {
    objects: Vec<Vec<u8>>,
    archives: Vec<Vec<u8>>,
}

fn samples() -> &'static Samples {
    static SAMPLES: OnceLock<Samples> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let dir = TestDir::new();
        let mut objects = Vec::new();
        let mut add = |flags: &[&str]| {
            dir.c(
                "a.o",
                SOURCE,
                &[&["-fcommon", "-ffreestanding"], flags].concat(),
            );
            objects.push(dir.read("a.o"));
        };
        for target in test_support::TARGETS {
            add(&[&format!("--target={}", target.triple)]);
        }
        let target = "--target=aarch64-linux-gnu";
        add(&[target, "-Wa,--crel,--allow-experimental-crel"]);
        add(&[target, "-flto=thin"]);
        add(&[target, "-flto=full"]);
        dir.c(
            "b.o",
            "int f(void) { return 1; }",
            &["--target=arm64-apple-macosx12", "-flto"],
        );
        objects.push(dir.read("b.o"));

        dir.c(
            "a_name_longer_than_fifteen.o",
            SOURCE,
            &[target, "-flto=thin"],
        );
        let members = ["a.o", "a_name_longer_than_fifteen.o"];
        let mut archives = Vec::new();
        for operation in [&["cDPrST"][..], &["cr"], &["--format=bsd", "cr"]] {
            let name = format!("{}.a", archives.len());
            let arguments = [operation, &[name.as_str()], &members].concat();
            dir.run("llvm-ar", &arguments);
            archives.push(dir.read(&name));
        }
        Samples { objects, archives }
    })
}

#[test]
fn every_truncation_of_an_object_is_an_error() {
    for sample in &samples().objects {
        assert!(Object::parse(sample).is_ok());
        for length in 0..sample.len() {
            // Bytes after the bitcode within a wrapper are padding.
            let is_padding = sample.starts_with(b"\xde\xc0\x17\x0b") && length + 16 > sample.len();
            let cut = Object::parse(&sample[..length]);
            assert!(
                cut.is_err() || is_padding,
                "{length} of {} bytes",
                sample.len()
            );
        }
    }
}

#[test]
fn every_truncation_of_an_archive_can_be_read_or_is_an_error() {
    for sample in &samples().archives {
        assert!(Archive::parse(sample).is_ok());
        for length in 0..sample.len() {
            read_all(&sample[..length]);
        }
    }
}

/// Records with these codes. Most numbers are as small as the module has values.
fn any_records(codes: Range<u64>) -> impl Strategy<Value = Vec<Record>> {
    let number = prop_oneof![5 => 0_u64..6, 1 => any::<u64>()];
    let record = (codes, prop::collection::vec(number, 0..12));
    prop::collection::vec(record, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8000, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_never_make_a_reader_panic(damage in flipped_bits()) {
        let Samples { objects, archives } = samples();
        let all: Vec<_> = objects.iter().chain(archives).collect();
        read_all(&damage.of(&all));
    }

    #[test]
    fn damaged_words_never_make_a_reader_panic(damage in damaged_words()) {
        read_all(&damage.of(&samples().objects));
    }

    #[test]
    fn random_records_never_make_a_reader_panic(
        mut module in any_records(1..20),
        mut summary in any_records(1..35),
        info in any_records(0..3),
        version in 9_u64..14,
    ) {
        // Without these, nothing that follows would be read.
        module.insert(0, (1, vec![2]));
        summary.insert(0, (10, vec![version]));
        let blocks = vec![(BLOCK_INFO, records(&info)), (THIN_SUMMARY, records(&summary))];
        read_all(&file(&module, blocks));
    }

    #[test]
    fn random_bytes_behind_a_magic_never_make_a_reader_panic(
        magic in prop::sample::select(vec![
            &b"\x7fELF\x01\x01\x01"[..], b"\x7fELF\x02\x01\x01", b"\x7fELF\x02\x02\x01",
            b"BC\xc0\xde", b"\xde\xc0\x17\x0b", b"!<arch>\n", b"!<thin>\n",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut data = magic.to_vec();
        data.extend(rest);
        read_all(&data);
    }
}

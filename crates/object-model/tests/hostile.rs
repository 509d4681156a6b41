// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Damaged inputs: no truncation, bit flip or random text makes a reader panic or run on, and no
//! truncated object passes for one with fewer symbols.

mod support;

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use object_model::{Archive, Loader, Object, link_order};
use proptest::prelude::*;
use support::SOURCE;
use test_support::TestDir;

/// One sample of each kind of input.
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

/// Reads everything that there is to read in `data`, as object and as archive.
fn read_all(data: &[u8]) {
    if let Ok(object) = Object::parse(data) {
        for symbol in object.symbols() {
            let _ = (symbol.is_used(), symbol.section_name);
        }
        if let Some(bitcode) = object.as_bitcode() {
            let _ = bitcode.lto_kind();
        }
        if let Some(elf) = object.as_elf() {
            let map = elf.symbol_map();
            for section in elf.sections() {
                let _ = elf.relocations(section.index);
                let _ = elf.relocations_in(section);
                let _ = elf.read_unsigned(section, section.size.wrapping_sub(4), 4);
                let _ = (
                    map.at(section.index, section.size),
                    map.in_section(section.index),
                );
            }
        }
    }
    let _ = Archive::parse(data);
    let _ = link_order(&Same(data), &["input"]);
}

/// Gives the same bytes for every path: an archive then holds itself, over and over.
struct Same<'data>(&'data [u8]);

impl<'data> Loader<'data> for Same<'data> {
    fn load(&self, _: &Path) -> io::Result<&'data [u8]> {
        Ok(self.0)
    }
}

#[test]
fn every_truncation_of_an_object_is_an_error() {
    for sample in &samples().objects {
        assert!(Object::parse(sample).is_ok());
        for length in 0..sample.len() {
            // What follows the bitcode within a wrapper is padding.
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 8000, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_never_make_a_reader_panic(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let samples = samples();
        let all: Vec<_> = samples.objects.iter().chain(&samples.archives).collect();
        let mut data: Vec<u8> = (*which.get(&all)).clone();
        for (position, bit) in flips {
            let position = position.index(data.len());
            data[position] ^= 1_u8 << bit;
        }
        if let Some(cut) = cut {
            data.truncate(cut.index(data.len()));
        }
        read_all(&data);
    }

    /// Headers decide most; most random flips hit code and strings.
    #[test]
    fn damaged_words_never_make_a_reader_panic(
        which in any::<prop::sample::Index>(),
        words in prop::collection::vec((any::<prop::sample::Index>(), interesting()), 1..4),
    ) {
        let samples = samples();
        let mut data = which.get(&samples.objects).clone();
        for (position, word) in words {
            let position = position.index(data.len() / 4) * 4;
            data[position..position + 4].copy_from_slice(&word);
        }
        read_all(&data);
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

/// Words at the edges of ranges, in both byte orders.
fn interesting() -> impl Strategy<Value = [u8; 4]> {
    let number = prop_oneof![
        Just(0_u32),
        Just(1),
        Just(u32::MAX),
        Just(u32::MAX - 3),
        Just(1 << 31),
        Just(0x7fff_ffff),
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

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Numbers of sections that 16 bits do not hold.

use std::fmt::Write as _;

use goblin::elf::Elf;
use test_support::TestDir;

use crate::support::{run, success};

/// The first number with a special meaning: `SHN_LORESERVE`.
const LIMIT: usize = 0xff00;

/// Makes an object with `n_functions` functions with entry calls, each in a section `.text.f0` and
/// so on, and with `n_others` further sections.
fn object(dir: &TestDir, n_functions: usize, n_others: usize) {
    let mut source = String::new();
    for number in 0..n_functions {
        writeln!(
            source,
            ".section .text.f{number},\"ax\",@progbits\n\
             .globl f{number}\n f{number}: call __fentry__\n ret"
        )
        .unwrap();
    }
    for number in 0..n_others {
        writeln!(source, ".section .data.d{number},\"aw\",@progbits\n.byte 1").unwrap();
    }
    dir.asm("a.o", &source, &["--target=x86_64-linux-gnu"]);
}

fn n_sections(bytes: &[u8]) -> usize {
    Elf::parse(bytes).unwrap().section_headers.len()
}

/// Returns the names of the table's target sections, and checks that every reader finds them.
fn targets(dir: &TestDir) -> Vec<String> {
    let text = dir.run(
        "llvm-readelf",
        &["-rW", "--section-details", "--expand-relocs", "a.o"],
    );
    let (_, table) = text
        .split_once("Relocation section '.rela__mcount_loc'")
        .unwrap();
    let lines = table.lines().skip(2).take_while(|line| !line.is_empty());
    lines
        .map(|line| line.split_whitespace().nth(4).unwrap().to_owned())
        .collect()
}

#[test]
fn the_count_crosses_the_limit() {
    // The last 16-bit count, the first longer one, and a much longer one.
    let dir = TestDir::new();
    object(&dir, 3, 0);
    let overhead = n_sections(&dir.read("a.o"));
    for before in [LIMIT - 3, LIMIT - 2, LIMIT] {
        object(&dir, 3, before - overhead);
        assert_eq!(n_sections(&dir.read("a.o")), before);
        assert_eq!(run(&dir, &["a.o"]), success());
        let bytes = dir.read("a.o");
        let elf = Elf::parse(&bytes).unwrap();
        assert_eq!(elf.section_headers.len(), before + 2);
        let is_long = before + 2 >= LIMIT;
        assert_eq!(elf.header.e_shnum == 0, is_long, "{before}");
        assert_eq!(elf.section_headers[0].sh_size != 0, is_long);
        assert_eq!(targets(&dir), ["f0", "f1", "f2"]);
        assert_eq!(run(&dir, &["--check", "a.o"]), success());
    }
}

/// `vmlinux.o` is like this under LTO.
#[test]
fn seventy_thousand_sections_are_recorded_checked_and_linked() {
    let dir = TestDir::new();
    let n_functions = 35_000;
    object(&dir, n_functions, 0);
    assert!(n_sections(&dir.read("a.o")) > 70_000);
    assert_eq!(run(&dir, &["a.o"]), success());
    let expected: Vec<_> = (0..n_functions)
        .map(|number| format!("f{number}"))
        .collect();
    assert_eq!(targets(&dir), expected);
    assert_eq!(run(&dir, &["--check", "a.o"]), success());
    dir.run("ld.lld", &["-r", "-o", "r.o", "a.o"]);
    assert_eq!(run(&dir, &["--check", "r.o"]), success());
    let bytes = dir.read("r.o");
    let elf = Elf::parse(&bytes).unwrap();
    let table = elf
        .section_headers
        .iter()
        .find(|section| elf.shdr_strtab.get_at(section.sh_name) == Some("__mcount_loc"));
    assert_eq!(table.unwrap().sh_size as usize, n_functions * 8);
}

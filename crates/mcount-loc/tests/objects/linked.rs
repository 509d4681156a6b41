// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Links the results.

use goblin::elf::Elf;
use test_support::TestDir;

use crate::support::{
    ARM, LINKED, TARGETS, TRACED_SECTIONS, Target, X86, lld, object, records, run, success,
};

/// A second object, with the other definition of `weak` and the symbols that the first lacks.
const OTHER: &str = "int callee(int x) { return x; }\n\
                     int before(int x) { return callee(x) + 11; }\n\
                     int weak(int x) { return callee(x) + 12; }\n";

/// Returns the addresses in the table of the linked file, and for each the address that is called there.
fn table(bytes: &[u8], target: Target) -> Vec<(u64, u64)> {
    let elf = Elf::parse(bytes).unwrap();
    let number = |bytes: &[u8]| {
        let bytes = bytes.try_into().unwrap();
        if elf.little_endian {
            u64::from_le_bytes(bytes)
        } else {
            u64::from_be_bytes(bytes)
        }
    };
    let at = |address: u64, size: usize| {
        let mut sections = elf.section_headers.iter();
        let section = sections.find(|section| section.vm_range().contains(&(address as usize)));
        let section = section.unwrap_or_else(|| panic!("nothing at {address:#x}"));
        let start = (section.sh_offset + address - section.sh_addr) as usize;
        &bytes[start..start + size]
    };
    let start = address(&elf, "__start_mcount_loc");
    let end = address(&elf, "__stop_mcount_loc");
    let entry = |place| {
        let record = number(at(place, 8));
        let called = if target.emulation == X86.emulation {
            assert_eq!(at(record, 1), [0xe8]);
            let distance = i32::from_le_bytes(at(record + 1, 4).try_into().unwrap());
            record.wrapping_add_signed(i64::from(distance) + 5)
        } else {
            let instruction = u32::from_le_bytes(at(record, 4).try_into().unwrap());
            assert_eq!(instruction >> 26, 0b10_0101);
            record.wrapping_add_signed(i64::from((instruction << 6).cast_signed() >> 4))
        };
        (record, called)
    };
    (start..end).step_by(8).map(entry).collect()
}

fn address(elf: &Elf, name: &str) -> u64 {
    let mut symbols = elf.syms.iter();
    let symbol = symbols.find(|symbol| elf.strtab.get_at(symbol.st_name) == Some(name));
    symbol.unwrap_or_else(|| panic!("no {name}")).st_value
}

#[test]
fn the_linked_table_holds_the_addresses_of_the_calls() {
    for target in TARGETS {
        let dir = TestDir::new();
        object(
            &dir,
            "a.o",
            target,
            &TRACED_SECTIONS,
            &["-ffunction-sections"],
        );
        let flags = [&["-O2"], target.flags].concat();
        dir.c("b.o", OTHER, &flags);
        let stub = format!(".globl {0}\n{0}: ret\n", target.entry);
        dir.asm("entry.o", &stub, &target.flags[..1]);
        dir.write("lds", LINKED);
        assert_eq!(run(&dir, &["b.o", "a.o", "entry.o"]), success());
        lld(
            &dir,
            target,
            &["-T", "lds", "-o", "linked", "b.o", "a.o", "entry.o"],
        );
        let bytes = dir.read("linked");
        let elf = Elf::parse(&bytes).unwrap();
        let table = table(&bytes, target);
        // The replaced weak function still exists, and still calls.
        assert_eq!(table.len(), 12 + 3);
        let entry = address(&elf, target.entry);
        assert!(
            table.iter().all(|(_, called)| *called == entry),
            "{target:?}"
        );
        let mut records: Vec<_> = table.iter().map(|(record, _)| *record).collect();
        records.sort_unstable();
        records.dedup();
        assert_eq!(records.len(), 15);
        if target.entry == "__fentry__" {
            for function in ["callee", "before", "weak", "plain", "cold", "in_0", "in_7"] {
                assert!(records.contains(&address(&elf, function)), "{function}");
            }
        }
    }
}

#[test]
fn tables_of_several_objects_become_one() {
    for target in TARGETS {
        let dir = TestDir::new();
        object(
            &dir,
            "a.o",
            target,
            &TRACED_SECTIONS,
            &["-ffunction-sections"],
        );
        dir.c("b.o", OTHER, &[&["-O2"], target.flags].concat());
        run(&dir, &["a.o", "b.o"]);
        lld(&dir, target, &["-r", "-o", "r.o", "a.o", "b.o"]);
        assert_eq!(run(&dir, &["--check", "r.o"]), success());
        let bytes = dir.read("r.o");
        assert_eq!(records(&bytes, target).len(), 15);
        assert_eq!(run(&dir, &["r.o"]), success());
        assert_eq!(dir.read("r.o"), bytes);
    }
}

/// As for `vmlinux.o` and modules, there is no code before this link.
#[test]
fn code_of_an_lto_link_is_recorded() {
    for target in TARGETS {
        for lto in ["-flto=thin", "-flto=full"] {
            let dir = TestDir::new();
            let sections = [&TRACED_SECTIONS[..], &[".exit.text"]].concat();
            object(
                &dir,
                "a.o",
                target,
                &sections,
                &[lto, "-ffunction-sections"],
            );
            dir.c("b.o", OTHER, &[&["-O2", lto], target.flags].concat());
            lld(&dir, target, &["-r", "-o", "r.o", "a.o", "b.o"]);
            let parsed = dir.read("r.o");
            let elf = Elf::parse(&parsed).unwrap();
            let names = elf.section_headers.iter().map(|section| section.sh_name);
            let names: Vec<_> = names
                .map(|at| elf.shdr_strtab.get_at(at).unwrap())
                .collect();
            assert!(names.contains(&".text.plain"), "{names:?}");
            for section in sections {
                assert_eq!(names.iter().filter(|name| **name == section).count(), 1);
            }
            assert!(!names.iter().any(|name| name.starts_with(".init.text.")));
            assert_eq!(run(&dir, &["r.o"]), success());
            let recorded = records(&dir.read("r.o"), target);
            // All except the replaced weak function, which LTO drops.
            assert_eq!(recorded.len(), 12 + 3 - 1, "{recorded:?}");
            assert_eq!(run(&dir, &["--check", "r.o"]), success());
        }
    }
}

/// clang writes no section symbol if nothing refers to the section; ld.lld writes one for each
/// section, so weak functions can be recorded.
#[test]
fn the_linker_gives_sections_of_weak_functions_a_symbol() {
    for target in [X86, ARM] {
        let dir = TestDir::new();
        let source = "int g(int); __attribute__((weak)) int w(int x) { return g(x) + 1; }";
        let flags = [
            "-O2",
            "-fno-asynchronous-unwind-tables",
            "-ffunction-sections",
        ];
        dir.c("a.o", source, &[&flags, target.flags].concat());
        lld(&dir, target, &["-r", "-o", "r.o", "a.o"]);
        assert_eq!(run(&dir, &["r.o"]), success());
        assert_eq!(records(&dir.read("r.o"), target).len(), 1);
    }
}

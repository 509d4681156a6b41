// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tests the recorded calls, and the form of the table.

use goblin::elf::Elf;
use goblin::elf::section_header::{SHF_ALLOC, SHT_PROGBITS, SHT_RELA, SHT_SYMTAB};
use object_model::Elf as OurElf;
use test_support::TestDir;

use crate::support::{
    ARM, LEFT_OUT_SECTIONS, Place, TARGETS, TRACED_SECTIONS, X86, entry_calls, modified, object,
    records, run, success,
};

const SORTS: [&[&str]; 4] = [
    &[],
    &["-ffunction-sections"],
    &["-O0", "-g"],
    &[
        "-ffunction-sections",
        "-fno-unique-section-names",
        "-fno-addrsig",
    ],
];

/// Returns function and place of the calls that ftrace may patch, by name of function.
fn expected(dir: &TestDir, name: &str, entry: &str) -> Vec<(String, Place)> {
    let mut calls = entry_calls(dir, name, entry);
    calls.retain(|(_, (section, _))| !LEFT_OUT_SECTIONS.contains(&section.as_str()));
    calls
}

fn sorted(mut places: Vec<Place>) -> Vec<Place> {
    places.sort();
    places
}

#[test]
fn the_table_has_each_traced_function_once() {
    let sections = [&TRACED_SECTIONS[..], &LEFT_OUT_SECTIONS].concat();
    for target in TARGETS {
        for flags in SORTS {
            let dir = TestDir::new();
            object(&dir, "a.o", target, &sections, flags);
            let expected = expected(&dir, "a.o", target.entry);
            let mut functions: Vec<_> = expected.iter().map(|(name, _)| name.clone()).collect();
            functions.sort();
            assert_eq!(
                functions,
                [
                    "cold", "in_0", "in_1", "in_2", "in_3", "in_4", "in_5", "in_6", "in_7",
                    "local", "plain", "weak"
                ]
            );
            assert_eq!(run(&dir, &["a.o"]), success(), "{target:?} {flags:?}");
            let places = expected.into_iter().map(|(_, place)| place).collect();
            let recorded = records(&dir.read("a.o"), target);
            assert_eq!(sorted(recorded), sorted(places), "{target:?} {flags:?}");
            assert_eq!(run(&dir, &["--check", "a.o"]), success());
        }
    }
}

#[test]
fn the_new_sections_are_as_recordmcount_makes_them() {
    for target in TARGETS {
        let dir = TestDir::new();
        object(&dir, "a.o", target, &TRACED_SECTIONS, &[]);
        run(&dir, &["a.o"]);
        let bytes = dir.read("a.o");
        let elf = Elf::parse(&bytes).unwrap();
        let count = elf.section_headers.len();
        let [table, relocations] = &elf.section_headers[count - 2..] else {
            panic!("no sections");
        };
        let name = |at| elf.shdr_strtab.get_at(at).unwrap();
        assert_eq!(name(table.sh_name), "__mcount_loc");
        assert_eq!(table.sh_type, SHT_PROGBITS);
        assert_eq!(table.sh_flags, u64::from(SHF_ALLOC));
        assert_eq!((table.sh_addralign, table.sh_entsize), (8, 8));
        assert_eq!((table.sh_link, table.sh_info, table.sh_addr), (0, 0, 0));
        assert!(bytes[table.file_range().unwrap()].iter().all(|b| *b == 0));
        assert_eq!(name(relocations.sh_name), ".rela__mcount_loc");
        assert_eq!(relocations.sh_type, SHT_RELA);
        assert_eq!(relocations.sh_flags, 0);
        assert_eq!((relocations.sh_addralign, relocations.sh_entsize), (8, 24));
        assert_eq!(relocations.sh_info as usize, count - 2);
        let symbols = &elf.section_headers[relocations.sh_link as usize];
        assert_eq!(symbols.sh_type, SHT_SYMTAB);
        assert_eq!(table.sh_offset % 8, 0);
        assert_eq!(relocations.sh_offset % 8, 0);
        assert_eq!(elf.header.e_shoff % 8, 0);
    }
}

#[test]
fn llvm_readelf_reads_the_result_without_a_warning() {
    let dir = TestDir::new();
    object(&dir, "a.o", X86, &TRACED_SECTIONS, &[]);
    run(&dir, &["a.o"]);
    let mut command = std::process::Command::new(test_support::llvm_tool("llvm-readelf"));
    command.args(["-aW", "a.o"]).current_dir(dir.path());
    let output = test_support::output(&mut command);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Relocation section '.rela__mcount_loc'"));
    assert!(text.contains(" __mcount_loc "));
}

#[test]
fn what_was_there_stays_where_it_was() {
    for target in TARGETS {
        let dir = TestDir::new();
        object(&dir, "a.o", target, &TRACED_SECTIONS, &["-g"]);
        let before = dir.read("a.o");
        run(&dir, &["a.o"]);
        let after = dir.read("a.o");
        let header = 64;
        assert_eq!(before[header..], after[header..before.len()]);
        let (before, after) = (
            OurElf::parse(&before).unwrap(),
            OurElf::parse(&after).unwrap(),
        );
        assert_eq!(before.symbols(), after.symbols());
        let n_sections = before.sections().len();
        assert_eq!(n_sections + 2, after.sections().len());
        for (before, after) in before.sections().iter().zip(after.sections()) {
            assert_eq!(before.name, after.name);
            assert_eq!(before.flags, after.flags);
            assert_eq!(
                (before.link, before.info, before.address),
                (after.link, after.info, after.address)
            );
            let has_names = before.section_type == object_model::elf::SHT_STRTAB;
            assert!(
                before.data == after.data || (has_names && after.data.starts_with(before.data))
            );
        }
    }
}

#[test]
fn a_second_run_changes_nothing() {
    for target in TARGETS {
        let dir = TestDir::new();
        object(&dir, "a.o", target, &[".exit.text"], &[]);
        run(&dir, &["a.o"]);
        let (bytes, time) = (dir.read("a.o"), modified(&dir, "a.o"));
        assert_eq!(run(&dir, &["a.o", "a.o"]), success());
        assert_eq!(dir.read("a.o"), bytes);
        assert_eq!(modified(&dir, "a.o"), time);
    }
}

#[test]
fn an_object_without_entry_calls_is_left_alone() {
    let patchable: &[&str] = &["--target=aarch64-linux-gnu", "-fpatchable-function-entry=2"];
    for flags in [patchable, &["--target=x86_64-linux-gnu"]] {
        let dir = TestDir::new();
        dir.c("a.o", "int f(void) { return 1; }", flags);
        let (bytes, time) = (dir.read("a.o"), modified(&dir, "a.o"));
        assert_eq!(run(&dir, &["a.o"]), success());
        assert_eq!(run(&dir, &["--check", "a.o"]), success());
        assert_eq!(dir.read("a.o"), bytes);
        assert_eq!(modified(&dir, "a.o"), time);
    }
}

#[test]
fn several_objects_can_be_given_by_a_file() {
    let dir = TestDir::new();
    object(&dir, "a.o", X86, &[], &[]);
    object(&dir, "b.o", ARM, &[], &[]);
    dir.write("list", "a.o\nb.o\n");
    assert_eq!(run(&dir, &["@list"]), success());
    assert_eq!(records(&dir.read("a.o"), X86).len(), 4);
    assert_eq!(records(&dir.read("b.o"), ARM).len(), 4);
    assert_eq!(run(&dir, &["--check", "@list"]), success());
}

/// ftrace's own sources refer to the target in this way: they do not call it.
#[test]
fn other_references_to_the_target_are_not_recorded() {
    let dir = TestDir::new();
    let x86 = "f: call __fentry__\n mov $__fentry__, %rax\n lea __fentry__(%rip), %rax\n\
               jmp __fentry__\n mov __fentry__@GOTPCREL(%rip), %rax\n ret\n\
               .data\n .quad __fentry__\n";
    dir.asm("x86.o", x86, &["--target=x86_64-linux-gnu"]);
    assert_eq!(run(&dir, &["x86.o"]), success());
    assert_eq!(records(&dir.read("x86.o"), X86), [(".text".into(), 0)]);
    let arm = "f: nop\n bl _mcount\n adrp x0, _mcount\n add x0, x0, :lo12:_mcount\n\
               b _mcount\n .xword _mcount\n ret\n";
    dir.asm("arm.o", arm, &["--target=aarch64-linux-gnu"]);
    assert_eq!(run(&dir, &["arm.o"]), success());
    assert_eq!(records(&dir.read("arm.o"), ARM), [(".text".into(), 4)]);
}

/// `mcount` is x86's name; `_mcount` is that of 64-bit Arm.
#[test]
fn only_the_names_of_the_machine_count() {
    let dir = TestDir::new();
    let x86 =
        "f: call _mcount\n call __fentry\n call mcount\n call __fentry__\n call __fentry__x\n";
    dir.asm("x86.o", x86, &["--target=x86_64-linux-gnu"]);
    run(&dir, &["x86.o"]);
    let text = |offset| (".text".to_owned(), offset);
    // The compiler calls one of the two: beside `__fentry__`, `mcount` is a driver's function.
    assert_eq!(records(&dir.read("x86.o"), X86), [text(15)]);
    let before_fentry = "f: call _mcount\n call mcount\n";
    dir.asm("mcount.o", before_fentry, &["--target=x86_64-linux-gnu"]);
    run(&dir, &["mcount.o"]);
    assert_eq!(records(&dir.read("mcount.o"), X86), [text(5)]);
    let arm = "f: bl mcount\n bl _mcount\n bl __fentry__\n bl __mcount\n";
    dir.asm("arm.o", arm, &["--target=aarch64-linux-gnu"]);
    run(&dir, &["arm.o"]);
    assert_eq!(records(&dir.read("arm.o"), ARM), [text(8)]);
    dir.asm(
        "mcount.o",
        "f: bl mcount\n bl _mcount\n",
        &["--target=aarch64-linux-gnu"],
    );
    run(&dir, &["mcount.o"]);
    assert_eq!(records(&dir.read("mcount.o"), ARM), [text(4)]);
}

#[test]
fn compact_relocations_are_read() {
    for target in TARGETS {
        let dir = TestDir::new();
        let flags = ["-Wa,--crel,--allow-experimental-crel"];
        object(&dir, "a.o", target, &TRACED_SECTIONS, &flags);
        assert_eq!(run(&dir, &["a.o"]), success());
        assert_eq!(records(&dir.read("a.o"), target).len(), 12);
        assert_eq!(run(&dir, &["--check", "a.o"]), success());
    }
}

/// objtool of later kernels makes no-ops of the calls that it records, and keeps relocations that
/// do nothing.
#[test]
fn calls_that_are_no_ops_may_be_in_the_table() {
    let dir = TestDir::new();
    let code = "f: .reloc .+1, R_X86_64_NONE, __fentry__\n .byte 0x0f, 0x1f, 0x44, 0, 0\n ret\n\
                g: call __fentry__\n ret\n";
    let nop = |records: &str| {
        let table = ".section __mcount_loc,\"a\",@progbits\n";
        dir.asm(
            "a.o",
            &[code, table, records].concat(),
            &["--target=x86_64-linux-gnu"],
        );
        run(&dir, &["--check", "a.o"]).0
    };
    assert_eq!(nop(".quad f, g\n"), Some(0));
    assert_eq!(nop(".quad g\n"), Some(0));
    assert_eq!(nop(".quad f, f+6\n"), Some(0));
    assert_eq!(nop(".quad f, f+1\n"), Some(1));
}

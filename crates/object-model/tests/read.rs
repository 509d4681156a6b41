// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Objects of every kind, made by clang in the test.

mod support;

use std::fmt::Write as _;

use object_model::{
    Architecture, Binding, Definition, Elf, FileKind, LtoKind, Object, Relocation, SectionIndex,
    Symbol, Visibility, WithCauses, elf,
};
use test_support::TestDir;

use support::SOURCE;

fn symbol<'a, 'data>(object: &'a Object<'data>, name: &str) -> &'a Symbol<'data> {
    let mut found = object.linker_symbols().filter(|symbol| symbol.name == name);
    let symbol = found
        .next()
        .unwrap_or_else(|| panic!("no {name} in {object:?}"));
    assert!(found.next().is_none(), "{name} is there twice");
    symbol
}

/// Names that the back end of some target adds: labels, bases that code is addressed from.
fn of_the_target(name: &str) -> bool {
    name.starts_with(".L") || [".TOC.", "_gp_disp"].contains(&name)
}

fn check_common(object: &Object) {
    use Binding::{Global, Local, Weak};
    use Definition::{Common, Defined, Undefined};
    let expected = [
        ("undefined_function", Global, Undefined),
        ("weak_undefined", Weak, Undefined),
        ("common_variable", Global, Common),
        ("data_variable", Global, Defined),
        ("used_variable", Local, Defined),
        ("tls_variable", Global, Defined),
        ("in_section", Global, Defined),
        ("local_function", Local, Defined),
        ("weak_function", Weak, Defined),
        ("hidden_function", Global, Defined),
        ("alias_function", Global, Defined),
        ("__initcall__kmod_a__1_2_fn1", Local, Defined),
        ("asm_global", Global, Defined),
        ("asm_undefined", Global, Undefined),
    ];
    for (name, binding, definition) in expected {
        let symbol = symbol(object, name);
        assert_eq!(
            (symbol.binding, symbol.definition),
            (binding, definition),
            "{name}"
        );
    }
    let known = |name: &str| expected.iter().any(|entry| entry.0 == name);
    let others: Vec<_> = object
        .linker_symbols()
        .map(|symbol| symbol.name)
        .filter(|name| !known(name) && !of_the_target(name))
        .collect();
    assert_eq!(others, [""; 0]);
    assert_eq!(
        symbol(object, "hidden_function").visibility,
        Visibility::Hidden
    );
    assert_eq!(
        symbol(object, "in_section").section_name,
        Some("named.section")
    );
    assert_eq!(symbol(object, "common_variable").size, 4);
    assert!(symbol(object, "local_function").is_executable());
    assert!(!symbol(object, "data_variable").is_executable());
}

#[test]
fn bitcode_of_both_kinds_tells_its_symbols() {
    let dir = TestDir::new();
    for (flag, kind) in [("-flto=full", LtoKind::Full), ("-flto=thin", LtoKind::Thin)] {
        dir.c(
            "a.o",
            SOURCE,
            &["--target=aarch64-linux-gnu", "-fcommon", flag],
        );
        let data = dir.read("a.o");
        let object = Object::parse(&data).unwrap();
        check_common(&object);
        assert_eq!(object.kind(), FileKind::RawBitcode);
        assert!(symbol(&object, "used_variable").is_used());
        assert!(symbol(&object, "asm_global").is_from_asm());
        assert!(!symbol(&object, "data_variable").is_from_asm());
        let bitcode = object.as_bitcode().unwrap();
        assert_eq!(bitcode.triple(), "aarch64-unknown-linux-gnu");
        assert_eq!(bitcode.source_file(), "a.c");
        assert!(
            bitcode.producer().starts_with("LLVM"),
            "{}",
            bitcode.producer()
        );
        assert_eq!(bitcode.lto_kind().unwrap(), kind);
    }
}

#[test]
fn elf_of_every_class_and_byte_order_tells_its_symbols() {
    let dir = TestDir::new();
    for target in test_support::TARGETS {
        let triple = format!("--target={}", target.triple);
        dir.c("a.o", SOURCE, &[&triple, "-fcommon", "-ffreestanding"]);
        let data = dir.read("a.o");
        let object = Object::parse(&data).unwrap_or_else(|error| panic!("{target:?}: {error}"));
        check_common(&object);
        let elf = object.as_elf().unwrap();
        assert_eq!(
            (elf.is_64(), elf.is_big_endian()),
            (target.is_64, target.is_big_endian)
        );
        // The linker compares bitcode, by its triple, with ELF.
        dir.c("b.o", "int a;", &[&triple, "-flto=thin"]);
        let data = dir.read("b.o");
        let bitcode = Object::parse(&data).unwrap();
        assert_eq!(Architecture::of(&bitcode), Architecture::of(&object));
        let name = Architecture::of(&object).to_string();
        assert_eq!(
            name.ends_with(", big-endian"),
            target.is_big_endian,
            "{name}"
        );
    }
}

#[test]
fn wrapped_bitcode_tells_the_symbols_of_what_it_wraps() {
    let dir = TestDir::new();
    let target = "--target=x86_64-apple-macosx12";
    // Names get an underscore there.
    dir.c(
        "a.o",
        "int function(void) { return 1; }",
        &[target, "-flto=thin"],
    );
    let data = dir.read("a.o");
    assert_eq!(FileKind::of(&data), Some(FileKind::WrappedBitcode));
    let object = Object::parse(&data).unwrap();
    assert_eq!(object.kind(), FileKind::WrappedBitcode);
    assert!(symbol(&object, "_function").is_executable());

    // A wrapper of our own: magic, version, offset, size, CPU type; padding before and after.
    dir.c(
        "b.o",
        SOURCE,
        &["--target=aarch64-linux-gnu", "-fcommon", "-flto"],
    );
    let raw = dir.read("b.o");
    let words = [
        0x0b17_c0de,
        0,
        32,
        u32::try_from(raw.len()).unwrap(),
        0,
        7,
        7,
        7,
    ];
    let mut data: Vec<u8> = words
        .iter()
        .flat_map(|word: &u32| word.to_le_bytes())
        .collect();
    data.extend(&raw);
    data.extend([7; 16]);
    check_common(&Object::parse(&data).unwrap());
}

#[test]
fn bitcode_with_two_modules_tells_the_symbols_of_both() {
    let dir = TestDir::new();
    dir.write(
        "a.cc",
        "struct Base { virtual int method(); };\n\
         int Base::method() { return 1; }\n\
         int call(Base *base) { return base->method(); }\n",
    );
    let flags = [
        "--target=x86_64-linux-gnu",
        "-c",
        "-flto=thin",
        "-fsplit-lto-unit",
        "-fwhole-program-vtables",
        "-fvisibility=hidden",
    ];
    dir.run("clang", &[&flags[..], &["a.cc", "-o", "a.o"]].concat());
    let data = dir.read("a.o");
    let object = Object::parse(&data).unwrap();
    assert_eq!(object.as_bitcode().unwrap().modules(), 2);
    let defines = |name: &str| {
        let mut symbols = object.linker_symbols();
        symbols.any(|symbol| symbol.name == name && symbol.is_defined())
    };
    assert!(defines("_ZN4Base6methodEv"), "{object:?}");
    // The virtual table stands in the second module.
    assert!(defines("_ZTV4Base"), "{object:?}");
}

#[test]
fn sections_and_relocations_are_those_of_the_source() {
    let dir = TestDir::new();
    let source = ".section .mine, \"aw\", %progbits\n\
                  .balign 8\n\
                  start: .word target - . + 4\n\
                  .word 0x01020304\n\
                  .section .empty, \"aw\", %nobits\n\
                  .globl target\n\
                  target: .zero 12\n";
    dir.asm("a.o", source, &["--target=aarch64-linux-gnu"]);
    let data = dir.read("a.o");
    let object = Object::parse(&data).unwrap();
    let elf = object.as_elf().unwrap();
    assert!(elf.is_relocatable());
    assert_eq!(elf.machine(), elf::EM_AARCH64);

    let mine = elf.section_by_name(".mine").unwrap();
    assert_eq!((mine.size, mine.alignment, mine.data.len()), (8, 8, 8));
    assert!(mine.is_writable() && mine.is_allocated() && !mine.is_executable());
    assert_eq!(elf.read_unsigned(mine, 4, 4), Some(0x0102_0304));
    assert_eq!(elf.read_unsigned(mine, 4, 2), Some(0x0304));
    assert_eq!(elf.read_unsigned(mine, 0, 8), Some(0x0102_0304_0000_0000));
    for (offset, size) in [(5, 4), (u64::MAX, 1), (0, 3), (8, 1)] {
        assert_eq!(elf.read_unsigned(mine, offset, size), None);
    }
    let empty = elf.section_by_name(".empty").unwrap();
    assert_eq!((empty.size, empty.data.len()), (12, 0));
    assert!(elf.section_by_name(".none").is_none());
    assert!(elf.section(SectionIndex(0)).is_none());
    assert!(elf.section(SectionIndex(usize::MAX)).is_none());

    let target = symbol(&object, "target");
    let relocations = elf.relocations(mine.index).unwrap();
    let [relocation] = relocations[..] else {
        panic!("{relocations:?}");
    };
    assert_eq!((relocation.offset, relocation.addend), (0, Some(4)));
    assert_eq!(relocation.kind, elf::R_AARCH64_PREL32);
    assert_eq!(relocation.symbol, Some(target.index));
    assert_eq!(elf.symbol(target.index), Some(target));
    assert_eq!(elf.relocations(empty.index).unwrap(), []);
    assert!(elf.relocations_in(mine).is_err());
}

#[test]
fn relocations_of_rel_targets_have_their_addend_in_place() {
    let dir = TestDir::new();
    let source = ".data\n.word elsewhere + 8\n";
    dir.asm("a.o", source, &["--target=arm-linux-gnueabi"]);
    let data = dir.read("a.o");
    let object = Object::parse(&data).unwrap();
    let elf = object.as_elf().unwrap();
    let section = elf.section_by_name(".data").unwrap();
    let relocations = elf.relocations(section.index).unwrap();
    assert_eq!(relocations.len(), 1);
    assert_eq!(relocations[0].addend, None);
    assert_eq!(elf.read_unsigned(section, 0, 4), Some(8));
}

#[test]
fn relocations_in_compact_form_are_the_same() {
    let dir = TestDir::new();
    let source = ".data\n.quad one + 8\n.word two - . - 3\n.section .text\nbl one\n";
    let target = "--target=aarch64-linux-gnu";
    dir.asm("plain.o", source, &[target]);
    dir.asm(
        "compact.o",
        source,
        &[target, "-Wa,--crel,--allow-experimental-crel"],
    );
    let (plain, compact) = (dir.read("plain.o"), dir.read("compact.o"));
    let (plain, compact) = (Elf::parse(&plain).unwrap(), Elf::parse(&compact).unwrap());
    assert!(compact.section_by_name(".crel.data").is_some());
    for name in [".data", ".text"] {
        let relocations = |elf: &Elf| {
            let section = elf.section_by_name(name).unwrap();
            let describe = |relocation: Relocation| {
                let symbol = elf.symbol(relocation.symbol.unwrap()).unwrap();
                (
                    relocation.offset,
                    relocation.kind,
                    symbol.name.to_owned(),
                    relocation.addend,
                )
            };
            let relocations = elf.relocations(section.index).unwrap();
            relocations.into_iter().map(describe).collect::<Vec<_>>()
        };
        assert_eq!(relocations(&plain), relocations(&compact));
    }
}

#[test]
fn symbols_are_found_by_name_and_by_place() {
    let dir = TestDir::new();
    let source = ".text\nfirst: nop\nsecond:\n.globl also_second\nalso_second: nop\n\
                  .data\nother: .word 0\n.set number, 77\n";
    dir.asm("a.o", source, &["--target=aarch64-linux-gnu"]);
    let data = dir.read("a.o");
    let elf = Elf::parse(&data).unwrap();
    let map = elf.symbol_map();
    let names = |symbols: &[&Symbol]| -> Vec<String> {
        symbols
            .iter()
            .map(|symbol| symbol.name.to_owned())
            .collect()
    };
    let text = elf.section_by_name(".text").unwrap().index;
    assert_eq!(names(map.at(text, 0)), ["first"]);
    assert_eq!(names(map.at(text, 4)), ["second", "also_second"]);
    assert_eq!(names(map.at(text, 2)), [""; 0]);
    assert_eq!(
        names(map.in_section(text)),
        ["first", "second", "also_second"]
    );
    assert_eq!(names(map.named("other")), ["other"]);
    assert_eq!(map.named("number")[0].definition, Definition::Absolute);
    assert_eq!(names(map.named("$x")), [""; 0]);
    assert_eq!(names(map.named("none")), [""; 0]);
}

#[test]
fn more_sections_than_16_bits_can_number_are_read() {
    let dir = TestDir::new();
    let mut source = String::new();
    for number in 0..70_000 {
        writeln!(source, ".section .s{number},\"a\"\nlabel_{number}: .byte 0").unwrap();
    }
    dir.asm("a.o", &source, &["--target=x86_64-linux-gnu"]);
    let data = dir.read("a.o");
    let object = Object::parse(&data).unwrap();
    assert_eq!(symbol(&object, "label_69999").section_name, Some(".s69999"));
}

#[test]
fn a_stripped_file_says_that_it_has_no_symbol_table() {
    let dir = TestDir::new();
    dir.c("a.o", SOURCE, &["--target=aarch64-linux-gnu"]);
    dir.run("llvm-objcopy", &["--strip-all", "a.o", "stripped.o"]);
    assert!(Elf::parse(&dir.read("a.o")).unwrap().has_symbol_table());
    assert!(
        !Elf::parse(&dir.read("stripped.o"))
            .unwrap()
            .has_symbol_table()
    );
}

/// Returns the error of reading `data`.
fn error(data: &[u8]) -> String {
    let error = Object::parse(data).expect_err("it cannot be read");
    WithCauses(&error).to_string()
}

#[test]
fn every_error_says_what_is_wrong() {
    let dir = TestDir::new();
    dir.c(
        "bitcode.o",
        SOURCE,
        &["--target=aarch64-linux-gnu", "-flto"],
    );
    dir.c("elf.o", SOURCE, &["--target=aarch64-linux-gnu"]);
    dir.archive("cr", "regular.a", &["elf.o"]);
    dir.archive("cDPrST", "thin.a", &["elf.o"]);
    let (bitcode, elf) = (dir.read("bitcode.o"), dir.read("elf.o"));

    assert_eq!(error(b""), "is empty; remove it and build it again");
    assert_eq!(
        error(b"text\n"),
        "is neither ELF, LLVM bitcode nor an archive (begins with 74 65 78 74 0a)"
    );
    assert_eq!(
        error(&dir.read("regular.a")),
        "is an archive where an object is expected"
    );
    assert_eq!(
        error(&dir.read("thin.a")),
        "is a thin archive where an object is expected"
    );
    assert_eq!(
        error(&elf[..elf.len() - 1]),
        "is a damaged ELF file: the section table: Invalid ELF section header offset/size/alignment"
    );
    assert_eq!(
        error(&elf[..40]),
        "is a damaged ELF file: the file header: Invalid ELF header size or alignment"
    );
    assert_eq!(
        error(&elf[..4]),
        "is an ELF file with a header that ends too early"
    );
    assert_eq!(error(b"\x7fELF\x09"), "is an ELF file with unknown class 9");
    assert_eq!(
        error(&bitcode[..bitcode.len() - 4]),
        "is damaged LLVM bitcode: it ends too early"
    );
    assert_eq!(
        error(b"\xde\xc0\x17\x0b"),
        "is damaged LLVM bitcode: the wrapper reaches beyond the end"
    );
}

#[test]
fn bitcode_without_symbol_table_is_an_error() {
    let dir = TestDir::new();
    dir.write(
        "a.ll",
        "target triple = \"no_such-machine\"\ndefine void @f() { ret void }\n",
    );
    dir.run("llvm-as", &["a.ll", "-o", "a.o"]);
    assert_eq!(
        error(&dir.read("a.o")),
        "is LLVM bitcode without a symbol table; it must be written by clang 13 or later \
         for a target that this clang can generate code for"
    );
}

#[test]
fn concatenated_bitcode_is_an_error() {
    let dir = TestDir::new();
    for name in ["a", "b"] {
        let source = format!("int {name}(void) {{ return 1; }}");
        dir.c(
            &format!("{name}.o"),
            &source,
            &["--target=aarch64-linux-gnu", "-flto"],
        );
    }
    // The blocks of the second file behind those of the first, under one magic.
    let both = [&dir.read("a.o")[..], &dir.read("b.o")[4..]].concat();
    assert_eq!(
        error(&both),
        "is LLVM bitcode with 2 modules and a symbol table for 1; link its parts one by one"
    );
}

#[test]
fn names_that_are_not_utf8_are_errors() {
    let dir = TestDir::new();
    dir.asm("a.o", ".globl abcdefgh\n", &["--target=aarch64-linux-gnu"]);
    let data = dir.read("a.o");
    let at = data
        .windows(8)
        .position(|bytes| bytes == b"abcdefgh")
        .unwrap();
    let mut broken = data.clone();
    broken[at] = 0xff;
    assert_eq!(
        error(&broken),
        "is an ELF file with the name \"\\xffbcdefgh\" of symbol 1, which is not UTF-8"
    );
    dir.c(
        "b.o",
        "int abcdefgh;",
        &["--target=aarch64-linux-gnu", "-flto"],
    );
    let mut broken = dir.read("b.o");
    let at = broken
        .windows(8)
        .position(|bytes| bytes == b"abcdefgh")
        .unwrap();
    broken[at] = 0xff;
    assert_eq!(
        error(&broken),
        "is damaged LLVM bitcode: the name \"\\xffbcdefgh\" is not UTF-8"
    );
}

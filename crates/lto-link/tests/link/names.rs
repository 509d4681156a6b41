// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Symbols that LTO renames have their names of the source in the output.

use std::collections::{BTreeMap, BTreeSet};

use goblin::elf::Elf;
use goblin::elf::section_header::{SHT_GROUP, SectionHeader};
use goblin::elf::sym::{STB_GLOBAL, STB_LOCAL, STT_FILE};
use lto_link::{names_path, read_names, suffixed};
use test_support::{KERNEL_TARGETS, TestDir};
use tool_io::Files;

use crate::distributed::{generate, object};
use crate::support::{LTO, elf, link, run};

/// Static symbols that `IMPORTER` refers to once `entry` is inlined into it.
const CALLEE: &str = "static int state;\n\
    static __attribute__((noinline)) int helper(int x) { state += x; return state; }\n\
    void say(const char *); int entry(int x) { say(\"text\"); say(\"more\"); return helper(x) + 1; }";
const IMPORTER: &str = "int entry(int); static int own; int user(int x) { own += x; return entry(x) + own; }\n\
    int *place(void) { return &own; }";
/// Another static of the same name, which other files refer to, too.
const OTHER: &str = "static __attribute__((noinline)) int helper(int x) { asm volatile(\"nop\"); return x; }\n\
    int other(int x) { return helper(x) + helper(x + 1); }\n\
    int callback(int x) { return other(x) + 1; }";
/// A global symbol of that name, in a group that is named by another symbol, and a table that refers to it.
const NATIVE: &str = ".section .text.group, \"axG\", %progbits, signature, comdat\n\
    .globl signature, helper, say\nsignature: .quad 0\nhelper: .quad 0\nsay: .quad 0\n\
    .section .data.table, \"aw\"\n.globl table\ntable: .quad helper, signature, user, other\n";

/// Makes the objects, with a `.cmd` file each.
fn objects(target: &str) -> TestDir {
    let dir = TestDir::new();
    object(&dir, target, "m/callee.o", CALLEE);
    object(&dir, target, "m/importer.o", IMPORTER);
    object(&dir, target, "m/other.o", OTHER);
    object(
        &dir,
        target,
        "m/last.o",
        "int callback(int); int last(int x) { return callback(x) * 3; }",
    );
    dir.asm("m/native.o", NATIVE, &[target]);
    dir
}

const OBJECTS: [&str; 5] = [
    "m/callee.o",
    "m/importer.o",
    "m/other.o",
    "m/last.o",
    "m/native.o",
];
const OUTPUT: [&str; 3] = ["-o", "m/m.o", "--objs"];

fn arguments<'a>(command: &[&'a str]) -> Vec<&'a str> {
    [command, &OUTPUT, &OBJECTS].concat()
}

/// The place that a symbol names: its section and the offset there.
fn place(elf: &Elf, index: usize) -> (String, u64) {
    let symbol = elf.syms.get(index).unwrap();
    let section = &elf.section_headers[symbol.st_shndx];
    (section_name(elf, section), symbol.st_value)
}

/// The name of a section, without the suffix of thin LTO, which the linker's own output has.
fn section_name(elf: &Elf, section: &SectionHeader) -> String {
    let name = elf.shdr_strtab.get_at(section.sh_name).unwrap();
    name.split(".llvm.").next().unwrap().to_owned()
}

/// Returns the places that all relocations refer to, by section and offset.
fn references(elf: &Elf) -> BTreeMap<(String, u64), (String, u64, i64)> {
    let mut found = BTreeMap::new();
    for (index, relocations) in &elf.shdr_relocs {
        let target = &elf.section_headers[*index];
        for relocation in relocations {
            let (section, offset) = place(elf, relocation.r_sym);
            let to = (section, offset, relocation.r_addend.unwrap_or(0));
            found.insert((section_name(elf, target), relocation.r_offset), to);
        }
    }
    assert!(!found.is_empty());
    found
}

/// Returns the symbols that name a group.
fn signatures<'a>(elf: &'a Elf) -> Vec<&'a str> {
    let groups = elf
        .section_headers
        .iter()
        .filter(|s| s.sh_type == SHT_GROUP);
    groups
        .map(|group| {
            let symbol = elf.syms.get(group.sh_info as usize).unwrap();
            elf.strtab.get_at(symbol.st_name).unwrap()
        })
        .collect()
}

/// Returns the bindings of the defined symbols of this name, sorted.
fn bindings(elf: &Elf, name: &str) -> Vec<u8> {
    let symbols = elf
        .syms
        .iter()
        .filter(|symbol| symbol.st_shndx != 0 && elf.strtab.get_at(symbol.st_name) == Some(name));
    let mut bindings: Vec<_> = symbols.map(|symbol| symbol.st_bind()).collect();
    bindings.sort_unstable();
    bindings
}

/// Checks that no symbol has a suffix, that local symbols come first, and that none of the restored ones
/// belongs to the file of another object.
fn check_symbols(elf: &Elf) {
    let symtab = elf.section_headers.iter().find(|s| s.sh_type == 2).unwrap();
    let n_locals = symtab.sh_info as usize;
    for (index, symbol) in elf.syms.iter().enumerate() {
        let is_local = symbol.st_bind() == STB_LOCAL;
        assert_eq!(is_local, index < n_locals, "symbol {index}");
        let name = elf.strtab.get_at(symbol.st_name).unwrap_or_default();
        assert!(!name.contains(".llvm."), "{name}");
    }
    let position = |wanted: &dyn Fn(&str, u8) -> bool| {
        elf.syms.iter().position(|symbol| {
            wanted(
                elf.strtab.get_at(symbol.st_name).unwrap_or_default(),
                symbol.st_type(),
            )
        })
    };
    if let Some(file) = position(&|_, kind| kind == STT_FILE) {
        assert!(position(&|name, _| name == "helper").unwrap() < file);
    }
}

#[test]
fn promoted_statics_are_local_again_under_their_names() {
    for target in KERNEL_TARGETS {
        let dir = objects(target);
        link(&dir, &arguments(&["module"]));
        let bytes = dir.read("m/m.o");
        let restored = elf(&bytes);
        check_symbols(&restored);
        // One of the native object, and one of each object whose static was promoted.
        assert_eq!(
            bindings(&restored, "helper"),
            [STB_LOCAL, STB_LOCAL, STB_GLOBAL]
        );
        assert_eq!(bindings(&restored, "state"), [STB_LOCAL]);
        assert_eq!(bindings(&restored, "user"), [STB_GLOBAL]);
        assert_eq!(signatures(&restored), ["signature"]);

        // The linker's own output, with the same objects, has the same references.
        let machine = if target == KERNEL_TARGETS[0] {
            "aarch64elf"
        } else {
            "elf_x86_64"
        };
        let plain = [&["-r", "-m", machine, "-o", "m/plain.o"][..], &OBJECTS].concat();
        dir.run("ld.lld", &plain);
        let plain = dir.read("m/plain.o");
        let plain = elf(&plain);
        assert_eq!(references(&restored), references(&plain));
        let names = read_names(&names_path(&dir.join("m/m.o"))).unwrap();
        let mut promoted: Vec<_> = plain
            .syms
            .iter()
            .filter_map(|symbol| plain.strtab.get_at(symbol.st_name))
            .filter(|name| name.contains(".llvm."))
            .collect();
        let n_promoted = promoted.len();
        // A string that has no name in the source has none here either.
        promoted.retain(|name| !name.starts_with(".str"));
        assert!(promoted.len() < n_promoted);
        assert_eq!(bindings(&restored, ".L.str.1"), [STB_LOCAL]);
        let files = Files::new();
        assert_eq!(
            suffixed(&files.elf(&dir.join("m/m.o")).unwrap()),
            BTreeSet::new()
        );
        promoted.sort_unstable();
        let mut listed: Vec<_> = names.iter().map(|name| name.lto_name.as_str()).collect();
        listed.sort_unstable();
        assert!(promoted.len() >= 2, "{promoted:?}");
        assert_eq!(listed, promoted);
        for name in &names {
            assert!(
                name.lto_name
                    .starts_with(&format!("{}.llvm.", name.source_name))
            );
        }
    }
}

#[test]
fn names_are_those_of_the_source_with_distributed_lto_and_dropping() {
    for target in KERNEL_TARGETS {
        for dropping in [&[][..], &["--internalize", "--keep", "kept"]] {
            let dir = objects(target);
            dir.write(
                "kept",
                "user a test calls it\nlast a test calls it\nplace a test calls it\n",
            );
            link(&dir, &arguments(&[&["thin-link"], dropping].concat()));
            for object in &OBJECTS[..4] {
                generate(&dir, target, object);
            }
            let module = [&["module", "--distributed"], dropping].concat();
            link(&dir, &arguments(&module));
            let bytes = dir.read("m/m.o");
            let restored = elf(&bytes);
            check_symbols(&restored);
            let helpers = bindings(&restored, "helper");
            assert!(
                helpers.contains(&STB_LOCAL),
                "{target} {dropping:?}: {helpers:?}"
            );
        }
    }
}

#[test]
fn second_statics_of_a_name_have_it_with_full_lto() {
    for target in KERNEL_TARGETS {
        let dir = TestDir::new();
        for (name, flags) in [("a", LTO[0]), ("b", LTO[0]), ("c", LTO[0])] {
            let text = format!(
                "static __attribute__((noinline)) int show(int x) {{ asm volatile(\"nop\"); return x; }}\n\
                 int {name}(int x) {{ static int n; n += x; return show(x) + n; }}"
            );
            dir.c(&format!("{name}.o"), &text, &[target, "-O2", flags]);
        }
        link(
            &dir,
            &["module", "-o", "x.o", "--objs", "a.o", "b.o", "c.o"],
        );
        let bytes = dir.read("x.o");
        let restored = elf(&bytes);
        assert_eq!(bindings(&restored, "show"), [STB_LOCAL; 3]);
        // A static variable of a function is called like this without LTO, too.
        assert_eq!(bindings(&restored, "a.n"), [STB_LOCAL]);
        let names = read_names(&names_path(&dir.join("x.o"))).unwrap();
        assert_eq!(names.len(), 2, "{names:?}");
    }
}

#[test]
fn a_link_without_such_symbols_removes_the_list_of_an_earlier_one() {
    let target = KERNEL_TARGETS[0];
    let dir = objects(target);
    link(&dir, &arguments(&["module"]));
    assert!(dir.join("m/.m.o.lto-names").exists());
    link(
        &dir,
        &["module", "-o", "m/m.o", "--objs", "m/last.o", "m/native.o"],
    );
    assert!(!dir.join("m/.m.o.lto-names").exists());
}

#[test]
fn a_linker_that_leaves_no_object_is_not_believed() {
    let dir = objects(KERNEL_TARGETS[0]);
    dir.write(
        "fake-ld",
        "while [ $# -gt 0 ]; do [ \"$1\" = -o ] && echo text > \"$2\"; shift; done\n",
    );
    let arguments = [&arguments(&["module"])[..], &["--", "sh", "fake-ld"]].concat();
    let (code, _, said) = run(&dir, &arguments);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("m/m.o: is no relocatable ELF object"),
        "{said}"
    );
    assert!(!dir.join("m/m.o").exists());
}

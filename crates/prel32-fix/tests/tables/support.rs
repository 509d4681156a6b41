// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Small kernels with every table.

use std::fmt::Write as _;

use prel32_fix::{Fault, Report, Table};
use test_support::TestDir;
use tool_io::Files;

/// The levels of initcalls in the order of memory, as sections and symbols name them.
pub const LEVELS: [&str; 10] = ["early", "0", "1", "2", "3", "4", "5", "rootfs", "6", "7"];

/// When PCI fixups run, in the order of memory.
pub const PASSES: [&str; 8] = [
    "early",
    "header",
    "final",
    "enable",
    "resume",
    "suspend",
    "resume_early",
    "suspend_late",
];

/// The kinds of exports, in the order of memory.
pub const KINDS: [&str; 5] = ["", "_gpl", "_unused", "_unused_gpl", "_gpl_future"];

/// Returns assembly of functions of 8 bytes with these names.
pub fn functions(names: &[&str]) -> String {
    let mut text = String::from(".text\n");
    for name in names {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            ".globl {name}\n.type {name}, %function\n{name}: .quad 0\n"
        );
    }
    text
}

/// Returns assembly of an initcall of `level` whose entry holds `target`, an expression.
pub fn initcall(level: &str, target: &str) -> String {
    let section = match level {
        "con" => ".con_initcall.init".to_owned(),
        level => format!(".initcall{level}.init"),
    };
    format!(".section {section}, \"a\"\n.long {target} - .\n")
}

/// Returns assembly of a PCI fixup: the numbers before the entry are not checked.
pub fn pci_fixup(pass: &str, target: &str) -> String {
    format!(".section .pci_fixup_{pass}, \"a\"\n.short 0x8086, 0x1234\n.long 1, 2, {target} - .\n")
}

/// Returns assembly of an export: two more references follow the entry.
pub fn export(kind: &str, target: &str) -> String {
    format!(
        ".section ___ksymtab{kind}+{target}, \"a\"\n.balign 4\n\
         .long {target} - ., name - ., name - .\n\
         .section __ksymtab_strings, \"a\"\n.ifndef name\nname: .asciz \"x\"\n.endif\n"
    )
}

/// Returns the linker script of a kernel, with the symbols around the tables.
pub fn script() -> String {
    let mut script = String::from(
        "SECTIONS {\n. = 0x10000;\n.text : { *(.text*) }\n.data : { *(.data*) }\n.init.data : {\n\
         __initcall_start = .; *(.initcallearly.init)\n",
    );
    for level in &LEVELS[1..] {
        let _ = writeln!(
            script,
            "__initcall{level}_start = .; *(.initcall{level}.init) *(.initcall{level}s.init)"
        );
    }
    script.push_str("__initcall_end = .;\n");
    script.push_str("__con_initcall_start = .; *(.con_initcall.init) __con_initcall_end = .;\n}\n");
    script.push_str(".pci_fixup : {\n");
    for pass in PASSES {
        let _ = writeln!(
            script,
            "__start_pci_fixups_{pass} = .; *(.pci_fixup_{pass}) __end_pci_fixups_{pass} = .;"
        );
    }
    script.push_str("}\n");
    for kind in KINDS {
        let _ = writeln!(
            script,
            "__ksymtab{kind} : {{ __start___ksymtab{kind} = .; *(SORT(___ksymtab{kind}+*)) \
             __stop___ksymtab{kind} = .; }}"
        );
    }
    script.push_str("__ksymtab_strings : { *(__ksymtab_strings) }\n}\n");
    script
}

/// Assembles `source` and links it with `script` to `vmlinux`.
pub fn link(dir: &TestDir, target: &str, source: &str, script: &str) {
    dir.asm("vmlinux.o", source, &[target]);
    dir.write("vmlinux.lds", script);
    let arguments = ["-e", "0", "-T", "vmlinux.lds", "vmlinux.o", "-o", "vmlinux"];
    dir.run("ld.lld", &arguments);
}

/// Returns the result of a check of the file `name`.
pub fn check(dir: &TestDir, name: &str) -> (Report, Vec<Fault>) {
    let files = Files::new();
    let elf = files.elf(&dir.join(name)).unwrap();
    prel32_fix::check(&elf).unwrap()
}

/// Returns the tables of `vmlinux`, which has no faults.
pub fn tables(dir: &TestDir) -> Vec<Table> {
    let files = Files::new();
    let elf = files.elf(&dir.join("vmlinux")).unwrap();
    let (tables, faults) = prel32_fix::tables(&elf);
    assert_eq!(faults, []);
    tables
}

/// Returns the address of `symbol` in `vmlinux`.
pub fn address(dir: &TestDir, symbol: &str) -> u64 {
    let bytes = dir.read("vmlinux");
    let elf = goblin::elf::Elf::parse(&bytes).unwrap();
    let found = elf
        .syms
        .iter()
        .find(|found| elf.strtab.get_at(found.st_name) == Some(symbol));
    found
        .unwrap_or_else(|| panic!("vmlinux has no {symbol}"))
        .st_value
}

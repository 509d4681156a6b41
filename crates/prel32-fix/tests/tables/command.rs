// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command: reports and exit codes.

use test_support::{ARM64, TestDir};

use crate::support::{functions, initcall, link, script};

fn run(dir: &TestDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    dir.run_tool(env!("CARGO_BIN_EXE_prel32-fix"), arguments)
}

#[test]
fn files_without_faults_are_passed_in_silence() {
    let dir = TestDir::new();
    let source = functions(&["first"]) + &initcall("6", "first");
    link(&dir, ARM64, &source, &script());
    dir.write("objects", "vmlinux\nvmlinux.o\n");
    let done = (Some(0), String::new(), String::new());
    assert_eq!(run(&dir, &["check", "vmlinux", "vmlinux.o"]), done);
    assert_eq!(run(&dir, &["check", "@objects"]), done);
}

#[test]
fn every_fault_of_every_file_is_a_line() {
    let dir = TestDir::new();
    let source = functions(&["first"]) + &initcall("6", "first + 4") + &initcall("7", "first");
    let script = script().replace("__initcall_end = .;", "BYTE(0) __initcall_end = .;");
    link(&dir, ARM64, &source, &script);
    let (code, stdout, stderr) = run(&dir, &["check", "vmlinux", "vmlinux.o"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(
        lines[0],
        "prel32-fix: error: vmlinux: table initcall 7: 5 bytes are not a multiple of the entry size, \
         4 bytes"
    );
    assert!(
        lines[1].starts_with("prel32-fix: error: vmlinux: initcall 6 entry 0 at 0x"),
        "{}",
        lines[1]
    );
    assert_eq!(
        lines[2],
        "prel32-fix: error: vmlinux.o: section .initcall6.init at 0x0: expected a relocation to \
         the start of a function, found first + 0x4"
    );
    assert_eq!(lines.len(), 3);
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let dir = TestDir::new();
    dir.c("bitcode.o", "int a;", &[ARM64, "-flto=thin"]);
    let source = functions(&["first"]) + &initcall("6", "first");
    dir.asm("damaged.o", &source, &[ARM64]);
    // The symbol of the one relocation, in the upper half of its second word.
    let mut bytes = dir.read("damaged.o");
    let elf = goblin::elf::Elf::parse(&bytes).unwrap();
    let (section, _) = elf.shdr_relocs[0];
    let start = usize::try_from(elf.section_headers[section].sh_offset).unwrap();
    bytes[start + 12..start + 16].fill(0x7f);
    dir.write("damaged.o", bytes);
    link(&dir, ARM64, &source, &script());
    dir.run("llvm-strip", &["vmlinux", "-o", "stripped"]);
    for (arguments, message) in [
        (
            &["check", "bitcode.o"][..],
            "bitcode.o: is LLVM bitcode where native code is expected",
        ),
        (
            &["check", "none.o"],
            "none.o: cannot be opened: No such file or directory (os error 2)",
        ),
        (&["check", "damaged.o"], "damaged.o: is a"),
        (
            &["check", "stripped"],
            "stripped: is an ELF file with no symbol table",
        ),
    ] {
        let (code, stdout, stderr) = run(&dir, arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert!(
            stderr.starts_with(&format!("prel32-fix: error: {message}")),
            "{stderr}"
        );
    }
    assert_eq!(run(&dir, &["check"]).0, Some(2));
}

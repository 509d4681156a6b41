// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Calls in sections that ftrace must leave alone.

use test_support::TestDir;

use crate::support::{
    ARM, LEFT_OUT_SECTIONS, TARGETS, Target, X86, entry_calls, modified, object, records, run,
    success,
};

/// Returns the disassembled instructions at the entry of `in_0`.
fn has_nop(dir: &TestDir, name: &str, target: Target) -> bool {
    let text = dir.run("llvm-objdump", &["-dr", "--disassemble-symbols=in_0", name]);
    let none = if target.emulation == X86.emulation {
        "R_X86_64_NONE"
    } else {
        "R_AARCH64_NONE"
    };
    let lines: Vec<_> = text.lines().collect();
    let nop_then_none = |lines: &[&str]| lines[0].contains("nop") && lines[1].contains(none);
    lines.windows(2).any(nop_then_none)
}

#[test]
fn they_become_no_ops_and_are_not_recorded() {
    for target in TARGETS {
        for section in LEFT_OUT_SECTIONS {
            let dir = TestDir::new();
            object(&dir, "a.o", target, &[section], &[]);
            assert!(!has_nop(&dir, "a.o", target));
            assert_eq!(run(&dir, &["a.o"]), success());
            assert!(has_nop(&dir, "a.o", target), "{target:?} {section}");
            let recorded = records(&dir.read("a.o"), target);
            assert_eq!(recorded.len(), 4);
            assert!(
                recorded
                    .iter()
                    .all(|(recorded, _)| recorded.starts_with(".text"))
            );
            assert_eq!(run(&dir, &["--check", "a.o"]), success());
            dir.run(
                "ld.lld",
                &["-m", target.emulation, "-r", "-o", "r.o", "a.o"],
            );
        }
    }
}

/// recordmcount does not change such an object, so its calls would remain.
#[test]
fn an_object_with_no_others_gets_no_table() {
    for target in TARGETS {
        let dir = TestDir::new();
        let source = "int g(int);\n\
                      __attribute__((section(\".exit.text\"))) int in_0(int x) { return g(x) + 1; }";
        dir.c("a.o", source, &[&["-O2"], target.flags].concat());
        let size = dir.read("a.o").len();
        assert_eq!(entry_calls(&dir, "a.o", target.entry).len(), 1);
        assert_eq!(run(&dir, &["--check", "a.o"]), success());
        assert_eq!(run(&dir, &["a.o"]), success());
        assert!(has_nop(&dir, "a.o", target));
        assert_eq!(dir.read("a.o").len(), size);
        let time = modified(&dir, "a.o");
        assert_eq!(run(&dir, &["a.o"]), success());
        assert_eq!(modified(&dir, "a.o"), time);
    }
}

/// The bytes there are unknown, so they are not overwritten.
#[test]
fn calls_of_another_form_stay() {
    let dir = TestDir::new();
    let x86 = ".section .exit.text,\"ax\",@progbits\n\
               .byte 0xe8\n .reloc ., R_X86_64_PLT32, __fentry__-4\n .long 1\n";
    let arm = ".section .exit.text,\"ax\",@progbits\n\
               .reloc ., R_AARCH64_CALL26, _mcount\n .inst 0x94000001\n";
    for (source, target) in [(x86, X86), (arm, ARM)] {
        dir.asm("a.o", source, &target.flags[..1]);
        let bytes = dir.read("a.o");
        assert_eq!(run(&dir, &["a.o"]), success());
        assert_eq!(dir.read("a.o"), bytes);
    }
}

#[test]
fn sections_without_code_are_not_looked_at() {
    let dir = TestDir::new();
    let source = ".section .init.text,\"a\",@progbits\n f: call __fentry__\n";
    dir.asm("a.o", source, &["--target=x86_64-linux-gnu"]);
    let bytes = dir.read("a.o");
    assert_eq!(run(&dir, &["a.o"]), success());
    assert_eq!(dir.read("a.o"), bytes);
}

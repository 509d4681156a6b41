// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Records of the function tracer over whole builds.

use std::fmt::Write as _;

use super::{ARM, Kernel, X86, faults, reason};
use crate::Finding;
use crate::traced::mcount;

const OPTIONS: &[&str] = &["FTRACE_MCOUNT_RECORD", "LTO_CLANG"];

/// A function that calls `__fentry__` if it is traced.
fn function(name: &str, is_traced: bool) -> String {
    let call = if is_traced { " call __fentry__\n" } else { "" };
    format!(".type {name},@function\n {name}:\n{call} ret\n.size {name}, .-{name}\n")
}

/// Assembly with these functions, those whose names are in `recorded` with a record.
fn code(functions: &[(&str, bool)], recorded: &[&str]) -> String {
    let mut code = ".text\n.globl __fentry__\n".to_owned();
    for (name, is_traced) in functions {
        code += &function(name, *is_traced);
    }
    code += ".section __mcount_loc,\"a\"\n";
    for name in recorded {
        writeln!(code, " .quad {name}").unwrap();
    }
    code + ".section .text.entry,\"ax\"\n.weak __fentry__\n"
}

const FENTRY: &str = ".text\n.type __fentry__,@function\n__fentry__: ret\n";

fn kernel(functions: &[(&str, bool)], recorded: &[&str]) -> Kernel {
    let code = code(functions, recorded).replace(".weak __fentry__\n", FENTRY);
    Kernel::new(X86, OPTIONS, &code)
}

const FUNCTIONS: &[(&str, bool)] = &[("f", true), ("g", true), ("notrace", false)];

fn good() -> Kernel {
    kernel(FUNCTIONS, &["f", "g"])
}

fn alone(kernel: &Kernel) -> Finding {
    kernel.check(|tree| mcount(tree, None))
}

#[test]
fn whole_tables_have_no_fault() {
    let module = code(&[("m", true), ("n", false)], &["m"]);
    let check = alone(&good().with_module(&module));
    assert_eq!(faults(&check), [""; 0]);
    assert_eq!(check.figure, "2 records in vmlinux, 1 in 1 modules");
    let other = good().with_module(&module);
    let check = good().with_module(&module).check_against(&other, mcount);
    assert_eq!(faults(&check), [""; 0]);
    assert_eq!(
        check.figure,
        "2 records in vmlinux, 1 in 1 modules; \
         3 names of traced functions as in the build to compare with"
    );
}

#[test]
fn what_has_no_records_is_not_checked() {
    let kernel = Kernel::new(X86, &[], "nop\n");
    assert_eq!(
        reason(&alone(&kernel)),
        "the kernel is configured without FTRACE_MCOUNT_RECORD"
    );
    let kernel = Kernel::new("--target=riscv64-linux-gnu", OPTIONS, "nop\n");
    let check = alone(&kernel);
    assert!(
        reason(&check).starts_with("vmlinux is for ELF machine 243 of 64 bits"),
        "{check:?}"
    );
}

#[test]
fn a_call_that_is_not_recorded_is_a_fault() {
    let kernel = kernel(FUNCTIONS, &["f"]);
    assert_eq!(
        faults(&alone(&kernel)),
        [
            "vmlinux.o: the entry call of g at .text+0x6 is not in __mcount_loc; \
          link it again from objects without that section"
        ]
    );
    // recordmcount passes over objects named as ftrace's.
    kernel.configure(&OPTIONS[..1]);
    let check = alone(&kernel);
    assert_eq!(faults(&check), [""; 0]);
    assert_eq!(
        check.figure,
        "1 records in vmlinux, 0 in 0 modules; recordmcount left out 1 calls"
    );
}

#[test]
fn a_wrong_record_is_a_fault() {
    let check = alone(&kernel(FUNCTIONS, &["f", "g", "notrace"]));
    assert_eq!(
        faults(&check),
        [
            "vmlinux: __mcount_loc+0x10 refers to .text+0xc in notrace, \
             expected a call or no-ops at the entry of a function there",
            "vmlinux.o: __mcount_loc+0x10 refers to .text+0xc, expected an entry call there"
        ]
    );
    let check = alone(&good().with_module(&code(&[("m", true)], &["m", "m"])));
    assert_eq!(
        faults(&check),
        ["m.ko: __mcount_loc+0x8 refers to .text+0x0, like an earlier entry"]
    );
}

#[test]
fn records_that_the_last_link_lost_are_a_fault() {
    let linked = code(FUNCTIONS, &["f"]).replace(".weak __fentry__\n", FENTRY);
    let check = alone(&good().linked_from(&linked));
    assert_eq!(
        faults(&check),
        ["vmlinux: expected the 2 records of vmlinux.o, found 1"]
    );
    let check = alone(&kernel(&[("f", false)], &[]));
    assert_eq!(faults(&check), ["vmlinux: has no records at all"]);
}

#[test]
fn functions_that_are_traced_in_one_build_only_are_a_fault() {
    let fewer = kernel(&[("f", true), ("g", false), ("notrace", false)], &["f"]);
    let check = fewer.check_against(&good(), mcount);
    assert_eq!(
        faults(&check),
        [
            "vmlinux: g has no record, but has one in the build to compare with \
          (0 of 1 functions of this name, there 1 of 1)"
        ]
    );
    let check = good().check_against(&fewer, mcount);
    assert_eq!(
        faults(&check),
        ["vmlinux: g has a record, and has none in the build to compare with"]
    );
    // It could be traced there, but for a record.
    let unrecorded = kernel(FUNCTIONS, &["f"]);
    assert_eq!(faults(&good().check_against(&unrecorded, mcount)), [""; 0]);
}

#[test]
fn functions_are_compared_by_their_names_in_the_source() {
    let promoted = kernel(&[("f", true), ("g.llvm.5", true)], &["f", "g.llvm.5"]);
    assert_eq!(faults(&promoted.check_against(&good(), mcount)), [""; 0]);
    let lost = kernel(&[("f", true), ("g.llvm.5", false)], &["f"]);
    let check = lost.check_against(&good(), mcount);
    assert_eq!(faults(&check).len(), 1, "{check:?}");
    // Inlined everywhere.
    let inlined = kernel(&[("f", true)], &["f"]);
    assert_eq!(faults(&inlined.check_against(&good(), mcount)), [""; 0]);
    // Two statics of one name, one of them inlined; and one of them not recorded.
    let two = kernel(&[("g", true), ("g.1", true)], &["g", "g.1"]);
    let one = kernel(&[("g.1", true)], &["g.1"]);
    assert_eq!(faults(&one.check_against(&two, mcount)), [""; 0]);
    let half = kernel(&[("g", true), ("g.1", false)], &["g"]);
    let check = half.check_against(&two, mcount);
    assert_eq!(faults(&check).len(), 1, "{check:?}");
    // Two of one name, one of which is not traced and inlined in the other build: `static inline`.
    let traced = kernel(&[("g", true)], &["g"]);
    assert_eq!(faults(&half.check_against(&traced, mcount)), [""; 0]);
    let untraced = kernel(&[("f", true), ("g.1", false)], &["f"]);
    assert_eq!(faults(&half.check_against(&untraced, mcount)), [""; 0]);
    let neither = kernel(&[("f", true), ("g", false), ("g.1", false)], &["f"]);
    let check = neither.check_against(&traced, mcount);
    assert_eq!(faults(&check).len(), 1, "{check:?}");
    let check = two.check_against(&untraced, mcount);
    assert_eq!(faults(&check).len(), 1, "{check:?}");
}

/// Other names of one function are traced with it, whichever is first in the symbol table.
#[test]
fn other_names_of_a_function_are_traced_with_it() {
    let alias = |names: [&str; 2]| {
        let [first, second] = names;
        let text = code(&[(first, true)], &[first]).replace(".weak __fentry__\n", FENTRY);
        let alias = format!(
            ".text\n.globl {second}\n.type {second},@function\n.set {second}, {first}\n\
             .size {second}, 6\n"
        );
        Kernel::new(X86, OPTIONS, &(text + &alias))
    };
    let check = alias(["a", "b"]).check_against(&alias(["b", "a"]), mcount);
    assert_eq!(faults(&check), [""; 0]);
    assert!(check.figure.contains("; 2 names of traced"), "{check:?}");
}

/// The no-ops that compilers leave for 64-bit Arm, and their table.
#[test]
fn tables_of_the_compiler_are_compared() {
    let arm = |functions: &[&str], recorded: &[&str]| {
        let mut text = ".text\n".to_owned();
        for name in functions {
            let code = "nop\n nop\n ret\n";
            writeln!(
                text,
                ".type {name},@function\n{name}: {code}.size {name}, .-{name}"
            )
            .unwrap();
        }
        text += ".section __mcount_loc,\"a\"\n.section __patchable_function_entries,\"aw\"\n";
        for name in recorded {
            writeln!(text, " .quad {name}").unwrap();
        }
        let kernel = Kernel::new(ARM, OPTIONS, &text);
        let script = super::SCRIPT.replace(
            "*(__mcount_loc)",
            "*(__mcount_loc) *(__patchable_function_entries)",
        );
        kernel.link("vmlinux.o", &script);
        kernel
    };
    let good = arm(&["f", "g"], &["f", "g"]);
    let check = alone(&good);
    assert_eq!(faults(&check), [""; 0]);
    assert_eq!(check.figure, "2 records in vmlinux, 0 in 0 modules");
    let check = arm(&["f", "g"], &["f"]).check_against(&good, mcount);
    assert_eq!(faults(&check).len(), 1, "{check:?}");
    let check = alone(&arm(&["f", "g"], &["f", "f"]));
    assert_eq!(faults(&check).len(), 2, "{check:?}");

    // A module that lost its table.
    let with_module = |table: &str| {
        let code = ".text\n.type m,@function\nm: nop\n nop\n ret\n.size m, .-m\n";
        good.dir.asm("m.ko", &format!("{code}{table}"), &[ARM]);
        good.dir.write("modules.order", "m.ko\n");
        alone(&good)
    };
    let table = ".section __patchable_function_entries,\"aw\"\n.quad m\n";
    let check = with_module(table);
    assert_eq!(faults(&check), [""; 0]);
    assert_eq!(check.figure, "2 records in vmlinux, 1 in 1 modules");
    let expected = "m.ko: 1 functions begin with the no-ops of the tracer, and it has no \
                    __patchable_function_entries; run make again";
    assert_eq!(faults(&with_module("")), [expected]);
}

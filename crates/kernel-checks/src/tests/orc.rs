// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tables of the unwinder, whole ones and ones with something broken.

use std::fmt::Write as _;

use super::{ARM, Kernel, X86, faults, reason};
use crate::Finding;
use crate::orc::orc;

const OPTIONS: &[&str] = &["UNWINDER_ORC", "BUILDTIME_TABLE_SORT"];

const CODE: &str = ".text\n\
    .type f,@function\n f: push %rbx\n f1: pop %rbx\n ret\n.size f, .-f\n\
    .type g,@function\n g: nop\n ret\n g2: nop\n ret\n.size g, .-g\n end:\n";

/// `struct orc_entry`: the stack pointer is the base, 8 bytes up; nothing is known; the end of a
/// stack.
const KNOWN: &str = " .short 8, -16\n .byte 0x05, 0\n";
const NOTHING: &str = " .short 0, 0\n .byte 0, 0\n";
const STACK_END: &str = " .short 0, 0\n .byte 0, 4\n";

/// Code with tables of these entries.
fn code(entries: &[(&str, &str)]) -> String {
    let mut places = String::new();
    for (place, _) in entries {
        writeln!(places, " .long {place} - .").unwrap();
    }
    let unwind: String = entries.iter().map(|(_, entry)| *entry).collect();
    format!("{CODE}.section .orc_unwind_ip,\"a\"\n{places}.section .orc_unwind,\"a\"\n{unwind}")
}

fn kernel(entries: &[(&str, &str)]) -> Kernel {
    Kernel::new(X86, OPTIONS, &code(entries))
}

const GOOD: &[(&str, &str)] = &[("f", KNOWN), ("f1", KNOWN), ("g", KNOWN), ("end", NOTHING)];

fn alone(kernel: &Kernel) -> Finding {
    kernel.check(|tree| orc(tree, None))
}

#[test]
fn whole_tables_have_no_fault() {
    let check = alone(&kernel(GOOD));
    assert_eq!(faults(&check), [""; 0]);
    assert_eq!(
        check.figure,
        "4 entries for the functions of 2 names in vmlinux and 0 modules"
    );
    let check = kernel(GOOD).check_against(&kernel(GOOD), orc);
    assert_eq!(faults(&check), [""; 0]);
    assert_eq!(
        check.figure,
        "4 entries for the functions of 2 names in vmlinux and 0 modules; \
         2 are in the build to compare with"
    );
}

#[test]
fn what_has_no_such_tables_is_not_checked() {
    let check = alone(&Kernel::new(X86, &[], &code(GOOD)));
    assert_eq!(
        reason(&check),
        "the kernel is configured without UNWINDER_ORC"
    );
    let check = alone(&Kernel::new(ARM, OPTIONS, "nop\n"));
    assert_eq!(reason(&check), "there are such tables on 64-bit x86 only");
}

#[test]
fn tables_of_vmlinux_must_be_sorted() {
    let swapped = &[("f1", KNOWN), ("f", KNOWN), ("g", KNOWN), ("end", NOTHING)];
    let expected = ".orc_unwind_ip entry 1: expected one behind f+0x1 (.text+0x1), \
                    found f+0x0 (.text+0x0)";
    let check = alone(&kernel(swapped));
    assert_eq!(faults(&check), [format!("vmlinux: {expected}")]);
    // The loader sorts those of modules, and some kernels do it when they start.
    let check = alone(&kernel(GOOD).with_module(&code(swapped)));
    assert_eq!(faults(&check), [""; 0]);
    let check = alone(&Kernel::new(X86, &OPTIONS[..1], &code(swapped)));
    assert_eq!(faults(&check), [""; 0]);
}

/// Of two entries for one place the last is taken.
#[test]
fn the_end_of_a_section_comes_before_the_start_of_the_next() {
    let right = &[("f", KNOWN), ("g", NOTHING), ("g", KNOWN), ("end", NOTHING)];
    assert_eq!(faults(&alone(&kernel(right))), [""; 0]);
    let wrong = &[("f", KNOWN), ("g", KNOWN), ("g", NOTHING), ("end", NOTHING)];
    let check = alone(&kernel(wrong));
    assert_eq!(faults(&check).len(), 1, "{check:?}");
}

#[test]
fn tables_of_other_lengths_are_a_fault() {
    let short = code(GOOD).replacen(" .long f1 - .\n", "", 1);
    let check = alone(&Kernel::new(X86, OPTIONS, &short));
    assert_eq!(
        faults(&check),
        ["vmlinux: .orc_unwind_ip has 3 entries, .orc_unwind has 4"]
    );
    let odd = code(GOOD) + " .byte 0\n";
    let check = alone(&Kernel::new(X86, OPTIONS, &odd));
    assert_eq!(
        faults(&check),
        [
            "vmlinux: .orc_unwind_ip has 16 bytes and .orc_unwind has 25: \
          expected whole entries of 4 and 6"
        ]
    );
}

#[test]
fn an_entry_that_refers_to_nothing_is_a_fault() {
    let nowhere = &[
        ("f", KNOWN),
        ("g", KNOWN),
        ("end", NOTHING),
        ("end + 0x100000", KNOWN),
    ];
    let check = alone(&kernel(nowhere));
    let [fault] = faults(&check)[..] else {
        panic!("{check:?}")
    };
    assert!(
        fault.starts_with("vmlinux: .orc_unwind_ip entry 3: expected a place in code, found 0x"),
        "{fault}"
    );
    let unresolved = code(GOOD).replacen(".long f1 - .", ".long 4", 1);
    let check = alone(&kernel(GOOD).with_module(&unresolved));
    assert_eq!(
        faults(&check),
        ["m.ko: .orc_unwind_ip entry 1 refers to nothing"]
    );
}

#[test]
fn a_function_that_the_unwinder_lost_is_a_fault() {
    let lost = "has no entry in .orc_unwind_ip, but has one in the build to compare with";
    let without_g: &[_] = &[("f", KNOWN), ("g", NOTHING)];
    let check = kernel(without_g).check_against(&kernel(GOOD), orc);
    assert_eq!(faults(&check), [format!("vmlinux: g {lost}")]);
    let check = kernel(GOOD).check_against(&kernel(without_g), orc);
    assert_eq!(faults(&check), [""; 0]);
    // The end of a stack is known as such.
    let stack_end: &[_] = &[("f", KNOWN), ("g", STACK_END), ("end", NOTHING)];
    let check = kernel(stack_end).check_against(&kernel(GOOD), orc);
    assert_eq!(faults(&check), [""; 0]);
    // Known only further down.
    let late: &[_] = &[
        ("f", KNOWN),
        ("g", NOTHING),
        ("g2", KNOWN),
        ("end", NOTHING),
    ];
    let check = kernel(late).check_against(&kernel(GOOD), orc);
    assert_eq!(
        faults(&check),
        ["vmlinux: g has no entry for its start in .orc_unwind_ip, \
          but has one in the build to compare with"]
    );
    let check = kernel(without_g).check_against(&kernel(late), orc);
    assert_eq!(faults(&check), [format!("vmlinux: g {lost}")]);
    // In a module as well.
    let found = kernel(GOOD).with_module(&code(without_g));
    let check = found.check_against(&kernel(GOOD).with_module(&code(GOOD)), orc);
    assert_eq!(faults(&check), [format!("m.ko: g {lost}")]);
}

#[test]
fn functions_are_compared_by_their_names_in_the_source() {
    let promoted = code(&GOOD[..2])
        .replace("g,", "g.llvm.123,")
        .replace("g:", "g.llvm.123:");
    let promoted = promoted.replace(".size g.llvm.123, .-g", ".size g.llvm.123, .-g.llvm.123");
    let lost = Kernel::new(X86, OPTIONS, &(promoted + " .section .text\n"));
    // The last entry goes on to the end of the section.
    assert_eq!(faults(&lost.check_against(&kernel(GOOD), orc)), [""; 0]);
    let without_g = code(&[("f", KNOWN), ("f1", NOTHING)]).replace("g,", "g.llvm.123,");
    let without_g = without_g
        .replace("g:", "g.llvm.123:")
        .replace(".-g\n", ".-g.llvm.123\n");
    let lost = Kernel::new(X86, OPTIONS, &without_g);
    let check = lost.check_against(&kernel(GOOD), orc);
    assert_eq!(
        faults(&check),
        ["vmlinux: g has no entry in .orc_unwind_ip, but has one in the build to compare with"]
    );
    // One of two statics.
    let second = format!(
        "{}.text\n.type f.1,@function\n f.1: nop\n.size f.1, .-f.1\n",
        code(GOOD)
    );
    let known = second
        .replace(" .long end - .\n", " .long f.1 - .\n")
        .replace(NOTHING, KNOWN);
    let [second, known] = [second, known].map(|code| Kernel::new(X86, OPTIONS, &code));
    let check = second.check_against(&known, orc);
    assert_eq!(
        faults(&check),
        ["vmlinux: f has no entry in .orc_unwind_ip, but has one in the build to compare with"]
    );
    // One that was inlined is not there, and none is missed.
    let inlined = code(GOOD).replace(".type g,@function\n", "");
    let inlined = Kernel::new(X86, OPTIONS, &inlined);
    assert_eq!(faults(&inlined.check_against(&kernel(GOOD), orc)), [""; 0]);
}

#[test]
fn rules_that_vmlinux_o_has_must_be_in_vmlinux() {
    let zeroed = &[
        ("f", KNOWN),
        ("f1", NOTHING),
        ("g", KNOWN),
        ("end", NOTHING),
    ];
    let check = alone(&kernel(GOOD).linked_from(&code(zeroed)));
    assert_eq!(
        faults(&check),
        ["vmlinux: .orc_unwind: lacks 1 of the 4 rules of vmlinux.o; run make again"]
    );
}

#[test]
fn the_look_up_table_has_an_entry_for_each_block() {
    let kernel = kernel(GOOD);
    let link = |from: &str, to: &str| {
        let script = super::SCRIPT.replace(from, to);
        assert_ne!(script, super::SCRIPT);
        kernel.link("vmlinux.o", &script);
        alone(&kernel)
    };
    let check = link("/ 256 + 1) * 4", "/ 256) * 4");
    assert_eq!(
        faults(&check),
        ["vmlinux: orc_lookup has 4 bytes, expected 8 for the 7 bytes of .text"]
    );
    let check = link("orc_lookup = .; .", "orc_lookup = .; BYTE(7); .");
    assert_eq!(check.faults.len(), 1, "{check:?}");
    let check = link("orc_lookup_end = .;", "");
    assert_eq!(
        faults(&check),
        ["vmlinux: there is no orc_lookup or no orc_lookup_end"]
    );
}

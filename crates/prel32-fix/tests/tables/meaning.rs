// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Entries that resolve, but mean something else: exports of another symbol or name, jump labels at an
//! instruction that the kernel must not overwrite.

use test_support::{ARM64, KERNEL_TARGETS, TestDir};

use crate::support::{check, functions, link};

/// Returns assembly of an export with its label: the entry of `name` leads to `symbol` and to the
/// string `string`.
fn export(name: &str, symbol: &str, string: &str) -> String {
    format!(
        ".section __ksymtab_strings, \"a\"\nstring_{name}: .asciz \"{string}\"\n\
         .section ___ksymtab+{name}, \"a\"\n.balign 4\n__ksymtab_{name}:\n\
         .long {symbol} - ., string_{name} - ., 0\n"
    )
}

/// Returns assembly of a jump label whose entry says that `code` may become a jump to `target`.
fn jump_label(code: &str, target: &str, key: &str) -> String {
    format!(
        ".section __jump_table, \"aw\"\n.balign 8\n.long {code} - ., {target} - .\n.quad {key} - .\n"
    )
}

const SCRIPT: &str = "SECTIONS {
. = 0x10000;
.text : { *(.text) *(.text.*) }
.init.text : { *(.init.text) }
__ksymtab : { __start___ksymtab = .; *(SORT(___ksymtab+*)) __stop___ksymtab = .; }
__ksymtab_strings : { *(__ksymtab_strings) }
.data : { *(.data) __start___jump_table = .; *(__jump_table) __stop___jump_table = .; }
.bss : { *(.bss) }
}
";

/// Returns the faults of the object, and of the kernel linked from it.
fn faults(target: &str, source: &str) -> [Vec<String>; 2] {
    let dir = TestDir::new();
    link(&dir, target, source, SCRIPT);
    ["vmlinux.o", "vmlinux"].map(|name| {
        let (_, faults) = check(&dir, name);
        faults.iter().map(ToString::to_string).collect()
    })
}

/// Returns no faults, for the object and for the kernel.
fn none() -> [Vec<String>; 2] {
    [Vec::new(), Vec::new()]
}

/// Returns the same faults, for the object and for the kernel.
fn both(faults: &[&str]) -> [Vec<String>; 2] {
    let faults: Vec<_> = faults.iter().map(|&fault| fault.to_owned()).collect();
    [faults.clone(), faults]
}

#[test]
fn exports_lead_to_what_their_labels_say() {
    for target in KERNEL_TARGETS {
        let code = functions(&["one", "other"]);
        let good = export("one", "one", "one") + &export("other", "other", "other");
        assert_eq!(faults(target, &(code.clone() + &good)), none());

        let swapped = export("one", "other", "one") + &export("other", "one", "other");
        let expected = both(&[
            "the entry of one in the table of exports leads to other",
            "the entry of other in the table of exports leads to one",
        ]);
        assert_eq!(faults(target, &(code.clone() + &swapped)), expected);

        let renamed = export("one", "one", "onf") + &export("other", "other", "other");
        let expected = both(&["the entry of one in the table of exports has the name \"onf\""]);
        assert_eq!(faults(target, &(code + &renamed)), expected);
    }
}

#[test]
fn an_export_of_another_object_is_found_by_its_name() {
    // Newer kernels link modpost's own object with the entries last.
    let dir = TestDir::new();
    let entries = export("one", "one", "one") + &export("two", "three", "two");
    dir.asm("export.o", &entries, &[ARM64]);
    let (_, faults) = check(&dir, "export.o");
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let start = "the entry of two in the table of exports leads to ";
    assert!(faults[0].starts_with(start), "{faults:?}");
}

/// Returns assembly of a function with no-ops, jumps to `away` and something else.
fn code(target: &str) -> &'static str {
    match target {
        ARM64 => {
            ".text\n.globl f\n.type f, %function\nf:\nsite: nop\nshort: nop\njump: b away\n\
             near: b away\nother: ret\naway: ret\n"
        }
        _ => {
            ".text\n.globl f\n.type f, %function\nf:\nsite: .byte 0x0f, 0x1f, 0x44, 0, 0\n\
             short: .byte 0x66, 0x90\njump: .byte 0xe9\n.long away - . - 4\n\
             near: jmp away\nother: ret\naway: ret\n"
        }
    }
}

const DATA: &str = ".data\nkey: .quad 0\n.bss\n.balign 8\noff: .skip 8\n\
                    .section .init.text, \"ax\"\nfreed: .quad 0\n";

#[test]
fn jump_labels_are_at_a_no_op_or_a_jump_to_their_target() {
    for target in KERNEL_TARGETS {
        let with = |entry: &str| faults(target, &(code(target).to_owned() + DATA + entry));
        for site in ["site", "short", "jump", "near"] {
            assert_eq!(with(&jump_label(site, "away", "key")), none(), "{site}");
        }
        assert_eq!(with(&jump_label("site", "away", "off + 3")), none());

        for (entry, fault) in [
            (
                jump_label("other", "away", "key"),
                "found neither a jump nor a no-op",
            ),
            (jump_label("jump", "other", "key"), "found a jump to f+"),
        ] {
            for found in with(&entry) {
                assert_eq!(found.len(), 1, "{found:?}");
                let is_here = found[0].starts_with("jump label entry 0: at f+");
                assert!(is_here && found[0].contains(fault), "{found:?}");
            }
        }
    }
}

#[test]
fn jump_labels_stay_in_their_section_and_have_a_key_in_data() {
    for target in KERNEL_TARGETS {
        let with = |entry: &str| faults(target, &(code(target).to_owned() + DATA + entry));
        let [object, kernel] = with(&jump_label("site", "freed", "key"));
        assert_eq!(object, Vec::<String>::new());
        assert_eq!(kernel.len(), 1, "{kernel:?}");
        let found = "an entry that jumps to .init.text+0x0";
        assert!(kernel[0].contains(found), "{kernel:?}");

        let [_, kernel] = with(&jump_label("site", "away", "f"));
        assert_eq!(kernel.len(), 1, "{kernel:?}");
        let found = "an entry whose key is f+0x0";
        assert!(kernel[0].contains(found), "{kernel:?}");
    }
}

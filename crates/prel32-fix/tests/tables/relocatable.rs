// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Relocatable objects: every entry is a relocation to the start of something.

use prel32_fix::{Fault, Report};
use test_support::{ARM64, TestDir};

use crate::support::{check, export, functions, initcall, pci_fixup};

/// Targets whose relocations contain the addend, and targets whose tables do, in both byte orders.
const TARGETS: [&str; 5] = [
    "--target=aarch64-linux-gnu",
    "--target=x86_64-linux-gnu",
    "--target=i386-linux-gnu",
    "--target=arm-linux-gnueabi",
    "--target=mips-linux-gnu",
];

/// Functions that other objects see, and a local one at 8 bytes of their section.
fn code() -> String {
    functions(&["global"]) + ".type local, %function\nlocal: .quad 0\n.size local, 8\n"
}

fn object(source: &str, target: &str) -> TestDir {
    let dir = TestDir::new();
    dir.asm("a.o", source, &[target]);
    dir
}

fn fault(section: &str, offset: u64, found: &str) -> Fault {
    Fault::NoStartRelocation {
        section: section.into(),
        offset,
        found: found.into(),
    }
}

#[test]
fn entries_to_the_start_of_something_resolve() {
    for target in TARGETS {
        let source = code()
            + &initcall("6", "global")
            + &initcall("6", "local")
            + &initcall("early", "elsewhere")
            + &initcall("con", "local")
            + &pci_fixup("final", "global")
            + &pci_fixup("final", "local")
            + &export("", "global")
            + &export("_gpl", "local")
            + ".data\n.long local + 3 - .\n";
        let dir = object(&source, target);
        let report = Report {
            n_tables: 6,
            n_entries: 8,
        };
        assert_eq!(check(&dir, "a.o"), (report, vec![]), "{target}");
    }
}

#[test]
fn an_entry_into_the_middle_is_a_fault() {
    for target in TARGETS {
        let source = code()
            + &initcall("6", "global")
            + &initcall("6", "local + 4")
            + &initcall("7", "elsewhere + 4")
            + &pci_fixup("final", "global")
            + &pci_fixup("final", "global + 4");
        let dir = object(&source, target);
        let (report, faults) = check(&dir, "a.o");
        assert_eq!((report.n_tables, report.n_entries), (3, 5), "{target}");
        assert_eq!(faults.len(), 3, "{target} {faults:?}");
        // Assemblers write a reference within the object in different ways.
        let places: Vec<_> = faults
            .iter()
            .map(|fault| match fault {
                Fault::NoStartRelocation {
                    section, offset, ..
                } => (section.as_str(), *offset),
                _ => panic!("{fault:?}"),
            })
            .collect();
        assert_eq!(
            places,
            [
                (".initcall6.init", 4),
                (".initcall7.init", 0),
                (".pci_fixup_final", 28)
            ],
            "{target}"
        );
        assert_eq!(
            faults[1],
            fault(".initcall7.init", 0, "elsewhere + 0x4"),
            "{target}"
        );
    }
}

#[test]
fn the_fault_says_what_was_found() {
    let source = code() + &initcall("6", "local + 4") + &initcall("6", "global + 4");
    let dir = object(&source, ARM64);
    let (_, faults) = check(&dir, "a.o");
    assert_eq!(
        faults,
        [
            fault(".initcall6.init", 0, ".text + 0xc"),
            fault(".initcall6.init", 4, "global + 0x4")
        ]
    );
    assert_eq!(
        faults[0].to_string(),
        "section .initcall6.init at 0x0: expected a relocation to the start of a function, \
         found .text + 0xc"
    );
}

#[test]
fn a_relocation_without_a_symbol_is_a_fault() {
    let source = code() + ".section .initcall6.init, \"a\"\n.reloc 0, R_AARCH64_PREL32\n.long 0\n";
    let dir = object(&source, ARM64);
    let (_, faults) = check(&dir, "a.o");
    assert_eq!(
        faults,
        [fault(".initcall6.init", 0, "a relocation without a symbol")]
    );
}

#[test]
fn sections_that_are_not_in_memory_or_hold_names_are_no_tables() {
    let source = code()
        + ".section .initcall6.init, \"\"\n.long local + 4 - .\n\
           .section __ksymtab_strings, \"a\"\n.long local + 4 - .\n";
    let dir = object(&source, ARM64);
    assert_eq!(check(&dir, "a.o"), (Report::default(), vec![]));
}

/// The entry names a stub, as with the installed headers; the stub keeps its name and its place,
/// even if LTO changes the static function that it calls.
#[test]
fn stubs_survive_a_link_of_bitcode() {
    let source = |module: &str| {
        let stub = format!("__initstub__kmod_{module}__1_2_init6");
        format!(
            "int printk(void);\n\
             static __attribute__((noinline)) int init(void) {{ return printk() + 1; }}\n\
             int {stub}(void) {{ return init(); }}\n\
             static __attribute__((used)) void *keep_{module} = {stub};\n\
             asm(\".section .initcall6.init, \\\"a\\\"\\n.long {stub} - .\\n.previous\\n\");\n"
        )
    };
    for target in ["--target=aarch64-linux-gnu", "--target=x86_64-linux-gnu"] {
        for lto in ["-flto=thin", "-flto=full"] {
            let dir = TestDir::new();
            dir.c("a.o", &source("a"), &[target, "-O2", lto]);
            dir.c("b.o", &source("b"), &[target, "-O2", lto]);
            dir.run("ld.lld", &["-r", "a.o", "b.o", "-o", "vmlinux.o"]);
            let (report, faults) = check(&dir, "vmlinux.o");
            assert_eq!(report.n_entries, 2, "{target} {lto}");
            assert_eq!(faults, [], "{target} {lto}");
        }
    }
}

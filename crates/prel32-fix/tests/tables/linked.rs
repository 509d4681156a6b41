// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Linked kernels: every table is found and read, and every entry that does not resolve is reported
//! exactly.

use prel32_fix::{Entry, Fault, Report};
use test_support::{ARM64, KERNEL_TARGETS, TestDir};
use tool_io::Files;

use crate::support::{
    KINDS, LEVELS, PASSES, address, check, export, functions, initcall, link, pci_fixup, script,
    tables,
};

/// Two initcalls in level 6 and one in level 7.
const SMALL: [(&str, &str); 3] = [("6", "first"), ("6", "second"), ("7", "third")];

fn small(entries: &[(&str, &str)]) -> String {
    let entries: Vec<_> = entries
        .iter()
        .map(|(level, target)| initcall(level, target))
        .collect();
    functions(&["first", "second", "third"]) + &entries.concat()
}

/// Returns the tables with the source names of their entries.
fn names(dir: &TestDir) -> Vec<(String, Vec<String>)> {
    let name = |entry: &Entry| entry.source_name().unwrap_or("?").to_owned();
    tables(dir)
        .into_iter()
        .map(|table| (table.name, table.entries.iter().map(name).collect()))
        .collect()
}

#[test]
fn every_table_is_read_in_the_order_of_memory() {
    for target in KERNEL_TARGETS {
        let mut source = String::new();
        let mut expected = Vec::new();
        let mut table = |name: String, entries: [&str; 2]| {
            expected.push((name, entries.map(str::to_owned).to_vec()));
        };
        let own = ["zebra", "apple"];
        for level in LEVELS.iter().chain(&["con"]) {
            source += &(initcall(level, own[0]) + &initcall(level, own[1]));
            table(format!("initcall {level}"), own);
        }
        for pass in PASSES {
            source += &(pci_fixup(pass, own[0]) + &pci_fixup(pass, own[1]));
            table(format!("pci_fixup {pass}"), own);
        }
        for kind in KINDS {
            source += &(export(kind, "function") + &export(kind, "variable"));
            table(format!("ksymtab{kind}"), ["function", "variable"]);
        }
        let data = ".data\n.globl variable\n.type variable, %object\nvariable: .long 1\n";
        let source = functions(&["apple", "function", "zebra"]) + data + &source;
        let dir = TestDir::new();
        link(&dir, target, &source, &script());
        assert_eq!(names(&dir), expected, "{target}");
        let report = Report {
            n_tables: 24,
            n_entries: 48,
        };
        assert_eq!(check(&dir, "vmlinux"), (report, vec![]));
    }
}

#[test]
fn sync_initcalls_belong_to_their_level() {
    let dir = TestDir::new();
    let source = functions(&["late", "early"]) + &initcall("6s", "late") + &initcall("6", "early");
    link(&dir, ARM64, &source, &script());
    assert_eq!(
        names(&dir),
        [("initcall 6".into(), vec!["early".into(), "late".into()])]
    );
}

#[test]
fn entries_know_where_they_are_and_where_they_point() {
    let dir = TestDir::new();
    link(&dir, ARM64, &small(&SMALL), &script());
    let tables = tables(&dir);
    let start = address(&dir, "__initcall6_start");
    let entry = |offset, symbol: &str| Entry {
        address: start + offset,
        target: address(&dir, symbol),
        symbol: Some(symbol.into()),
        is_code: true,
    };
    assert_eq!(tables[0].entries, [entry(0, "first"), entry(4, "second")]);
    assert_eq!(tables[1].entries, [entry(8, "third")]);
}

#[test]
fn of_several_symbols_at_one_place_a_stub_names_it_then_a_function() {
    let start = ".type data, %object\ndata:\nlabel:\n";
    let function = ".type function, %function\nfunction:\n";
    let stub = ".globl __initstub__kmod_m__1_2_real6\n__initstub__kmod_m__1_2_real6:\n";
    for (symbols, symbol, source) in [
        (
            [start, function, stub],
            "__initstub__kmod_m__1_2_real6",
            "real",
        ),
        ([start, function, ""], "function", "function"),
        ([start, "", ""], "data", "data"),
        (["label:\n", "", ""], "label", "label"),
    ] {
        for reverse in [false, true] {
            let mut symbols = symbols;
            if reverse {
                symbols.reverse();
            }
            let text = format!(
                ".text\n.quad 0\n{}ret\n{}",
                symbols.concat(),
                initcall("6", ".text + 8")
            );
            let dir = TestDir::new();
            link(&dir, ARM64, &text, &script());
            let tables = tables(&dir);
            let entry = &tables[0].entries[0];
            assert_eq!(entry.symbol.as_deref(), Some(symbol));
            assert_eq!(entry.source_name(), Some(source));
        }
    }
}

#[test]
fn an_entry_into_the_middle_of_a_function_is_a_fault() {
    for target in KERNEL_TARGETS {
        let dir = TestDir::new();
        let source = small(&[("6", "first"), ("6", "second + 4"), ("7", "third")]);
        link(&dir, target, &source, &script());
        let (report, faults) = check(&dir, "vmlinux");
        let report_expected = Report {
            n_tables: 2,
            n_entries: 3,
        };
        assert_eq!(report, report_expected);
        let fault = Fault::NoStart {
            table: "initcall 6".into(),
            index: 1,
            address: address(&dir, "__initcall6_start") + 4,
            target: address(&dir, "second") + 4,
        };
        assert_eq!(faults, [fault]);
        assert_eq!(
            faults[0].to_string(),
            format!(
                "initcall 6 entry 1 at {:#x}: expected the start of a function, found {:#x}, \
                 where none starts",
                address(&dir, "__initcall6_start") + 4,
                address(&dir, "second") + 4
            )
        );
    }
}

#[test]
fn an_entry_to_nowhere_is_a_fault() {
    for target in ["0x7fff0000", "first - 0x100000"] {
        let dir = TestDir::new();
        let source = small(&[("6", target)]);
        link(&dir, ARM64, &source, &script());
        let (_, faults) = check(&dir, "vmlinux");
        assert!(
            matches!(faults[..], [Fault::NoStart { index: 0, .. }]),
            "{faults:?}"
        );
    }
}

#[test]
fn a_mapping_symbol_is_no_name() {
    let dir = TestDir::new();
    // The assembler marks the instruction after the data with $x.
    let source = ".text\n.globl data\ndata: .word 1\nret\n".to_owned() + &initcall("6", "data + 4");
    link(&dir, ARM64, &source, &script());
    let bytes = dir.read("vmlinux");
    let elf = goblin::elf::Elf::parse(&bytes).unwrap();
    let there = address(&dir, "data") + 4;
    let marked = elf
        .syms
        .iter()
        .any(|symbol| symbol.st_value == there && elf.strtab.get_at(symbol.st_name) == Some("$x"));
    assert!(marked, "without the mark this shows nothing");
    let (_, faults) = check(&dir, "vmlinux");
    assert!(matches!(faults[..], [Fault::NoStart { .. }]), "{faults:?}");
}

/// Returns the fault of a kernel whose linker script was changed.
fn bounds(from: &str, to: &str) -> Fault {
    let dir = TestDir::new();
    let script = script();
    assert!(script.contains(from), "{from}");
    let source = small(&SMALL) + &pci_fixup("final", "first") + &export("", "second");
    link(&dir, ARM64, &source, &script.replace(from, to));
    let (_, mut faults) = check(&dir, "vmlinux");
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

fn bounds_fault(table: &str, reason: &str) -> Fault {
    Fault::Bounds {
        table: table.into(),
        reason: reason.into(),
    }
}

#[test]
fn bounds_that_are_swapped_are_a_fault() {
    let fault = bounds(
        "__start___ksymtab = .; *(SORT(___ksymtab+*)) __stop___ksymtab = .;",
        "__stop___ksymtab = .; *(SORT(___ksymtab+*)) __start___ksymtab = .;",
    );
    assert_eq!(
        fault,
        bounds_fault("ksymtab", "__stop___ksymtab lies before __start___ksymtab")
    );
    assert_eq!(
        fault.to_string(),
        "table ksymtab: __stop___ksymtab lies before __start___ksymtab"
    );
}

#[test]
fn bounds_around_half_an_entry_are_a_fault() {
    assert_eq!(
        bounds(
            "__end_pci_fixups_final = .;",
            "__end_pci_fixups_final = . - 4;"
        ),
        bounds_fault(
            "pci_fixup final",
            "12 bytes are not a multiple of the entry size, 16 bytes"
        )
    );
    assert_eq!(
        bounds("__stop___ksymtab = .;", "BYTE(0) __stop___ksymtab = .;"),
        bounds_fault(
            "ksymtab",
            "13 bytes are not a multiple of the entry size, 12 bytes"
        )
    );
}

#[test]
fn bounds_beyond_the_file_are_a_fault() {
    let fault = bounds(
        "__initcall_end = .;",
        "__initcall_end = 0xfffffffffffff000;",
    );
    let Fault::Bounds { table, reason } = fault else {
        panic!("{fault:?}");
    };
    assert_eq!(table, "initcall 7");
    assert!(
        reason.starts_with("no bytes in the file for 0x"),
        "{reason}"
    );
}

#[test]
fn a_table_without_bytes_in_the_file_is_a_fault() {
    let dir = TestDir::new();
    let source = functions(&["first"]) + ".section .initcall6.init, \"aw\", %nobits\n.zero 4\n";
    let script = "SECTIONS { .text : { *(.text) } \
                  .bss : { __initcall6_start = .; *(.initcall6.init) __initcall7_start = .; } }";
    link(&dir, ARM64, &source, script);
    let start = address(&dir, "__initcall6_start");
    let (_, faults) = check(&dir, "vmlinux");
    assert_eq!(
        faults,
        [bounds_fault(
            "initcall 6",
            &format!("no bytes in the file for {start:#x}")
        )]
    );
}

/// Debug information has addresses from 0 on, as if it were at that place in memory.
#[test]
fn sections_that_are_not_in_memory_hold_no_tables() {
    let dir = TestDir::new();
    let source = functions(&["first"]) + ".section .debug_info, \"\"\n.zero 64\n";
    let script = "SECTIONS { . = 0x10000; .text : { *(.text) } \
                  __initcall6_start = 16; __initcall7_start = 20; }";
    link(&dir, ARM64, &source, script);
    let (_, faults) = check(&dir, "vmlinux");
    assert_eq!(
        faults,
        [bounds_fault("initcall 6", "no bytes in the file for 0x10")]
    );
}

#[test]
fn every_fault_of_a_kernel_is_told() {
    let dir = TestDir::new();
    let source = small(&[("6", "first + 1"), ("6", "second"), ("7", "third + 2")])
        + &pci_fixup("final", "first + 4")
        + &export("", "second");
    let script = script().replace("__stop___ksymtab = .;", "BYTE(0) __stop___ksymtab = .;");
    link(&dir, ARM64, &source, &script);
    let (report, faults) = check(&dir, "vmlinux");
    let tables: Vec<_> = faults
        .iter()
        .map(|fault| match fault {
            Fault::NoStart { table, index, .. } => (table.as_str(), Some(*index)),
            Fault::Bounds { table, .. } => (table.as_str(), None),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        tables,
        [
            ("ksymtab", None),
            ("initcall 6", Some(0)),
            ("initcall 7", Some(0)),
            ("pci_fixup final", Some(0)),
        ]
    );
    assert_eq!((report.n_tables, report.n_entries), (3, 4));
}

#[test]
fn a_kernel_without_tables_has_no_faults() {
    let dir = TestDir::new();
    link(&dir, ARM64, &functions(&["first"]), &script());
    assert_eq!(tables(&dir), []);
    assert_eq!(check(&dir, "vmlinux"), (Report::default(), vec![]));
    let none = "SECTIONS { .text : { *(.text) } }";
    link(&dir, ARM64, &functions(&["first"]), none);
    assert_eq!(check(&dir, "vmlinux"), (Report::default(), vec![]));
}

/// Returns assembly of two functions, the first of which the kernel may patch at its start and at
/// its fifth byte.
fn patchable(target: &str) -> String {
    let no_ops = match target {
        ARM64 => "nop\nnop",
        _ => ".byte 0x66, 0x90, 0x66, 0x90, 0x0f, 0x1f, 0x44, 0, 0",
    };
    format!(".text\n.globl first\n.type first, %function\nfirst: {no_ops}\n")
        + &functions(&["second"])
}

/// Returns assembly of a jump label, a static call and a tracepoint.
fn patched(code: &str, target: &str, site: &str, tracepoint: &str) -> String {
    format!(
        ".section __jump_table, \"aw\"\n.long {code} - ., {target} - .\n.quad variable - .\n\
         .section .static_call_sites, \"aw\"\n.long {site} - ., variable - . + 1\n\
         .section .static_call_tramp_key, \"a\"\n.long first - ., variable - .\n\
         .section __tracepoints_ptrs, \"a\"\n.long {tracepoint} - .\n\
         .data\n.type variable, %object\nvariable: .quad 0\n"
    )
}

const PATCHED_SCRIPT: &str = "SECTIONS {\n. = 0x10000;\n.text : { *(.text*) }\n.data : {\n\
    __start___jump_table = .; *(__jump_table) __stop___jump_table = .;\n\
    __start_static_call_sites = .; *(.static_call_sites) __stop_static_call_sites = .;\n\
    __start_static_call_tramp_key = .; *(.static_call_tramp_key)\n\
    __stop_static_call_tramp_key = .;\n\
    __start___tracepoints_ptrs = .; *(__tracepoints_ptrs) __stop___tracepoints_ptrs = .;\n\
    *(.data) }\n}\n";

#[test]
fn places_that_are_patched_must_be_in_code() {
    for target in KERNEL_TARGETS {
        let functions = patchable(target);
        let dir = TestDir::new();
        // A jump leads into the middle of a function.
        let good = patched("first + 4", "second + 4", "second + 2", "variable");
        link(&dir, target, &(functions.clone() + &good), PATCHED_SCRIPT);
        let names: Vec<_> = tables(&dir).into_iter().map(|table| table.name).collect();
        let expected = [
            "tracepoints",
            "jump_label code",
            "jump_label target",
            "static_call",
            "static_call trampoline",
        ];
        assert_eq!(names, expected);
        let report = Report {
            n_tables: 5,
            n_entries: 5,
        };
        assert_eq!(check(&dir, "vmlinux"), (report, vec![]));

        for (moved, table) in [
            (
                patched("variable", "second", "second", "variable"),
                "jump_label code",
            ),
            (
                patched("first", "variable", "second", "variable"),
                "jump_label target",
            ),
            (
                patched("first", "second", "variable", "variable"),
                "static_call",
            ),
            (
                patched("first", "second", "first", "variable + 4"),
                "tracepoints",
            ),
        ] {
            link(&dir, target, &(functions.clone() + &moved), PATCHED_SCRIPT);
            let (_, faults) = check(&dir, "vmlinux");
            let [fault] = &faults[..] else {
                panic!("{table}: {faults:?}");
            };
            assert!(
                fault
                    .to_string()
                    .starts_with(&format!("{table} entry 0 at "))
            );
        }
    }
}

#[test]
fn fixups_are_compared_by_the_hooks_that_they_call() {
    let hooks = ["first", "second"];
    let kernel = |names: &[&str], entries: &[&str]| {
        let entries: Vec<_> = entries
            .iter()
            .map(|target| pci_fixup("final", target))
            .collect();
        let dir = TestDir::new();
        link(
            &dir,
            ARM64,
            &(functions(names) + &entries.concat()),
            &script(),
        );
        dir
    };
    let stubs = [
        "__pci_fixup__kmod_m__1_2_first",
        "__pci_fixup__kmod_m__3_4_second",
    ];
    let reference = kernel(&hooks, &hooks);
    let differences = |kernel: &TestDir| {
        let files = Files::new();
        prel32_fix::differences(
            &files.elf(&kernel.join("vmlinux")).unwrap(),
            &files.elf(&reference.join("vmlinux")).unwrap(),
        )
    };
    assert_eq!(differences(&kernel(&stubs, &stubs)), []);

    let swapped = kernel(&stubs, &[stubs[1], stubs[1]]);
    let start = address(&swapped, "__start_pci_fixups_final");
    let other = Fault::Other {
        table: "pci_fixup final".into(),
        index: 0,
        address: start + 12,
        expected: "first".into(),
        found: "second".into(),
    };
    assert_eq!(differences(&swapped), [other]);

    let lost = |found| Fault::Length {
        table: "pci_fixup final".into(),
        expected: 2,
        found,
    };
    assert_eq!(differences(&kernel(&stubs, &stubs[..1])), [lost(1)]);
    assert_eq!(differences(&kernel(&stubs, &[])), [lost(0)]);
}

#[test]
fn a_bound_that_is_missing_is_a_fault() {
    let fault = bounds("__start___ksymtab = .;", "");
    assert_eq!(
        fault,
        bounds_fault("ksymtab", "there is no __start___ksymtab")
    );
}

#[test]
fn entries_of_the_object_must_be_in_the_kernel() {
    let lost = |from: &str, to: &str| {
        let dir = TestDir::new();
        let source = small(&SMALL) + &pci_fixup("final", "first") + &export("", "second");
        let script = script();
        assert!(script.contains(from), "{from}");
        link(&dir, ARM64, &source, &script.replace(from, to));
        let files = Files::new();
        let elf = |name: &str| files.elf(&dir.join(name)).unwrap();
        let faults = prel32_fix::lost(&elf("vmlinux"), &elf("vmlinux.o"));
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(lost("", ""), [""; 0]);
    let both = "__start___ksymtab = .; *(SORT(___ksymtab+*)) __stop___ksymtab = .;";
    let expected = "ksymtab: vmlinux.o has 1 entries, and the tables of the linked kernel have 0";
    assert_eq!(lost(both, "*(SORT(___ksymtab+*))"), [expected]);
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tables of linked kernels, and those that compilers make, compared with the code.

use std::sync::OnceLock;

use goblin::elf::Elf;
use mcount_loc::{Site, check, sites};
use object_model::Elf as OurElf;
use proptest::prelude::*;
use test_support::{TestDir, damaged_words, flipped_bits};

use crate::support::{
    ARM, LINKED, TARGETS, TRACED_SECTIONS, Target, X86, fault, lld, object, run, success,
};

/// The no-ops that 64-bit Arm has instead of calls.
const NOPS: &[&str] = &["-O2", "-fno-pic", "-fpatchable-function-entry=2"];
const ARM_TRIPLES: [(&str, Target); 2] = [
    ("--target=aarch64-linux-gnu", TARGETS[2]),
    ("--target=aarch64_be-linux-gnu", TARGETS[3]),
];
/// The kernel's link flags if it relocates itself at its start.
const MOVED: &[&str] = &[
    "-shared",
    "-Bsymbolic",
    "-z",
    "notext",
    "--no-apply-dynamic-relocs",
];

/// The functions of [`crate::support::source`] that are traced, by name.
const FUNCTIONS: [&str; 4] = ["cold", "local", "plain", "weak"];

/// Returns the names of the functions in the tables of `bytes`, ordered.
fn functions(bytes: &[u8]) -> Vec<String> {
    let elf = OurElf::parse(bytes).unwrap();
    let sites = sites(&elf).unwrap();
    let names = sites.iter().map(|site| name(&elf, site).to_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Returns the name of the function that is patched there.
fn name<'data>(elf: &OurElf<'data>, site: &Site) -> &'data str {
    let function = site.function.and_then(|index| elf.symbol(index));
    function.map_or("?", |symbol| symbol.name)
}

fn n_records(bytes: &[u8]) -> usize {
    check(&OurElf::parse(bytes).unwrap()).unwrap().0.n_records
}

/// Links `a.o`, which has entry calls and a table, to a kernel.
fn kernel(dir: &TestDir, target: Target) -> Vec<u8> {
    object(dir, "a.o", target, &TRACED_SECTIONS, &[]);
    run(dir, &["a.o"]);
    let rest = format!(
        ".globl {0}\n{0}: ret\n.globl callee\ncallee: ret\n",
        target.entry
    );
    dir.asm("rest.o", &rest, &target.flags[..1]);
    dir.write("lds", LINKED);
    lld(dir, target, &["-T", "lds", "-o", "linked", "a.o", "rest.o"]);
    dir.read("linked")
}

#[test]
fn the_table_of_a_kernel_has_the_functions_of_its_objects() {
    for target in TARGETS {
        let dir = TestDir::new();
        let linked = kernel(&dir, target);
        assert_eq!(run(&dir, &["--check", "linked"]), success(), "{target:?}");
        assert_eq!(functions(&linked), functions(&dir.read("a.o")));
        assert_eq!(n_records(&linked), 12);
        for function in FUNCTIONS {
            assert!(functions(&linked).contains(&function.to_owned()));
        }
    }
}

/// Returns the offset in the file of the bytes at `address`.
fn file_offset(bytes: &[u8], address: u64) -> usize {
    let elf = Elf::parse(bytes).unwrap();
    let mut sections = elf.section_headers.iter();
    let section = sections.find(|section| section.vm_range().contains(&(address as usize)));
    let section = section.unwrap_or_else(|| panic!("nothing at {address:#x}"));
    (section.sh_offset + address - section.sh_addr) as usize
}

fn symbol(bytes: &[u8], name: &str) -> u64 {
    let elf = Elf::parse(bytes).unwrap();
    let mut symbols = elf.syms.iter();
    let symbol = symbols.find(|symbol| elf.strtab.get_at(symbol.st_name) == Some(name));
    symbol.unwrap_or_else(|| panic!("no {name}")).st_value
}

/// Returns the faults of the kernel of `a.o` with another second record.
fn with_second_record(target: Target, change: impl Fn(u64) -> u64) -> String {
    let dir = TestDir::new();
    let mut linked = kernel(&dir, target);
    let at = file_offset(&linked, symbol(&linked, "__start_mcount_loc") + 8);
    let record = u64::from_le_bytes(linked[at..at + 8].try_into().unwrap());
    linked[at..at + 8].copy_from_slice(&change(record).to_le_bytes());
    dir.write("linked", &linked);
    let (code, message) = run(&dir, &["--check", "linked"]);
    assert_eq!(code, Some(1), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn a_wrong_record_of_a_kernel_is_a_fault() {
    for (target, beside) in [(X86, 1), (ARM, 4)] {
        let message = with_second_record(target, |record| record + beside);
        let expected = "expected a call or no-ops at the entry of a function there";
        assert!(message.contains("linked: __mcount_loc+0x8 refers to .text+0x"));
        assert!(message.contains(expected), "{message}");
        let message = with_second_record(target, |_| 0x100);
        let expected = "__mcount_loc+0x8 is no address of code: it holds 0x100, where no code is";
        assert!(message.contains(expected), "{message}");
    }
}

/// `scripts/sorttable.c` of Linux 6.15 zeroes the records of replaced weak functions, and sorts the table.
#[test]
fn zeros_in_front_of_the_table_of_a_kernel_are_no_records() {
    let dir = TestDir::new();
    let mut linked = kernel(&dir, X86);
    let first = file_offset(&linked, symbol(&linked, "__start_mcount_loc"));
    linked[first..first + 8].fill(0);
    dir.write("linked", &linked);
    let (code, message) = run(&dir, &["--check", "linked"]);
    assert_eq!((code, message.as_str()), (Some(0), ""));
    let message = with_second_record(X86, |_| 0);
    assert!(message.contains("__mcount_loc+0x8"), "{message}");
}

#[test]
fn a_second_record_of_a_function_of_a_kernel_is_a_fault() {
    let dir = TestDir::new();
    let linked = kernel(&dir, X86);
    let first = file_offset(&linked, symbol(&linked, "__start_mcount_loc"));
    let first = u64::from_le_bytes(linked[first..first + 8].try_into().unwrap());
    let message = with_second_record(X86, |_| first);
    assert!(
        message.contains("__mcount_loc+0x8 refers to .text+0x0, like an earlier entry"),
        "{message}"
    );
}

#[test]
fn a_kernel_without_whole_table_is_a_fault() {
    let dir = TestDir::new();
    let table_fault = |reason: &str| {
        let line = format!("linked: has no table of entry calls: {reason}");
        fault(&[&line])
    };
    kernel(&dir, X86);
    for (script, reason) in [
        (
            LINKED.replace("__start_mcount_loc = .;", ""),
            "there is no __start_mcount_loc",
        ),
        (
            LINKED.replace("__stop_mcount_loc = .;", "__stop_mcount_loc = . - 4;"),
            "92 bytes are not a multiple of the entry size, 8 bytes",
        ),
        (
            LINKED.replace(
                "__stop_mcount_loc = .;",
                "__stop_mcount_loc = __start_mcount_loc - 8;",
            ),
            "__stop_mcount_loc lies before __start_mcount_loc",
        ),
    ] {
        dir.write("lds", &script);
        lld(&dir, X86, &["-T", "lds", "-o", "linked", "a.o", "rest.o"]);
        assert_eq!(run(&dir, &["--check", "linked"]), table_fault(reason));
    }
}

/// Kinds of no-ops, and the distance in bytes of a record from its function.
const NOP_SORTS: [(&[&str], i64); 3] = [
    (&[], 0),
    (&["-mbranch-protection=bti"], 4),
    (&["-fpatchable-function-entry=4,2"], -8),
];

#[test]
fn tables_of_the_compiler_are_read_in_objects_and_kernels() {
    for (triple, target) in ARM_TRIPLES {
        for (sort, distance) in NOP_SORTS {
            let dir = TestDir::new();
            let flags = [&[triple], NOPS, sort].concat();
            dir.c("a.o", &crate::support::source(&[]), &flags);
            let rest = ".globl callee\ncallee: ret\n";
            dir.asm("rest.o", rest, &[triple]);
            assert_eq!(run(&dir, &["--check", "a.o"]), success(), "{flags:?}");
            // All functions are patchable except those that exclude themselves; the attribute
            // against calls does not exclude.
            let expected = ["cold", "local", "notrace", "plain", "weak"];
            assert_eq!(functions(&dir.read("a.o")), expected, "{flags:?}");
            dir.write("lds", LINKED);
            for moved in [&[][..], MOVED] {
                let arguments = [&["-T", "lds", "-o", "linked", "a.o", "rest.o"], moved].concat();
                lld(&dir, target, &arguments);
                let linked = dir.read("linked");
                assert_eq!(
                    run(&dir, &["--check", "linked"]),
                    success(),
                    "{arguments:?}"
                );
                assert_eq!(functions(&linked), expected, "{arguments:?}");
                assert_eq!(n_records(&linked), 5);
                let elf = OurElf::parse(&linked).unwrap();
                let sites = sites(&elf).unwrap();
                let plain = sites.iter().find(|site| name(&elf, site) == "plain");
                let plain = plain.unwrap();
                let address = elf.section(plain.section).unwrap().address + plain.offset;
                let function = symbol(&linked, "plain");
                assert_eq!(address.wrapping_sub(function).cast_signed(), distance);
            }
        }
    }
}

/// Without LTO, a replaced weak function keeps its code and its record.
#[test]
fn code_that_lost_its_name_is_traced_without_fault() {
    for target in [X86, ARM] {
        let flags: &[&[&str]] = &[
            target.flags,
            &["--target=aarch64-linux-gnu", "-fpatchable-function-entry=2"],
        ];
        let n_sorts = if target.emulation == ARM.emulation {
            2
        } else {
            1
        };
        for flags in &flags[..n_sorts] {
            let dir = TestDir::new();
            dir.c(
                "a.o",
                &crate::support::source(&[]),
                &[flags, &["-O2"][..]].concat(),
            );
            dir.c("b.o", "int weak(int x) { return x; }", &flags[..1]);
            let rest = format!(
                ".globl {0}\n{0}: ret\n.globl callee\ncallee: ret\n",
                target.entry
            );
            dir.asm("rest.o", &rest, &flags[..1]);
            dir.write("lds", LINKED);
            run(&dir, &["a.o"]);
            let n_before = functions(&dir.read("a.o")).len();
            lld(
                &dir,
                target,
                &["-T", "lds", "-o", "linked", "b.o", "a.o", "rest.o"],
            );
            assert_eq!(run(&dir, &["--check", "linked"]), success(), "{flags:?}");
            let functions = functions(&dir.read("linked"));
            assert_eq!(functions.len(), n_before);
            assert_eq!(functions.iter().filter(|name| *name == "?").count(), 1);
            assert!(!functions.contains(&"weak".to_owned()));
        }
    }
}

/// Kernels with both sorts of entries, one that moves itself, and an object with no-ops.
fn samples() -> &'static [Vec<u8>] {
    static SAMPLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let dir = TestDir::new();
        let calls = [X86, ARM].map(|target| kernel(&dir, target));
        let flags = [&ARM.flags[..1], NOPS].concat();
        dir.c("nops.o", &crate::support::source(&[]), &flags);
        let arguments = [&["-T", "lds", "-o", "moved", "nops.o", "rest.o"], MOVED].concat();
        lld(&dir, ARM, &arguments);
        let nops = ["nops.o", "moved"].map(|name| dir.read(name));
        calls.into_iter().chain(nops).collect()
    })
}

#[test]
fn samples_are_whole() {
    for sample in samples() {
        let elf = OurElf::parse(sample).unwrap();
        let (report, faults) = check(&elf).unwrap();
        assert_eq!((report.n_records > 4, &faults[..]), (true, &[][..]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_do_no_harm(damage in flipped_bits()) {
        both(&damage.of(samples()));
    }

    #[test]
    fn damaged_words_do_no_harm(damage in damaged_words()) {
        both(&damage.of(samples()));
    }
}

/// The result does not matter, but the tool must end.
fn both(bytes: &[u8]) {
    if let Ok(elf) = OurElf::parse(bytes) {
        let _ = check(&elf);
        let _ = sites(&elf);
    }
}

#[test]
fn a_table_of_no_ops_that_names_something_else_is_a_fault() {
    let dir = TestDir::new();
    let code = ".text\n.type f,@function\nf: nop\n nop\n ret\n.size f, .-f\n\
                .type g,@function\ng: nop\n ret\n.size g, .-g\n\
                .type h,@function\nh: ret\n nop\n nop\n ret\n nop\n nop\n.size h, .-h\n\
                .section __patchable_function_entries,\"aw\",@progbits\n";
    let faults = |table: &str| {
        dir.asm("a.o", &[code, table].concat(), &[ARM.flags[0]]);
        run(&dir, &["--check", "a.o"])
    };
    assert_eq!(faults(".quad f\n"), success());
    for (table, at, rest) in [
        (".quad f, f+4\n", 8, "refers to .text+0x4 in f"),
        (".quad g\n", 0, "refers to .text+0xc in g"),
        // Nothing precedes the first, and the second is not the entry.
        (".quad h+4\n", 0, "refers to .text+0x18 in h"),
        (".quad h+16\n", 0, "refers to .text+0x24 in h"),
        (".quad f+0x100\n", 0, "refers to .text+0x100 in ?"),
    ] {
        let line = format!(
            "a.o: __patchable_function_entries+{at:#x} {rest}, expected a call or no-ops at the \
             entry of a function there"
        );
        assert_eq!(faults(table), fault(&[&line]));
    }
    assert_eq!(
        faults(".quad f, f\n"),
        fault(&[
            "a.o: __patchable_function_entries+0x8 refers to .text+0x0, \
             like an earlier entry"
        ])
    );
    assert_eq!(
        faults(".quad f, 7\n"),
        fault(&[
            "a.o: __patchable_function_entries+0x8 is no address of code: \
             it has no relocation"
        ])
    );
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Sections, and the attribution of their bytes.

use std::collections::BTreeMap;

use test_support::TestDir;

use super::{Kernel, X86, function, nm, row};
use crate::Report;
use crate::attribution::{NO_OBJECT, NO_SYMBOL, SEVERAL};
use crate::sections::{Group, family};

/// Two files of one name, with statics of one name, one of them needed by both objects.
const FIRST: &str = "static int state; extern int other(int);\n\
    __attribute__((noinline)) static int helper(int x) { return x * 7 + other(x); }\n\
    int next_state(void) { return ++state; }\n\
    __attribute__((section(\".init.text\"))) int first(int x) { return helper(x) + state; }\n\
    const char first_table[40] = \"first\"; static int only_first[30];\n\
    int *first_of(int i) { return &only_first[i]; }\n";
const SECOND: &str = "extern int next_state(void); extern int other(int); int counters[25];\n\
    __attribute__((noinline)) static int helper(int x) { return other(x) - 3 * x; }\n\
    int second(int x) { return helper(x) + next_state() + counters[x & 7]; }\n";

/// Returns the size of a file in memory, by section, from llvm-size.
fn llvm_size(dir: &TestDir, file: &str) -> BTreeMap<String, u64> {
    let output = dir.run("llvm-size", &["-A", file]);
    let mut sizes = BTreeMap::new();
    for line in output.lines() {
        if let [name, size, _] = line.split_whitespace().collect::<Vec<_>>()[..]
            && let Ok(size) = size.parse::<u64>()
            && name.starts_with('.')
            // These are not loaded.
            && ![".comment", ".llvm_addrsig", ".note.GNU-stack", ".symtab", ".strtab", ".shstrtab"]
                .contains(&name)
            && !name.starts_with(".rela")
        {
            *sizes.entry(name.to_owned()).or_default() += size;
        }
    }
    sizes
}

fn kernel(flags: &[&str]) -> Kernel {
    let kernel = Kernel::empty();
    let mut flags = flags.to_vec();
    flags.extend([X86, "-O2", "-ffunction-sections", "-fdata-sections"]);
    flags.push("-fno-asynchronous-unwind-tables");
    kernel.dir.c("a/core.o", FIRST, &flags);
    kernel.dir.c("b/core.o", SECOND, &flags);
    let asm = format!(
        "{}{}.align 64\nlocal_label: .fill 24,1,0x90\n.type local_label,@function\n\
         .size local_label,24\n.section .rodata\n.asciz \"a table without a symbol\"\n",
        function("other", 33),
        function("entry", 5)
    );
    kernel.dir.asm("arch/entry.o", &asm, &[X86]);
    kernel.link(&["arch/entry.o", "a/core.o", "b/core.o"]);
    kernel
}

/// Checks that every byte of the file is shown once, for each grouping.
fn sums_agree(report: &Report, expected: u64) {
    assert_eq!(report.total.size, expected);
    let sums = [
        report.symbols.iter().map(|row| row.size).sum(),
        report.objects.iter().map(|named| named.size.size).sum(),
        report
            .groups
            .iter()
            .map(|named| named.size.size)
            .sum::<u64>(),
    ];
    assert_eq!(sums, [expected; 3]);
    let all = report.directories.iter().find(|named| named.name == ".");
    assert_eq!(all.unwrap().size.size, expected);
    let top = report.directories.iter();
    let top = top.filter(|named| named.name != "." && !named.name.contains('/'));
    assert_eq!(top.map(|named| named.size.size).sum::<u64>(), expected);
}

#[test]
fn sums_are_the_sizes_of_the_sections() {
    for flags in [&[][..], &["-flto=thin"], &["-flto=full"]] {
        let kernel = kernel(flags);
        let expected = llvm_size(&kernel.dir, "vmlinux.o");
        let report = kernel.report();
        assert_eq!(report.measured, "vmlinux.o");
        sums_agree(&report, expected.values().sum());
        for (name, group) in [(".text", "text"), (".init.text", "init"), (".bss", "bss")] {
            let of_name = |section: &&String| {
                let split = format!("{name}.");
                *section == name || section.starts_with(&split)
            };
            let expected: u64 = expected
                .iter()
                .filter(|(section, _)| of_name(section))
                .map(|(_, size)| size)
                .sum();
            let found = report.groups.iter().find(|named| named.name == group);
            assert_eq!(found.unwrap().size.size, expected, "{flags:?} {name}");
        }

        kernel.remove("vmlinux.o");
        let report = kernel.report();
        assert_eq!(report.measured, "vmlinux");
        sums_agree(&report, llvm_size(&kernel.dir, "vmlinux").values().sum());
    }
}

#[test]
fn what_is_native_is_found_in_its_object() {
    let kernel = kernel(&[]);
    let report = kernel.report();
    let mut of_symbols = 0;
    for object in ["arch/entry.o", "a/core.o", "b/core.o"] {
        let expected = nm(&kernel, object);
        of_symbols += expected.values().sum::<u64>();
        let rows = report.symbols.iter().filter(|row| row.object == object);
        let found: BTreeMap<_, _> = rows.map(|row| (row.name.clone(), row.size)).collect();
        assert_eq!(found, expected, "{object}");
    }
    let all: u64 = llvm_size(&kernel.dir, "vmlinux.o").values().sum();
    assert_eq!(report.without_symbols.size, all - of_symbols);
    // The text with its NUL.
    assert_eq!(row(&report, NO_SYMBOL, ".rodata").size, 25);
    assert!(report.symbols.iter().all(|row| row.change.is_none()));
}

#[test]
fn under_thin_lto_names_lead_to_the_object_of_the_source() {
    let kernel = kernel(&["-flto=thin"]);
    let promoted = nm(&kernel, "vmlinux.o");
    assert!(
        promoted.keys().any(|name| name.starts_with("state.llvm.")),
        "{promoted:?}"
    );
    let report = kernel.report();
    for (object, names) in [
        (
            "a/core.o",
            &["state", "helper", "first", "next_state", "only_first"][..],
        ),
        ("b/core.o", &["helper", "second", "counters"]),
        ("arch/entry.o", &["other", "entry", "local_label"]),
    ] {
        for name in names {
            let expected = promoted.get(*name).copied();
            let size = row(&report, object, name).size;
            // llvm-nm's lines do not distinguish the two helpers.
            assert!(*name == "helper" || expected.is_none_or(|expected| size == expected));
        }
    }
    let unknown = report.symbols.iter();
    let unknown = unknown.filter(|row| [NO_OBJECT, SEVERAL].contains(&row.object.as_str()));
    assert_eq!(unknown.count(), 0, "{:#?}", report.symbols);
}

#[test]
fn under_full_lto_what_cannot_be_told_is_said() {
    let kernel = kernel(&["-flto=full"]);
    let report = kernel.report();
    assert_eq!(row(&report, "a/core.o", "only_first").size, 120);
    assert_eq!(row(&report, "b/core.o", "counters").size, 100);
    // Both or neither: their names do not tell the object, but their order may.
    let helpers = report.symbols.iter().filter(|row| row.name == "helper");
    let n_parts: u64 = helpers.clone().map(|row| row.n_parts).sum();
    assert_eq!(n_parts, 2, "{:#?}", helpers.collect::<Vec<_>>());
}

#[test]
fn aliases_and_inner_symbols_are_counted_once() {
    let source = ".text\n.globl outer, alias\n.type outer,@function\n.type alias,@function\n\
        outer: alias: .fill 10,1,0x90\n.type inner,@function\ninner: .fill 6,1,0x90\n.size inner,6\n\
        .size outer,16\n.size alias,16\n.type beyond,@function\nbeyond: .fill 4,1,0x90\n\
        .size beyond,400\n";
    let report = Kernel::of_assembly(&[("a.o", source.to_owned())]).report();
    let rows = report.symbols.iter();
    let found: Vec<_> = rows.map(|row| (row.name.as_str(), row.size)).collect();
    assert_eq!(found, [("alias", 16), ("beyond", 4)]);
}

#[test]
fn without_a_record_the_archives_of_the_tree_are_read() {
    let kernel = kernel(&[]);
    kernel.remove("vmlinux.o.lto-inputs");
    let archive = |folder: &str, member: &str| {
        // Thin archives with paths relative to the archive, as in kernel builds.
        let path = format!("{folder}/built-in.a");
        kernel.dir.archive("rcsT", &path, &[member]);
    };
    archive("a", "a/core.o");
    archive("b", "b/core.o");
    archive("arch", "arch/entry.o");
    let report = kernel.report();
    assert_eq!(report.build.inputs, "the archives in the tree");
    assert_eq!(report.build.n_inputs, 3);
    let expected = nm(&kernel, "b/core.o");
    assert_eq!(row(&report, "b/core.o", "helper").size, expected["helper"]);
}

#[test]
fn modules_and_the_image_are_measured() {
    let kernel = kernel(&[]);
    kernel.dir.asm("fs/x.ko", &function("x", 48), &[X86]);
    kernel.dir.write("modules.order", "fs/x.o\n");
    kernel.dir.write("arch/x86/boot/bzImage", [0; 777]);
    let report = kernel.report();
    let expected: u64 = llvm_size(&kernel.dir, "fs/x.ko").values().sum();
    assert_eq!(report.modules_total.size, expected);
    assert_eq!(report.modules[0].name, "fs/x.ko");
    let image = report.image.unwrap();
    assert_eq!(
        (image.name.as_str(), image.size.size),
        ("arch/x86/boot/bzImage", 777)
    );
}

#[test]
fn what_is_no_kernel_is_named() {
    let kernel = Kernel {
        dir: TestDir::new(),
    };
    let error = kernel.error();
    assert!(
        error.contains("auto.conf: is this the object tree of a kernel?"),
        "{error}"
    );
    kernel.dir.write("include/config/auto.conf", "");
    let error = kernel.error();
    assert!(
        error.contains("vmlinux") && error.contains("is the kernel built?"),
        "{error}"
    );
}

#[test]
fn split_sections_are_one_family() {
    for (name, expected) in [
        (".text", ".text"),
        (".text.vfs_read", ".text"),
        (".text.unlikely.panic", ".text"),
        (".text..__x86.return_thunk", ".text..__x86"),
        (".init.text", ".init.text"),
        (".init.data.cst", ".init.data"),
        (".data..percpu..page_aligned", ".data..percpu"),
        (".data..ro_after_init", ".data..ro_after_init"),
        (".rodata.str1.8", ".rodata.str"),
        (".rodata..L__const.futex.q", ".rodata"),
        (".initcall6.init..x", ".initcall"),
        ("___ksymtab_gpl+vfs_read", "__ksymtab_gpl"),
        (".textual", ".textual"),
    ] {
        assert_eq!(family(name), expected, "{name}");
    }
}

#[test]
fn sections_are_grouped_as_in_memory() {
    let source = ".section .discard.x,\"a\"\n.fill 3\n.section .data..percpu,\"aw\"\n.fill 5\n\
        .section __jump_table,\"aw\"\n.fill 7\n.section .altinstructions,\"a\"\n.fill 11\n\
        .section .x86_cpu_dev.init,\"a\"\n.fill 13\n.bss\n.fill 17\n.data\n.fill 19\n.text\n.fill 23\n";
    let kernel = Kernel::of_assembly(&[("a.o", source.to_owned())]);
    let report = kernel.report();
    let found: Vec<_> = report.groups.iter().map(|named| named.size.size).collect();
    assert_eq!(found, [23, 7, 19, 5, 17, 24, 3], "{:?}", Group::ALL);
    assert_eq!(report.total.size, 95);
    assert!(report.symbols.iter().all(|row| row.object == NO_SYMBOL));
}

#[test]
fn the_layout_is_shown_for_a_kernel_by_a_profile_only() {
    let kernel = kernel(&[]);
    let hot =
        ".section .text.hot.,\"ax\"\n.type often,@function\noften: .fill 7,1,0x90\n.size often,7\n";
    let cold = ".section .text.unlikely.,\"ax\"\n.type seldom,@function\nseldom: .fill 9,1,0x90\n\
        .size seldom,9\n";
    kernel
        .dir
        .asm("b/profiled.o", &format!("{hot}{cold}"), &[X86]);
    kernel.link(&["arch/entry.o", "a/core.o", "b/core.o", "b/profiled.o"]);
    let auto_conf = kernel.dir.read_text("include/config/auto.conf");
    for (value, is_shown) in [("\"a.profdata\"", true), ("\"\"", false)] {
        let text = format!("{auto_conf}CONFIG_LTO_PROFILE_USE={value}\n");
        kernel.dir.write("include/config/auto.conf", text);
        let report = kernel.report();
        let layout = report.by_profile;
        let found = layout.map(|layout| (layout.hot.bytes, layout.cold.n, layout.cold.bytes));
        assert_eq!(found, is_shown.then_some((7, 1, 9)));
        let text = crate::tables(&report, 5);
        assert_eq!(text.contains("cold: made small"), is_shown, "{text}");
    }
}

#[test]
fn a_static_that_lto_had_made_global_is_not_a_global_of_its_name() {
    let local = function("helper", 40).replace(".globl helper\n", "");
    let kernel = Kernel::of_assembly(&[
        ("a.o", format!("{local}{}", function("a", 8))),
        ("b.o", function("helper", 24)),
    ]);
    let report = kernel.report();
    assert_eq!(row(&report, "a.o", "helper").size, 40);
    assert_eq!(row(&report, "b.o", "helper").size, 24);
}

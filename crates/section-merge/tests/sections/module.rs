// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Modules that clang and ld.lld make in the test, linked with the patterns that the plugin puts
//! into scripts/module.lds.S.

use section_merge::{Fault, Reference, check_module};
use test_support::{ARM64, KERNEL_TARGETS, TestDir};
use tool_io::Files;

use crate::support::{glue, run};

/// Code and data for each section that a compiler splits, and for sections that the kernel places by name.
const SOURCE: &str = r#"
int function(int x) { return x + 1; }
__attribute__((cold)) int unlikely(int x) { return x + 9; }
static int kept = 4;
int bump(void) { return ++kept; }
int static_in_function(void) { static int inside = 4; return inside++; }
int initialized = 3;
int zeroed;
const int constant[] = {1, 2, 3};
double literal(double x) { return x * 0.3; }
int *compound[] = {(int[]){1, 2}, (int[]){3}};
int table(int x)
{
    switch (x) {
    case 0: return 11;
    case 1: return 5;
    case 2: return 77;
    case 3: return 1;
    case 4: return 8;
    }
    return 0;
}
__attribute__((section(".data..percpu"))) int per_cpu = 1;
__attribute__((section(".data..once"))) int once = 1;
__attribute__((section(".text..special"))) int special(void) { return 1; }
"#;

/// The ways to split sections: LTO always does, and the compiler does with flags.
const SPLIT: [&[&str]; 3] = [
    &["-flto=thin"],
    &["-flto=full"],
    &["-ffunction-sections", "-fdata-sections"],
];

/// Makes the module `name`, compiled with `flags` and linked with the text `script` in its linker script.
fn module(dir: &TestDir, name: &str, flags: &[&str], script: &str) {
    let flags = [&["-O2", "-fpatchable-function-entry=2"], flags].concat();
    dir.c("part.o", SOURCE, &flags);
    // As in kbuild: native code first, then the module.
    dir.run("ld.lld", &["-r", "part.o", "-o", "native.o"]);
    let common = "__patchable_function_entries : { *(__patchable_function_entries) }";
    dir.write(
        "module.lds",
        format!("SECTIONS {{\n{common}\n{script}\n}}\n"),
    );
    dir.run(
        "ld.lld",
        &["-r", "-T", "module.lds", "native.o", "-o", name],
    );
}

/// Returns the faults of the module `name`, compared with the module `reference` if there is one.
fn faults(dir: &TestDir, name: &str, reference: Option<&str>) -> Vec<Fault> {
    let files = Files::new();
    let elf = |name: &str| files.elf(&dir.join(name)).unwrap();
    let reference = reference.map(|name| Reference::of(&elf(name)));
    check_module(&elf(name), reference.as_ref())
}

fn left_over(names: &[&str]) -> Vec<Fault> {
    let fault = |name: &&str| Fault::LeftOver((*name).to_owned());
    names.iter().map(fault).collect()
}

/// Returns the patterns that the plugin adds to a tree that has none.
fn our_patterns() -> String {
    let text = glue("scripts/module.lds.S", "before");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.join("\n")
}

#[test]
fn our_patterns_merge_what_was_split_and_nothing_else() {
    for target in KERNEL_TARGETS {
        let dir = TestDir::new();
        module(&dir, "reference.ko", &[target], "");
        for split in SPLIT {
            let flags = [&[target], split].concat();
            module(&dir, "m.ko", &flags, &our_patterns());
            assert_eq!(faults(&dir, "m.ko", None), [], "{flags:?}");
            assert_eq!(faults(&dir, "m.ko", Some("reference.ko")), [], "{flags:?}");

            let files = Files::new();
            let elf = files.elf(&dir.join("m.ko")).unwrap();
            let mut found: Vec<_> = elf
                .sections()
                .iter()
                .filter(|section| section.is_allocated() && section.name != ".eh_frame")
                .map(|section| section.name)
                .collect();
            found.sort_unstable();
            assert_eq!(
                found,
                [
                    ".bss",
                    ".data",
                    ".data..once",
                    ".data..percpu",
                    ".rodata",
                    ".text",
                    ".text..special",
                    "__patchable_function_entries",
                ],
                "{flags:?}"
            );
        }
    }
}

#[test]
fn every_split_section_that_is_left_over_is_named() {
    for target in KERNEL_TARGETS {
        for split in SPLIT {
            let dir = TestDir::new();
            module(&dir, "reference.ko", &[target], "");
            module(&dir, "m.ko", &[&[target], split].concat(), "");
            let expected = left_over(&[
                ".bss.zeroed",
                ".data..compoundliteral",
                ".data..compoundliteral.1",
                ".data.compound",
                ".data.initialized",
                ".data.kept",
                ".data.static_in_function.inside",
                ".rodata..Lswitch.table.table",
                ".rodata.constant",
                ".text.bump",
                ".text.function",
                ".text.literal",
                ".text.static_in_function",
                ".text.table",
                ".text.unlikely.unlikely",
            ]);
            assert_eq!(faults(&dir, "m.ko", None), expected, "{target} {split:?}");
            let against = faults(&dir, "m.ko", Some("reference.ko"));
            assert_eq!(against, expected, "{target} {split:?}");
        }
    }
}

#[test]
fn a_section_that_the_reference_has_too_is_no_fault() {
    let dir = TestDir::new();
    let target = ARM64;
    module(&dir, "m.ko", &[target, "-flto=thin"], "");
    assert_eq!(faults(&dir, "m.ko", Some("m.ko")), []);
}

/// `.data.*` takes `.data..percpu` and `.data..once` with it.
#[test]
fn what_a_broad_pattern_takes_is_missing() {
    for target in KERNEL_TARGETS {
        let dir = TestDir::new();
        module(&dir, "reference.ko", &[target], "");
        let broad = ".bss : { *(.bss .bss.*) }\n.data : { *(.data .data.*) }\n\
                     .rodata : { *(.rodata .rodata.*) }\n.text : { *(.text .text.*) }";
        module(&dir, "m.ko", &[target, "-flto=thin"], broad);
        assert_eq!(
            faults(&dir, "m.ko", Some("reference.ko")),
            [".data..once", ".data..percpu", ".text..special"]
                .map(|name| Fault::Missing(name.into()))
        );
        // The module alone does not show it.
        assert_eq!(faults(&dir, "m.ko", None), []);
    }
}

#[test]
fn patchable_entries_that_are_gone_are_missing() {
    let dir = TestDir::new();
    let target = ARM64;
    module(&dir, "reference.ko", &[target], "");
    module(&dir, "m.ko", &[target], "");
    dir.run(
        "llvm-objcopy",
        &["--remove-section=__patchable_function_entries", "m.ko"],
    );
    assert_eq!(
        faults(&dir, "m.ko", Some("reference.ko")),
        [Fault::Missing("__patchable_function_entries".into())]
    );
}

#[test]
fn a_section_that_is_not_named_after_its_content_counts_only_against_a_reference() {
    let dir = TestDir::new();
    let target = ARM64;
    dir.c("plain.ko", "int a;", &[target]);
    let source = "__attribute__((section(\".data.strange\"))) int a = 1;";
    dir.c("m.ko", source, &[target]);
    assert_eq!(faults(&dir, "m.ko", None), []);
    assert_eq!(
        faults(&dir, "m.ko", Some("plain.ko")),
        left_over(&[".data.strange"])
    );
}

#[test]
fn a_module_without_functions_lists_none() {
    let dir = TestDir::new();
    let flags = [
        "--target=aarch64-linux-gnu",
        "-O2",
        "-fpatchable-function-entry=2",
    ];
    let data = "__attribute__((section(\".modinfo\"))) char license[] = \"GPL\";";
    dir.c(
        "plain.ko",
        &format!("int f(void) {{ return 1; }} {data}"),
        &flags,
    );
    dir.c("m.ko", data, &flags);
    assert_eq!(faults(&dir, "m.ko", Some("plain.ko")), []);
    let unlisted = format!("int f(void) {{ return 1; }} {data}");
    dir.c("m.ko", &unlisted, &flags[..2]);
    assert_eq!(
        faults(&dir, "m.ko", Some("plain.ko")),
        [Fault::Missing("__patchable_function_entries".to_owned())]
    );
}

#[test]
fn the_command_says_which_module_and_what() {
    let dir = TestDir::new();
    let target = ARM64;
    module(&dir, "reference.ko", &[target], "");
    let script = ".data : { *(.data .data.*) } .text : { *(.text .text.[0-9a-zA-Z_]*) }\n\
                  .bss : { *(.bss .bss.*) }";
    module(&dir, "m.ko", &[target, "-flto=thin"], script);
    let done = (Some(0), String::new(), String::new());
    assert_eq!(run(&dir, &["check", "reference.ko"]), done);
    let left_over = |name| {
        format!(
            "section-merge: error: m.ko: section {name} is left over: the linker script of \
             modules has no pattern that merges it\n"
        )
    };
    let missing = |name| {
        format!(
            "section-merge: error: m.ko: section {name} is missing: the build without LTO has \
             it, so it was merged into another\n"
        )
    };
    let left_over = left_over(".rodata..Lswitch.table.table") + &left_over(".rodata.constant");
    assert_eq!(
        run(&dir, &["check", "m.ko"]),
        (Some(1), String::new(), left_over.clone())
    );
    assert_eq!(
        run(&dir, &["check", "m.ko", "--against", "reference.ko"]),
        (
            Some(1),
            String::new(),
            left_over + &missing(".data..once") + &missing(".data..percpu")
        )
    );
    dir.write("arguments", "m.ko --against m.ko");
    assert_eq!(run(&dir, &["check", "@arguments"]), done);
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let dir = TestDir::new();
    dir.c("native.ko", "int a;", &[ARM64]);
    dir.c("bitcode.ko", "int a;", &[ARM64, "-flto=thin"]);
    let error = |message| {
        (
            Some(2),
            String::new(),
            format!("section-merge: error: {message}\n"),
        )
    };
    let bitcode = error("bitcode.ko: is LLVM bitcode where native code is expected");
    assert_eq!(run(&dir, &["check", "bitcode.ko"]), bitcode);
    let arguments = ["check", "native.ko", "--against", "bitcode.ko"];
    assert_eq!(run(&dir, &arguments), bitcode);
    assert_eq!(
        run(&dir, &["check", "none.ko"]),
        error("none.ko: cannot be opened: No such file or directory (os error 2)")
    );
    assert_eq!(run(&dir, &["check"]).0, Some(2));
}

/// A module in assembly: functions, and tables that refer to them.
const NAMED: &str = ".text\n.globl traced\n.type traced, %function\ntraced: .quad traced\n.size traced, 8\n\
     .section .init.text, \"ax\", %progbits\n.globl init_module\n.type init_module, %function\n\
     init_module: .quad traced\n.size init_module, 8\n\
     .section __bug_table, \"aw\", %progbits\n.long traced - .\n\
     .section __ex_table, \"a\", %progbits\n.long traced - .\n";

#[test]
fn sections_that_the_kernel_looks_up_must_not_be_lost() {
    for target in KERNEL_TARGETS {
        let dir = TestDir::new();
        dir.asm("reference.ko", NAMED, &[target]);
        assert_eq!(faults(&dir, "reference.ko", Some("reference.ko")), []);
        for (section, instead) in [
            ("__bug_table", ".data"),
            ("__ex_table", ".rodata"),
            (".init.text", ".text"),
        ] {
            dir.asm("m.ko", &NAMED.replace(section, instead), &[target]);
            let expected = [Fault::Missing(section.to_owned())];
            assert_eq!(faults(&dir, "m.ko", Some("reference.ko")), expected);
        }
        // Without the functions that it describes, LTO needs no table.
        dir.asm(
            "m.ko",
            &NAMED
                .replace("traced", "other")
                .replace("__bug_table", ".data"),
            &[target],
        );
        assert_eq!(faults(&dir, "m.ko", Some("reference.ko")), []);
    }
}

#[test]
fn a_module_of_another_architecture_is_no_reference() {
    let dir = TestDir::new();
    let [first, second] = KERNEL_TARGETS;
    dir.asm("m.ko", NAMED, &[first]);
    dir.asm("other.ko", NAMED, &[second]);
    let found = faults(&dir, "m.ko", Some("other.ko"));
    assert_eq!(found.len(), 1, "{found:?}");
    let (code, _, stderr) = run(&dir, &["check", "m.ko", "--against", "other.ko"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("m.ko: is for ELF machine "), "{stderr}");
    assert!(
        stderr.contains("give the same module of a build for the same architecture"),
        "{stderr}"
    );
}

/// Its relocations are gone, so that nothing would be found: it passed.
#[test]
fn what_has_nothing_to_check_is_a_fault() {
    let dir = TestDir::new();
    dir.asm(
        "vmlinux.o",
        &format!("{NAMED}.section .initcall6.init, \"a\"\n.long traced - .\n"),
        &[ARM64],
    );
    dir.run("ld.lld", &["-e", "traced", "vmlinux.o", "-o", "vmlinux"]);
    for arguments in [
        &["check", "vmlinux"][..],
        &["check", "vmlinux", "--against", "vmlinux.o"],
    ] {
        let (code, stdout, stderr) = run(&dir, arguments);
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert_eq!(
            stderr,
            "section-merge: error: vmlinux: is linked, so its references can no longer be read; give the \
             vmlinux.o that it was linked from, and the kernel with --linked\n"
        );
    }
    let no_relocations = NAMED
        .replace(".quad traced", ".quad 0")
        .replace(".long traced - .", ".long 0");
    let source = format!("{no_relocations}.section .initcall6.init, \"a\"\n.long 0\n");
    dir.asm("bare.o", &source, &[ARM64]);
    let (code, _, stderr) = run(&dir, &["check", "bare.o"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        stderr,
        "section-merge: error: bare.o: none of its code and data refers to anything, so its relocations \
         are gone; remove it and run make again\n"
    );
    // The kernel given with --linked: without symbols, not linked, of another architecture.
    dir.run("llvm-strip", &["vmlinux", "-o", "stripped"]);
    dir.asm("x86.o", NAMED, &["--target=x86_64-linux-gnu"]);
    dir.run("ld.lld", &["-e", "traced", "x86.o", "-o", "x86"]);
    for (name, message) in [
        (
            "stripped",
            "has no symbol table, so that nothing of it can be checked; give it unstripped",
        ),
        (
            "vmlinux.o",
            "is not linked; give the kernel that was linked from the object",
        ),
        (
            "x86",
            "is for ELF machine 62, and the object is for 183; give the kernel that was linked from it",
        ),
    ] {
        let (code, _, stderr) = run(&dir, &["check", "vmlinux.o", "--linked", name]);
        assert_eq!(
            (code, stderr),
            (
                Some(1),
                format!("section-merge: error: {name}: {message}\n")
            )
        );
    }
}

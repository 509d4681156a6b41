// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! References from code and data that stay in memory to code and data that are freed.

use section_merge::{Mismatch, mismatches};
use test_support::{KERNEL_TARGETS, TestDir};
use tool_io::Files;

use crate::support::run;

/// Allowed references of a kernel; each with `__init` and the like as section names.
const GOOD: &str = r#"
#define INIT __attribute__((section(".init.text"), noinline, used))
#define INITDATA __attribute__((section(".init.data"), used))
#define EXIT __attribute__((section(".exit.text"), noinline, used))
#define REF __attribute__((section(".ref.text"), noinline, used))
INITDATA int early = 1;
INIT int setup(void) { return early; }
EXIT void teardown(void) { early = 0; }
INIT int start(void) { return setup() + early; }
REF int reference(void) { return setup(); }
int (*my_ops[1])(void) = {setup};
int *__param_early = &early;
void (*my_driver[1])(void) = {teardown};
int staying(int x) { return x; }
int (*table[1])(int) = {staying};
__attribute__((section(".data..once"))) int (*once)(void) = setup;
"#;

/// The ways to split sections: LTO always does, and the compiler does with flags.
const SPLIT: [&[&str]; 4] = [
    &["-flto=thin"],
    &["-flto=full"],
    &["-ffunction-sections", "-fdata-sections"],
    &[],
];

/// Returns the faults of the vmlinux.o of this source.
fn faults(target: &str, split: &[&str], source: &str) -> Vec<Mismatch> {
    let dir = TestDir::new();
    let flags = [&[target, "-O2", "-fno-pic", "-mcmodel=small"], split].concat();
    dir.c("part.o", source, &flags);
    dir.run("ld.lld", &["-r", "part.o", "-o", "vmlinux.o"]);
    let files = Files::new();
    mismatches(&files.elf(&dir.join("vmlinux.o")).unwrap())
        .unwrap()
        .faults
}

#[test]
fn what_the_kernel_allows_is_no_fault() {
    for target in KERNEL_TARGETS {
        for split in SPLIT {
            assert_eq!(faults(target, split, GOOD), [], "{target} {split:?}");
        }
    }
}

#[test]
fn code_that_calls_what_is_freed_is_a_fault() {
    for target in KERNEL_TARGETS {
        for split in SPLIT {
            let source = format!("{GOOD}int late(void) {{ return setup(); }}");
            let found = faults(target, split, &source);
            let [fault] = &found[..] else {
                panic!("{target} {split:?}: {found:?}");
            };
            assert_eq!((fault.from.as_str(), fault.to.as_str()), ("late", "setup"));
            let from_section = if split.is_empty() {
                ".text"
            } else {
                ".text.late"
            };
            assert_eq!(fault.from_section, from_section);
            assert_eq!(fault.to_section, ".init.text");
        }
    }
}

#[test]
fn data_that_refers_to_what_is_freed_is_a_fault() {
    for target in KERNEL_TARGETS {
        for split in SPLIT {
            let source = format!(
                "{GOOD}int (*callback)(void) = setup;\nvoid (*removal)(void) = teardown;\n\
                 int *value = &early;"
            );
            let found = faults(target, split, &source);
            let pairs: Vec<_> = found
                .iter()
                .map(|fault| (fault.from.as_str(), fault.to.as_str()))
                .collect();
            let expected = [
                ("callback", "setup"),
                ("removal", "teardown"),
                ("value", "early"),
            ];
            assert_eq!(pairs, expected, "{target} {split:?}");
        }
    }
}

#[test]
fn an_export_of_what_is_freed_is_a_fault() {
    let export = "asm(\".section \\\"___ksymtab+setup\\\", \\\"a\\\"\\n\
                  __ksymtab_setup: .long setup - .\\n.previous\");";
    for target in KERNEL_TARGETS {
        let found = faults(target, &[], &format!("{GOOD}{export}"));
        let [fault] = &found[..] else {
            panic!("{target}: {found:?}");
        };
        assert_eq!(
            (fault.from.as_str(), fault.to.as_str()),
            ("__ksymtab_setup", "setup")
        );
    }
}

#[test]
fn the_tool_names_the_object_and_both_ends() {
    let dir = TestDir::new();
    let source = format!("{GOOD}int late(void) {{ return setup(); }}");
    let flags = [KERNEL_TARGETS[0], "-O2", "-fno-pic", "-ffunction-sections"];
    dir.c("part.o", &source, &flags);
    dir.run("ld.lld", &["-r", "part.o", "-o", "vmlinux.o"]);
    let script = "SECTIONS { .text : { *(.text .text.* .ref.text) }\n\
                  .data : { __start_once = .; *(.data..once) __end_once = .; } }";
    dir.write("lds", script);
    dir.run("ld.lld", &["-T", "lds", "vmlinux.o", "-o", "vmlinux"]);
    let (code, stdout, stderr) = run(&dir, &["check", "vmlinux.o", "--linked", "vmlinux"]);
    let expected = "section-merge: error: vmlinux.o: late in .text.late refers to setup in .init.text: \
                    expected no reference from there to init code or data\n";
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (Some(1), "", expected)
    );
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tests that the flags of `WARN_ONCE` and similar macros are where `clear_warn_once` resets them.

use section_merge::{OnceFault, check_once};
use test_support::{ARM64, KERNEL_TARGETS, TestDir};
use tool_io::Files;

use crate::support::glue;

/// The names of the section, in trees before and after it was renamed.
const NAMES: [&str; 2] = [".data.once", ".data..once"];

/// Makes a kernel of one object with two flags of 4 bytes in the section `once`, `vmlinux` linked
/// from `vmlinux.o` with `script`.
fn kernel(target: &str, once: &str, script: &str) -> TestDir {
    let dir = TestDir::new();
    let flag = |name| format!("__attribute__((section(\"{once}\"))) int {name};");
    let source = flag("warned") + &flag("printed") + "int other = 1; void _start(void) {}";
    dir.c("vmlinux.o", &source, &[target, "-O2", "-fdata-sections"]);
    dir.write("vmlinux.lds", script);
    let arguments = ["-T", "vmlinux.lds", "vmlinux.o", "-o", "vmlinux"];
    dir.run("ld.lld", &arguments);
    dir
}

/// Returns a linker script whose `.data` holds `patterns`.
fn script(patterns: &str) -> String {
    format!("SECTIONS {{ .text : {{ *(.text*) }} .data : {{ {patterns} }} }}")
}

fn fault(dir: &TestDir) -> Option<OnceFault> {
    let files = Files::new();
    let elf = |name| files.elf(&dir.join(name)).unwrap();
    check_once(&elf("vmlinux"), &elf("vmlinux.o"))
}

/// Returns the plugin's macros of vmlinux.lds.h, up to the sections of `.data`.
fn our_script() -> String {
    let file = "include/asm-generic/vmlinux.lds.h";
    format!(
        "{}\n#endif\n#define DATA_DATA \\\n{}\t*(DATA_MAIN)\n\nSECTIONS {{ .data : {{ DATA_DATA }} }}\n",
        glue(file, "replace"),
        glue(file, "before")
    )
}

#[test]
fn our_patterns_keep_the_flags_where_they_are_looked_for() {
    for target in KERNEL_TARGETS {
        let dir = TestDir::new();
        dir.write("vmlinux.lds.S", our_script());
        let arguments = [
            "-E",
            "-P",
            "-x",
            "c",
            "-DCONFIG_LTO_CLANG=1",
            "vmlinux.lds.S",
        ];
        let script = dir.run("clang", &arguments);
        assert!(script.contains(".data..compoundliteral*"), "{script}");
        let dir = kernel(target, ".data.once", &script);
        assert_eq!(fault(&dir), None, "{script}");
        // With the order in the original tree, the flags are elsewhere.
        let (once, main) = (
            "__start_once = .; *(.data.once) __end_once = .;",
            "*(.data .data.[0-9a-zA-Z_]* .data..L* .data..compoundliteral*)",
        );
        assert!(script.contains(once) && script.contains(main), "{script}");
        let swapped = script
            .replace(once, "")
            .replace(main, &format!("{main} {once}"));
        assert!(fault(&kernel(target, ".data.once", &swapped)).is_some());
    }
}

#[test]
fn flags_between_their_symbols_are_fine() {
    for name in NAMES {
        let patterns = format!("__start_once = .; *({name}) __end_once = .; *(.data .data.*)");
        assert_eq!(fault(&kernel(ARM64, name, &script(&patterns))), None);
    }
}

#[test]
fn flags_that_an_earlier_pattern_takes_are_a_fault() {
    for name in NAMES {
        let patterns = format!("*(.data .data.*) __start_once = .; *({name}) __end_once = .;");
        let found = fault(&kernel(ARM64, name, &script(&patterns)));
        let expected = OnceFault::Size {
            expected: 8,
            found: 0,
        };
        assert_eq!(found.as_ref(), Some(&expected));
        assert_eq!(
            expected.to_string(),
            "0 bytes between __start_once and __end_once, expected 8: another pattern of the \
             linker script takes .data.once first"
        );
    }
}

#[test]
fn flags_of_which_some_are_elsewhere_are_a_fault() {
    // A script that knows the old name only, and an object that has both.
    let dir = TestDir::new();
    let source = "__attribute__((section(\".data.once\"))) int old;\n\
                  __attribute__((section(\".data..once\"))) int new;\n\
                  void _start(void) {}";
    dir.c("vmlinux.o", source, &[ARM64]);
    let patterns = "__start_once = .; *(.data.once) __end_once = .; *(.data .data.*)";
    dir.write("vmlinux.lds", script(patterns));
    dir.run(
        "ld.lld",
        &["-T", "vmlinux.lds", "vmlinux.o", "-o", "vmlinux"],
    );
    let expected = OnceFault::Size {
        expected: 8,
        found: 4,
    };
    assert_eq!(fault(&dir), Some(expected));
}

#[test]
fn symbols_in_the_wrong_order_hold_nothing() {
    let patterns = "__end_once = .; *(.data.once) __start_once = .; *(.data .data.*)";
    let found = fault(&kernel(ARM64, ".data.once", &script(patterns)));
    let expected = OnceFault::Size {
        expected: 8,
        found: 0,
    };
    assert_eq!(found, Some(expected));
}

#[test]
fn a_kernel_without_the_symbols_resets_nothing() {
    let found = fault(&kernel(ARM64, ".data.once", &script("*(.data .data.*)")));
    let expected = OnceFault::NoMark {
        mark: "__start_once",
    };
    assert_eq!(found, Some(expected));
    let patterns = "__start_once = .; *(.data .data.*)";
    let found = fault(&kernel(ARM64, ".data.once", &script(patterns)));
    let expected = OnceFault::NoMark { mark: "__end_once" };
    assert_eq!(found, Some(expected));
    // A kernel without once flags needs no marks.
    let found = fault(&kernel(ARM64, ".data.other", &script("*(.data .data.*)")));
    assert_eq!(found, None);
}

#[test]
fn symbols_around_other_bytes_are_a_fault() {
    let patterns = "*(.data.once) __start_once = .; *(.data .data.*) . += 16; __end_once = .;";
    let found = fault(&kernel(ARM64, ".data.once", &script(patterns)));
    assert!(
        matches!(found, Some(OnceFault::Outside { .. })),
        "{found:?}"
    );
}

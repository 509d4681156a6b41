// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tests that the thunks of retpolines are where the kernel looks for them.

use std::fmt::Write as _;

use section_merge::{check_kernel, check_thunks};
use test_support::{KERNEL_TARGETS, TestDir};
use tool_io::Files;

use crate::support::{glue, run};

/// The names of the section of thunks, in trees before and after 5.10.192.
const SECTIONS: [&str; 2] = [".text.__x86.indirect_thunk", ".text..__x86.indirect_thunk"];

/// Functions whose sections look like that of the thunks.
const FUNCTIONS: [&str; 17] = [
    "plain",
    "x86",
    "_",
    "_one",
    "_X",
    "_9",
    "__",
    "__two",
    "__X86",
    "__y86",
    "__xy",
    "__x8",
    "__x8.llvm.1",
    "__x85_a",
    "__x86",
    "__x86_b",
    "__x86a",
];

/// Makes a kernel with two thunks in the section `thunks`, and with functions in sections of their own. The
/// linker script has the form of that of x86, with these patterns for functions.
fn kernel(thunks: &str, patterns: &str) -> TestDir {
    let dir = TestDir::new();
    let mut source = format!(
        ".section {thunks},\"ax\"\n.globl __x86_indirect_thunk_rax, __x86_indirect_thunk_r11\n\
         __x86_indirect_thunk_rax: jmp *%rax\n__x86_indirect_thunk_r11: jmp *%r11\n"
    );
    for function in FUNCTIONS {
        writeln!(
            source,
            ".section .text.{function},\"ax\"\n.globl {function}\n.type {function}, @function\n\
             {function}: ret\n.size {function}, .-{function}"
        )
        .unwrap();
    }
    dir.asm("part.o", &source, &[KERNEL_TARGETS[1]]);
    dir.run("ld.lld", &["-r", "part.o", "-o", "vmlinux.o"]);
    let script = format!(
        "SECTIONS {{ . = 0x1000; .text : {{ functions = .; *({patterns}) functions_end = .;\n\
         __indirect_thunk_start = .; *({thunks}) __indirect_thunk_end = .; }} }}"
    );
    dir.write("lds", script);
    let arguments = ["-T", "lds", "-e", "0", "vmlinux.o", "-o", "vmlinux"];
    dir.run("ld.lld", &arguments);
    dir
}

/// Returns the plugin's patterns for functions.
fn our_patterns() -> String {
    let dir = TestDir::new();
    let macros = glue("include/asm-generic/vmlinux.lds.h", "replace");
    dir.write("macros.h", format!("{macros}\n#endif\nTEXT_MAIN\n"));
    let arguments = ["-E", "-P", "-x", "c", "-DCONFIG_LTO_CLANG=1", "macros.h"];
    dir.run("clang", &arguments).trim().to_owned()
}

#[test]
fn our_patterns_leave_the_thunks_and_take_every_function() {
    for section in SECTIONS {
        let dir = kernel(section, &our_patterns());
        let files = Files::new();
        let [vmlinux, object] =
            ["vmlinux", "vmlinux.o"].map(|name| files.elf(&dir.join(name)).unwrap());
        assert_eq!(check_thunks(&vmlinux), None, "{section}");
        assert_eq!(check_kernel(&vmlinux, &object), None, "{section}");
        let address = |name: &str| vmlinux.symbol_map().named(name)[0].value;
        let functions = address("functions")..address("functions_end");
        for function in FUNCTIONS {
            assert!(
                functions.contains(&address(function)),
                "{section}: {function}"
            );
        }
        let thunks = address("__indirect_thunk_start")..address("__indirect_thunk_end");
        assert_eq!(thunks.end - thunks.start, 5, "{section}");
    }
}

/// The patterns of the kernel's own `DEAD_CODE_DATA_ELIMINATION`.
#[test]
fn a_pattern_that_takes_the_thunks_is_a_fault() {
    let dir = kernel(SECTIONS[0], ".text .text.[0-9a-zA-Z_]*");
    let files = Files::new();
    let fault = check_thunks(&files.elf(&dir.join("vmlinux")).unwrap());
    let fault = fault
        .expect("the thunks are among the functions")
        .to_string();
    assert!(
        fault.starts_with("__x86_indirect_thunk_rax is not between __indirect_thunk_start and"),
        "{fault}"
    );
    let (code, _, stderr) = run(&dir, &["check", "vmlinux.o", "--linked", "vmlinux"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&fault), "{stderr}");
    // Trees from 5.10.192 on are safe with any such pattern.
    let dir = kernel(SECTIONS[1], ".text .text.[0-9a-zA-Z_]*");
    assert_eq!(
        check_thunks(&files.elf(&dir.join("vmlinux")).unwrap()),
        None
    );
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `initcall-order check` over small kernels, linked in order and not.

use std::fmt::Write as _;

use test_support::{KERNEL_TARGETS, TestDir};

/// Counter, function and level.
type Initcall = (u32, &'static str, &'static str);

/// The initcalls of two objects, by the name of the module.
const OBJECTS: [(&str, &[Initcall]); 2] = [
    (
        "first",
        &[(1, "one", "6"), (2, "sync", "6s"), (3, "console", "con")],
    ),
    (
        "second",
        &[(1, "two", "6"), (2, "root", "rootfs"), (3, "soon", "early")],
    ),
];

/// Returns assembly of an object's initcalls in the form of the kernel's headers under LTO: an
/// entry with a label, which refers to a stub.
fn object(module: &str, initcalls: &[Initcall]) -> String {
    let mut text = String::new();
    for (counter, function, level) in initcalls {
        let id = format!("kmod_{module}__{counter}_7_{function}");
        let section = match *level {
            "con" => ".con_initcall.init".to_owned(),
            level => format!(".initcall{level}.init"),
        };
        // Writing to a string does not fail.
        let _ = write!(
            text,
            ".section {section}..{id}, \"a\"\n__initcall__{id}{level}: .long __initstub__{id}{level} - .\n\
             .text\n.globl __initstub__{id}{level}\n.type __initstub__{id}{level}, %function\n\
             __initstub__{id}{level}: .quad 0\n"
        );
    }
    text
}

/// Returns the linker script of a kernel whose level 6 has these sections in this order.
fn script(level_6: &[&str]) -> String {
    let section = |id| format!("*(.initcall{id}) ");
    let sections = level_6.iter().map(section).collect::<Vec<_>>().concat();
    format!(
        "SECTIONS {{ . = 0x10000; .text : {{ *(.text) }} .init.data : {{\n\
         __initcall_start = .; *(.initcallearly.init*)\n\
         __initcall0_start = .; __initcall1_start = .; __initcall2_start = .;\n\
         __initcall3_start = .; __initcall4_start = .; __initcall5_start = .;\n\
         __initcallrootfs_start = .; *(.initcallrootfs.init*)\n\
         __initcall6_start = .; {sections}\n\
         __initcall7_start = .; __initcall_end = .;\n\
         __con_initcall_start = .; *(.con_initcall.init*) __con_initcall_end = .; }} }}\n"
    )
}

const IN_ORDER: [&str; 3] = [
    "6.init..kmod_first__1_7_one",
    "6.init..kmod_second__1_7_two",
    "6s.init..kmod_first__2_7_sync",
];

/// Makes a kernel linked from `first.o` and `second.o`.
fn kernel(target: &str, level_6: &[&str]) -> TestDir {
    let dir = TestDir::new();
    for (module, initcalls) in OBJECTS {
        let name = format!("{module}.o");
        dir.asm(&name, &object(module, initcalls), &[target]);
    }
    dir.write("lds", script(level_6));
    let arguments = ["-T", "lds", "-o", "vmlinux", "first.o", "second.o"];
    dir.run("ld.lld", &arguments);
    dir
}

/// Runs the tool; returns exit code and lines of the report, without the tool's name.
fn check(dir: &TestDir, arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let tool = env!("CARGO_BIN_EXE_initcall-order");
    let (code, stdout, stderr) = dir.run_tool(tool, &[&["check", "vmlinux"], arguments].concat());
    assert_eq!(stdout, "");
    let line = |line: &str| line.replacen("initcall-order: error: vmlinux: ", "", 1);
    (code, stderr.lines().map(line).collect())
}

#[test]
fn tables_in_link_order_are_passed() {
    for target in KERNEL_TARGETS {
        let dir = kernel(target, &IN_ORDER);
        let inputs = ["--inputs", "first.o", "second.o"];
        assert_eq!(check(&dir, &inputs), (Some(0), vec![]), "{target}");
        assert_eq!(check(&dir, &["--against", "vmlinux"]), (Some(0), vec![]));
    }
}

#[test]
fn each_place_of_another_function_is_told() {
    for target in KERNEL_TARGETS {
        let [one, two, sync] = IN_ORDER;
        let dir = kernel(target, &[two, one, sync]);
        let fault = |place, expected, found, reference| {
            format!(
                "initcall level 6, place {place}: expected {expected} by {reference}, found {found}"
            )
        };
        let expected = vec![
            fault(0, "one", "two", "the link order"),
            fault(1, "two", "one", "the link order"),
        ];
        let inputs = ["--inputs", "first.o", "second.o"];
        assert_eq!(check(&dir, &inputs), (Some(1), expected), "{target}");
        let good = kernel(target, &IN_ORDER);
        let reference = good.join("vmlinux").display().to_string();
        let expected = vec![
            fault(0, "one", "two", &reference),
            fault(1, "two", "one", &reference),
        ];
        let arguments = ["--against", &reference];
        assert_eq!(check(&dir, &arguments), (Some(1), expected), "{target}");
    }
}

/// Tables of addresses are not read: their entries have no names, so that no two of them are equal.
#[test]
fn entries_without_names_are_a_fault() {
    for target in KERNEL_TARGETS {
        let with_addresses = |level_6: &[&str]| {
            let dir = TestDir::new();
            for (module, initcalls) in OBJECTS {
                let source = object(module, initcalls)
                    .replace(".long", ".quad")
                    .replace(" - .\n", "\n");
                dir.asm(&format!("{module}.o"), &source, &[target]);
            }
            dir.write("lds", script(level_6));
            let arguments = ["-T", "lds", "-o", "vmlinux", "first.o", "second.o"];
            dir.run("ld.lld", &arguments);
            dir
        };
        let [one, two, sync] = IN_ORDER;
        let (dir, other) = (with_addresses(&IN_ORDER), with_addresses(&[two, one, sync]));
        let reference = other.join("vmlinux").display().to_string();
        let (code, faults) = check(&dir, &["--against", &reference]);
        assert_eq!(code, Some(1), "{target}: {faults:?}");
        let expected = "leads to no function in this kernel; only tables of distances of 32 bits are read \
                        (HAVE_ARCH_PREL32_RELOCATIONS)";
        assert!(
            faults.iter().any(|fault| fault.ends_with(expected)),
            "{target}: {faults:?}"
        );
    }
}

/// As above, with an entry that refers to the function itself, as in kernels without LTO.
fn object_without_stubs(module: &str, initcalls: &[Initcall]) -> String {
    let text = object(module, initcalls).replace(".globl __initstub__", ".local __initstub__");
    // A function of a name that other objects have too.
    let stub = format!("__initstub__kmod_{module}__1_7_init6");
    text.replace(&stub, "init")
}

#[test]
fn functions_of_one_name_are_told_apart_by_module_and_line() {
    type Compile = fn(&str, &[Initcall]) -> String;
    let compiled: [Compile; 2] = [object, object_without_stubs];
    for compile in compiled {
        for target in KERNEL_TARGETS {
            let dir = TestDir::new();
            for module in ["first", "second"] {
                let source = compile(module, &[(1, "init", "6")]);
                dir.asm(&format!("{module}.o"), &source, &[target]);
            }
            let sections =
                ["first", "second"].map(|module| format!("6.init..kmod_{module}__1_7_init"));
            let [first, second] = sections.each_ref().map(String::as_str);
            for (name, sections) in [("good", [first, second]), ("vmlinux", [second, first])] {
                dir.write("lds", script(&sections));
                let arguments = ["-T", "lds", "-o", name, "first.o", "second.o"];
                dir.run("ld.lld", &arguments);
            }
            let expected = |reference| {
                let fault = |place, expected, found| {
                    format!(
                        "initcall level 6, place {place}: expected init of kmod_{expected} (line 7) by \
                         {reference}, found init of kmod_{found} (line 7)"
                    )
                };
                vec![fault(0, "first", "second"), fault(1, "second", "first")]
            };
            let inputs = ["--inputs", "first.o", "second.o"];
            assert_eq!(check(&dir, &inputs), (Some(1), expected("the link order")));
            assert_eq!(
                check(&dir, &["--against", "good"]),
                (Some(1), expected("good"))
            );
        }
    }
}

#[test]
fn an_initcall_that_is_not_there_is_told() {
    let [one, two, _] = IN_ORDER;
    let dir = kernel(KERNEL_TARGETS[0], &[one, two]);
    let expected = "initcall level 6, place 2: expected sync by the link order, found none";
    let inputs = ["--inputs", "first.o", "second.o"];
    assert_eq!(check(&dir, &inputs), (Some(1), vec![expected.to_owned()]));
}

#[test]
fn symbols_in_the_wrong_order_enclose_no_table() {
    let dir = kernel(KERNEL_TARGETS[0], &IN_ORDER);
    let wrong = "SECTIONS { . = 0x10000; .text : { *(.text) } .init.data : {\n\
                 __con_initcall_end = .; *(.con_initcall.init*) __con_initcall_start = .; } }\n";
    dir.write("lds", wrong);
    let arguments = ["-T", "lds", "-o", "vmlinux", "first.o"];
    dir.run("ld.lld", &arguments);
    let expected =
        "initcall level con: __con_initcall_end lies before __con_initcall_start".to_owned();
    let (code, lines) = check(&dir, &["--against", "vmlinux"]);
    assert_eq!((code, lines), (Some(1), vec![expected]));
}

#[test]
fn a_kernel_without_symbols_cannot_be_checked() {
    let dir = kernel(KERNEL_TARGETS[0], &IN_ORDER);
    dir.run("llvm-strip", &["vmlinux"]);
    let (code, lines) = check(&dir, &["--against", "vmlinux"]);
    assert_eq!(code, Some(2), "{lines:?}");
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tests the check of built objects, with the `.cmd` files that kbuild leaves beside them.

use test_support::{FORMS, TestDir};

use crate::support::run;

const NATIVE: &[&str] = FORMS[0];
const BITCODE: &[&str] = FORMS[1];

/// Makes an object as kbuild makes it from `source`; if `source` is empty, nothing tells its origin.
fn object(dir: &TestDir, name: &str, flags: &[&str], source: &str) {
    dir.c(name, "int variable;", flags);
    let (folder, file) = name.rsplit_once('/').unwrap();
    if !source.is_empty() {
        let cmd = format!(
            "cmd_{name} := clang -Wp,-MMD,{folder}/.{file}.d -c -o {name} {source}\n\n\
             source_{name} := {source}\n\n\
             deps_{name} := \\\n  $(wildcard include/config/x.h) \\\n  include/linux/kconfig.h \\\n"
        );
        dir.write(format!("{folder}/.{file}.cmd"), cmd);
    }
}

/// Makes a small, correctly built kernel with LTO: archives like kbuild's, with a native object for
/// every valid reason, and the list.
fn kernel() -> TestDir {
    let dir = TestDir::new();
    object(&dir, "init/main.o", BITCODE, "../init/main.c");
    object(&dir, "init/version.o", BITCODE, "../init/version.c");
    object(&dir, "kernel/configs.o", NATIVE, "../kernel/configs.c");
    object(&dir, "kernel/entry.o", NATIVE, "../kernel/entry.S");
    object(&dir, "kernel/copied.o", NATIVE, "");
    object(
        &dir,
        "arch/arm64/kernel/vdso/note.o",
        NATIVE,
        "../arch/arm64/kernel/vdso/note.c",
    );
    dir.archive(
        "cDPrST",
        "init/built-in.a",
        &["init/main.o", "init/version.o"],
    );
    dir.archive(
        "cDPrST",
        "kernel/built-in.a",
        &[
            "kernel/configs.o",
            "kernel/entry.o",
            "kernel/copied.o",
            "arch/arm64/kernel/vdso/note.o",
        ],
    );
    dir.write(
        "lto-disabled.mk",
        "lto-disabled-objs :=\nlto-disabled-objs += kernel/configs.o\n\
         lto-disabled-objs += arch/arm64/kernel/vdso/%\n",
    );
    dir
}

/// Returns the exit code of the check, and the lines of its report without the tool's name.
fn check(dir: &TestDir, inputs: &[&str]) -> (Option<i32>, Vec<String>) {
    let mut arguments = vec!["check", "--list", "lto-disabled.mk"];
    arguments.extend(inputs);
    let (code, stdout, stderr) = run(dir, &arguments);
    assert_eq!(stdout, "");
    let line = |line: &str| {
        let rest = line.strip_prefix("lto-disable: error: ");
        rest.unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    (code, stderr.lines().map(line).collect())
}

const ARCHIVES: [&str; 2] = ["init/built-in.a", "kernel/built-in.a"];

#[test]
fn a_kernel_that_was_built_as_listed_is_passed() {
    assert_eq!(check(&kernel(), &ARCHIVES), (Some(0), vec![]));
}

#[test]
fn native_code_that_should_be_bitcode_is_named() {
    let dir = kernel();
    object(&dir, "init/version.o", NATIVE, "../init/version.c");
    assert_eq!(
        check(&dir, &ARCHIVES),
        (
            Some(1),
            vec![
                "init/version.o: expected bitcode, found native code, made from C and not on the \
                 list of disabled objects"
                    .into()
            ]
        )
    );
}

#[test]
fn bitcode_that_should_be_native_code_is_named() {
    let dir = kernel();
    object(&dir, "kernel/configs.o", BITCODE, "../kernel/configs.c");
    object(
        &dir,
        "arch/arm64/kernel/vdso/note.o",
        BITCODE,
        "../arch/arm64/kernel/vdso/note.c",
    );
    let fault = |object| {
        format!(
            "{object}: expected native code, because the list of disabled objects names it, \
             found bitcode"
        )
    };
    assert_eq!(
        check(&dir, &ARCHIVES),
        (
            Some(1),
            vec![
                fault("kernel/configs.o"),
                // The archive of another folder names it in this way.
                fault("kernel/../arch/arm64/kernel/vdso/note.o")
            ]
        )
    );
}

#[test]
fn a_kernel_without_any_bitcode_is_told_once_more() {
    let dir = kernel();
    object(&dir, "init/main.o", NATIVE, "../init/main.c");
    object(&dir, "init/version.o", NATIVE, "../init/version.c");
    let (code, lines) = check(&dir, &ARCHIVES);
    assert_eq!(code, Some(1));
    assert_eq!(lines[0], "none of the 6 objects is bitcode");
    assert!(
        lines[1].starts_with("init/main.o: expected bitcode"),
        "{}",
        lines[1]
    );
    assert_eq!(lines.len(), 3);
}

/// In the 6.13 cycle objtool's step turned every object into native code.
#[test]
fn it_is_the_object_that_counts_and_not_how_it_was_called() {
    let dir = kernel();
    // The .cmd file still names clang and -flto.
    let bytes = dir.read("kernel/entry.o");
    dir.write("init/main.o", bytes);
    let (code, lines) = check(&dir, &ARCHIVES);
    assert_eq!(code, Some(1));
    assert!(
        lines[0].starts_with("init/main.o: expected bitcode"),
        "{}",
        lines[0]
    );
}

#[test]
fn members_of_regular_archives_count_too() {
    let dir = kernel();
    dir.archive("cr", "lib.a", &["init/main.o", "kernel/entry.o"]);
    dir.write("inputs", "lib.a kernel/built-in.a");
    assert_eq!(check(&dir, &["@inputs"]), (Some(0), vec![]));
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let dir = kernel();
    dir.write("empty.o", "");
    assert_eq!(
        check(&dir, &["empty.o", "none.a"]),
        (
            Some(2),
            vec![
                "empty.o: is empty; remove it and build it again".into(),
                "none.a: cannot be opened: No such file or directory (os error 2)".into()
            ]
        )
    );
    std::fs::remove_file(dir.join("lto-disabled.mk")).unwrap();
    assert_eq!(
        check(&dir, &ARCHIVES),
        (
            Some(2),
            vec!["lto-disabled.mk cannot be read: No such file or directory (os error 2)".into()]
        )
    );
}

#[test]
fn without_a_list_the_commands_tell() {
    let dir = kernel();
    let check = || run(&dir, &["check", ARCHIVES[0], ARCHIVES[1]]);
    assert_eq!(check(), (Some(0), String::new(), String::new()));
    let file = "kernel/.configs.o.cmd";
    let asked = dir.read_text(file).replace("clang ", "clang -flto=thin ");
    dir.write(file, asked);
    let fault = "lto-disable: error: kernel/configs.o: expected bitcode, for its command has -flto, \
                 found native code\n";
    assert_eq!(check(), (Some(1), String::new(), fault.to_owned()));
}

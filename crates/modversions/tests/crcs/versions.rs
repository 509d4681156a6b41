// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! CRCs in built files: those that a file exports, and those that a module expects.

use std::fmt::Write as _;

use test_support::{KERNEL_TARGETS, TestDir};

use crate::support::run;

const SYMVERS: &str = "0x037a0cba\tkfree\tvmlinux\tEXPORT_SYMBOL\t\n\
                       0x12345678\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n\
                       0x0badcafe\tmine\tfs/m\tEXPORT_SYMBOL\t\n";

/// Returns assembly of `__versions`: a long and a name in 64 bytes, `add_versions` in
/// `scripts/mod/modpost.c`.
fn basic(versions: &[(u32, &str)]) -> String {
    let mut text = String::from(".section __versions, \"a\"\n");
    for (crc, name) in versions {
        let _ = write!(
            text,
            ".quad {crc:#x}\n1: .asciz \"{name}\"\n.zero 56 - (. - 1b)\n"
        );
    }
    text
}

/// Returns assembly of the extended form, `add_extended_versions` in the same file of Linux 6.14.
fn extended(versions: &[(u32, &str)]) -> String {
    let (mut crcs, mut names) = (String::new(), String::new());
    for (crc, name) in versions {
        let _ = writeln!(crcs, ".long {crc:#x}");
        let _ = writeln!(names, ".asciz \"{name}\"");
    }
    format!(
        ".section __version_ext_crcs, \"a\"\n{crcs}\
         .section __version_ext_names, \"a\"\n{names}.byte 0\n"
    )
}

/// CRCs of the exports of a file, in both forms: a number as symbol, as genksyms' linker scripts
/// define it, and a place that holds one (`SYMBOL_CRC` of Linux 5.19).
fn exported(form: usize, name: &str, crc: u32) -> String {
    match form {
        0 => format!(".globl __crc_{name}\n__crc_{name} = {crc:#x}\n"),
        _ => format!(".section ___kcrctab+{name}, \"a\"\n__crc_{name}: .long {crc:#x}\n"),
    }
}

const USE: &str = ".text\n.globl mine\nmine: .quad kfree\n";

/// Checks the module `fs/m.ko` of this assembly, with the CRC of its export unless it has CRCs.
fn check(target: &str, source: &str) -> (Option<i32>, Vec<String>) {
    let own = exported(1, "mine", 0x0bad_cafe);
    let own = if source.contains("__crc_") { "" } else { &own };
    check_alone(target, &format!("{source}{own}"))
}

/// Checks the module `fs/m.ko` of this assembly: exit code and lines without the file's name.
fn check_alone(target: &str, source: &str) -> (Option<i32>, Vec<String>) {
    let dir = TestDir::new();
    dir.write("Module.symvers", SYMVERS);
    dir.write("fs/none", "");
    dir.asm("fs/m.o", source, &[target]);
    std::fs::rename(dir.join("fs/m.o"), dir.join("fs/m.ko")).unwrap();
    let arguments = ["check", "Module.symvers", "--built", "fs/m.ko"];
    let (code, stdout, stderr) = run(&dir, &arguments);
    assert_eq!(stdout, "");
    let line = |line: &str| line.replacen("modversions: error: fs/m.ko: ", "", 1);
    (code, stderr.lines().map(line).collect())
}

const GOOD: [(u32, &str); 2] = [(0x037a_0cba, "kfree"), (0x1234_5678, "module_layout")];

#[test]
fn equal_crcs_are_fine_in_every_form() {
    for target in KERNEL_TARGETS {
        for form in 0..2 {
            let own = exported(form, "mine", 0x0bad_cafe);
            for versions in [
                basic(&GOOD),
                extended(&GOOD),
                basic(&GOOD) + &extended(&GOOD),
            ] {
                let source = format!("{USE}{versions}{own}");
                assert_eq!(check(target, &source), (Some(0), vec![]), "{source}");
            }
        }
    }
}

#[test]
fn a_crc_that_is_not_the_exporters_is_a_fault() {
    let wrong = [(0, "kfree"), GOOD[1]];
    for (section, versions) in [
        ("__versions", basic(&wrong)),
        ("__version_ext_crcs", extended(&wrong)),
    ] {
        let expected = format!(
            "{section}: expects kfree with CRC 0x00000000, and vmlinux exports it with 0x037a0cba"
        );
        let found = check(KERNEL_TARGETS[0], &format!("{USE}{versions}"));
        assert_eq!(found, (Some(1), vec![expected]));
    }
}

#[test]
fn a_use_without_a_crc_is_a_fault() {
    let found = check(KERNEL_TARGETS[0], &format!("{USE}{}", basic(&GOOD[1..])));
    let expected = "uses kfree of vmlinux, and expects no CRC of it".to_owned();
    assert_eq!(found, (Some(1), vec![expected]));
}

#[test]
fn a_crc_of_what_nobody_exports_is_a_fault() {
    let versions = basic(&[GOOD[0], GOOD[1], (1, "gone")]);
    let found = check(KERNEL_TARGETS[0], &format!("{USE}{versions}"));
    let expected = "__versions: expects gone, which nobody exports".to_owned();
    assert_eq!(found, (Some(1), vec![expected]));
}

#[test]
fn an_exported_crc_of_another_value_is_a_fault() {
    for form in 0..2 {
        let own = exported(form, "mine", 0);
        let found = check(KERNEL_TARGETS[0], &format!("{USE}{}{own}", basic(&GOOD)));
        let expected =
            "exports mine with CRC 0x00000000, expected 0x0badcafe of Module.symvers".to_owned();
        assert_eq!(found, (Some(1), vec![expected]));
        let own = exported(form, "other", 1);
        let found = check(KERNEL_TARGETS[0], &format!("{USE}{}{own}", basic(&GOOD)));
        let expected = [
            "exports mine without a CRC, expected 0x0badcafe of Module.symvers",
            "exports other with CRC 0x00000001, which Module.symvers does not name; run make again",
        ];
        assert_eq!(found, (Some(1), expected.map(str::to_owned).to_vec()));
    }
    let found = check_alone(KERNEL_TARGETS[0], &format!("{USE}{}", basic(&GOOD)));
    let expected = "has no __crc_ symbol, and Module.symvers names 1 exports of it; run make again";
    assert_eq!(found, (Some(1), vec![expected.to_owned()]));
}

#[test]
fn sections_that_are_cut_short_are_faults() {
    let cut = format!("{USE}{}.byte 1\n", basic(&GOOD));
    let expected = "__versions: is not a multiple of the entry size, 64 bytes".to_owned();
    assert_eq!(check(KERNEL_TARGETS[0], &cut), (Some(1), vec![expected]));
    let few = extended(&GOOD).replace(".asciz \"module_layout\"\n", "");
    let expected = "__version_ext_names: has no name for entry 1 of __version_ext_crcs".to_owned();
    let found = check(KERNEL_TARGETS[0], &format!("{USE}{few}"));
    assert_eq!(found, (Some(1), vec![expected]));
    let many = extended(&GOOD).replace(".long 0x12345678\n", "");
    let expected =
        "__version_ext_names: has more names than __version_ext_crcs has entries".to_owned();
    let found = check(KERNEL_TARGETS[0], &format!("{USE}{many}"));
    assert_eq!(found, (Some(1), vec![expected]));
}

/// Makes a kernel's object tree with a module whose own CRC is not the one in Module.symvers.
fn tree_with_a_wrong_crc() -> TestDir {
    let dir = TestDir::new();
    dir.write("tree/Module.symvers", SYMVERS);
    dir.write("tree/fs/none", "");
    dir.write("tree/lib/none", "");
    let source = format!("{USE}{}{}", basic(&GOOD), exported(0, "mine", 1));
    dir.asm("tree/fs/m.o", &source, &[KERNEL_TARGETS[0]]);
    std::fs::rename(dir.join("tree/fs/m.o"), dir.join("tree/fs/m.ko")).unwrap();
    dir
}

/// `find` writes `./fs/m.ko`, which was taken for a module that exports nothing.
#[test]
fn a_module_is_the_same_by_every_spelling_of_its_path() {
    let dir = tree_with_a_wrong_crc();
    std::os::unix::fs::symlink("tree", dir.join("link")).unwrap();
    let module = dir.join("tree/fs/m.ko").display().to_string();
    let symvers = dir.join("tree/Module.symvers").display().to_string();
    for path in [
        "tree/fs/m.ko",
        "./tree/fs/m.ko",
        "tree/fs/../fs/m.ko",
        "tree//fs/./m.ko",
        "link/fs/m.ko",
        &module,
    ] {
        for symvers in [
            "tree/Module.symvers",
            "./tree/lib/../Module.symvers",
            &symvers,
        ] {
            let found = run(&dir, &["check", symvers, "--built", path]);
            let expected = format!(
                "modversions: error: {path}: exports mine with CRC 0x00000001, expected \
                 0x0badcafe of Module.symvers\n"
            );
            assert_eq!(found, (Some(1), String::new(), expected));
        }
    }
}

/// A copy of Module.symvers beside another tree: paths are those of the folder the tool runs in.
#[test]
fn modules_are_found_below_the_working_directory_too() {
    let dir = tree_with_a_wrong_crc();
    let symvers = dir.path().join("Module.symvers").display().to_string();
    dir.write("Module.symvers", SYMVERS);
    let tool = env!("CARGO_BIN_EXE_modversions");
    let mut command = std::process::Command::new(tool);
    command.args(["check", &symvers, "--built", "./fs/m.ko"]);
    let output = command.current_dir(dir.join("tree")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_file_with_crcs_that_module_symvers_does_not_know_is_a_fault() {
    let dir = tree_with_a_wrong_crc();
    std::fs::copy(dir.join("tree/fs/m.ko"), dir.join("tree/lib/other.ko")).unwrap();
    let arguments = [
        "check",
        "tree/Module.symvers",
        "--built",
        "tree/lib/other.ko",
    ];
    let expected = "modversions: error: tree/lib/other.ko: has 1 CRCs of exported symbols, the first \
                    of mine, and Module.symvers names no export of tree/lib/other; give the \
                    Module.symvers of this build and the file at its place in the object tree\n";
    assert_eq!(
        run(&dir, &arguments),
        (Some(1), String::new(), expected.into())
    );
}

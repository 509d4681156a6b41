// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The check of a compiler and a linker before anything is built.

use test_support::{TestDir, llvm_tool};

use crate::support::run;

/// Runs `lto-link check-toolchain`; returns the exit code, and the line that it prints.
fn tried(linker: &str, compiler: &[&str]) -> (Option<i32>, String) {
    let dir = TestDir::new();
    let mut arguments = vec!["check-toolchain", "--linker", linker, "--"];
    arguments.extend(compiler);
    let (code, stdout, stderr) = run(&dir, &arguments);
    assert_eq!(stdout, "");
    let line = stderr.lines().next().unwrap_or_default();
    let line = line.strip_prefix("lto-link: error: ").unwrap_or(line);
    (code, line.to_owned())
}

fn tool(name: &str) -> String {
    llvm_tool(name).display().to_string()
}

/// Writes a program in shell.
fn script(dir: &TestDir, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.write(name, format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a program");
    path.display().to_string()
}

#[test]
fn clang_and_ld_lld_of_one_version_can_do_lto() {
    let (clang, linker) = (tool("clang"), tool("ld.lld"));
    for target in ["x86_64-linux-gnu", "aarch64-linux-gnu"] {
        let target = format!("--target={target}");
        assert_eq!(tried(&linker, &[&clang, &target]), (Some(0), String::new()));
    }
    // A build system may add flags to the linker.
    let sysroot = "--sysroot=/nonexistent";
    let with_flags = tried(&format!("{linker} {sysroot}"), &[&clang, sysroot]);
    assert_eq!(with_flags, (Some(0), String::new()));
    // The compiler may be a wrapper such as ccache.
    assert_eq!(tried(&linker, &["env", &clang]), (Some(0), String::new()));
}

#[test]
fn another_compiler_or_linker_is_named() {
    let (clang, linker) = (tool("clang"), tool("ld.lld"));
    let gcc = (Some(1), "gcc is not clang".to_owned());
    assert_eq!(tried(&linker, &["gcc"]), gcc);
    let ld = (Some(1), "ld is not ld.lld".to_owned());
    assert_eq!(tried("ld", &[&clang]), ld);
    let (code, line) = tried(&linker, &["/nonexistent/clang"]);
    assert_eq!(code, Some(1));
    assert!(
        line.starts_with("/nonexistent/clang cannot be run: ")
            && line.matches("No such").count() == 1,
        "{line}"
    );
    let (code, line) = tried("/nonexistent/ld.lld --sysroot=/", &[&clang]);
    assert_eq!(code, Some(1));
    assert!(
        line.starts_with("/nonexistent/ld.lld cannot be run: "),
        "{line}"
    );
}

#[test]
fn a_linker_that_does_not_read_the_bitcode_is_named() {
    let dir = TestDir::new();
    // The message of ld.lld of LLVM 14 for bitcode of LLVM 22.
    let says = "ld.lld: error: a.o: Opaque pointers are only supported in -opaque-pointers mode";
    let text = format!("[ $1 = --version ] && echo LLD 14.0.6 && exit\necho '{says}' >&2; exit 1");
    let linker = script(&dir, "old-lld", &text);
    let clang = tool("clang");
    let (code, line) = tried(&linker, &[&clang]);
    assert_eq!(code, Some(1));
    let expected = format!("{linker} does not read the bitcode of {clang}: {says}");
    assert_eq!(line, expected);
}

#[test]
fn a_compiler_that_makes_no_bitcode_is_named() {
    let dir = TestDir::new();
    let clang = script(
        &dir,
        "clang",
        "[ $1 = --version ] && echo clang version 99 && exit\necho \"error: -flto: no\" >&2; exit 1",
    );
    let expected = format!("{clang} makes no bitcode: error: -flto: no");
    assert_eq!(tried(&tool("ld.lld"), &[&clang]), (Some(1), expected));
}

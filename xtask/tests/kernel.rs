// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `kernel config`, `kernel build`, `kernel fetch`, `setup` and `demo`, with trees that consist of
//! a Makefile.

use std::process::{Command, Output};

use test_support::TestDir;

/// A tree whose Kconfig accepts all options except on lines with REFUSED, and whose kernel is a
/// file with the variables of its build.
const MAKEFILE: &str = "\
allnoconfig:
\tgrep -v 'REFUSED' $(KCONFIG_ALLCONFIG) > $(O)/.config
all:
\t@echo '/a/tree/main.c:1:1: warning: unused' >&2
\t@echo $(ARCH) $(CROSS_COMPILE) $(LLVM) $(LLVM_IAS) $$MAKELEVEL $$KBUILD_OUTPUT > $(O)/kernel
\t@which clang > $(O)/clang
";

fn tree(makefile: &str) -> TestDir {
    let dir = TestDir::new();
    dir.write("tree/Makefile", makefile);
    dir.write("tree/Kconfig", "");
    dir
}

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments);
    command
}

fn in_tree(dir: &TestDir, arguments: &[&str]) -> Output {
    let mut command = xtask(&["kernel"]);
    command
        .args(arguments)
        .args(["--arch", "arm64", "--tree"])
        .arg(dir.join("tree"))
        .arg("--objtree")
        .arg(dir.join("objects"))
        .env("MAKELEVEL", "7")
        .env("KBUILD_OUTPUT", "/nowhere");
    test_support::output(&mut command)
}

fn configure(dir: &TestDir, more: &[&str]) -> Output {
    let arguments = ["config", "--profile", "ci", "--lto", "thin"];
    in_tree(dir, &[&arguments[..], more].concat())
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_configuration_has_the_profile_the_lto_and_what_is_set() {
    let dir = tree(MAKEFILE);
    let output = configure(&dir, &["--set", "NR_CPUS=8", "--set", "LOCALVERSION=-mine"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let config = dir.read_text("objects/.config");
    for line in [
        "CONFIG_EXT4_FS=m",
        "CONFIG_MODVERSIONS=y",
        "CONFIG_KVM=y",
        "CONFIG_LTO_CLANG_THIN=y",
        "CONFIG_NR_CPUS=8",
        "CONFIG_LOCALVERSION=\"-mine\"",
    ] {
        let found = config.lines().filter(|found| *found == line).count();
        assert_eq!(found, 1, "{line} in {config}");
    }
}

#[test]
fn what_kconfig_refuses_is_a_fault_that_names_it() {
    let dir = tree(MAKEFILE);
    let output = configure(&dir, &["--set", "REFUSED=m", "--set", "ALSO_REFUSED=n"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert!(
        errors.contains("Kconfig refused REFUSED=m (is n)"),
        "{errors}"
    );
    assert!(!errors.contains("ALSO_REFUSED"), "{errors}");
}

#[test]
fn a_kconfig_that_fails_is_shown() {
    let dir = tree("allnoconfig:\n\t@echo syntax error in arch/Kconfig >&2; exit 1\n");
    let output = configure(&dir, &[]);
    assert_eq!(output.status.code(), Some(2));
    let errors = errors(&output);
    assert!(errors.contains("syntax error in arch/Kconfig"), "{errors}");
}

#[test]
fn a_build_is_cross_compiled_with_llvm_whatever_is_in_the_environment() {
    let dir = tree(MAKEFILE);
    assert_eq!(configure(&dir, &[]).status.code(), Some(0));
    let output = in_tree(&dir, &["build", "--jobs", "3"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    // The recipe of a top make has level 1.
    assert_eq!(
        dir.read_text("objects/kernel"),
        "arm64 aarch64-linux-gnu- 1 1 1\n"
    );
    let clang = test_support::llvm_tool("clang").display().to_string();
    assert_eq!(dir.read_text("objects/clang").trim(), clang);
    assert!(
        dir.read_text("objects/build.log")
            .contains("main.c:1:1: warning: unused")
    );
    let usage: serde_json::Value =
        serde_json::from_slice(&dir.read("objects/build-usage.json")).unwrap();
    assert_eq!(usage["built"], true);
    assert_eq!(usage["jobs"], 3);
    assert!(
        usage["cpu_seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds >= 0.0)
    );
}

#[test]
fn a_build_that_fails_is_a_fault() {
    let dir = tree(&MAKEFILE.replace("@which clang", "@echo no such instruction; false"));
    assert_eq!(configure(&dir, &[]).status.code(), Some(0));
    let output = in_tree(&dir, &["build"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert!(errors.contains("build.log\n"), "{errors}");
}

#[test]
fn a_tree_that_was_fetched_is_the_last_line_printed() {
    let dir = TestDir::new();
    let there = dir.join("trees/linux-source-5.10_5.10.262-1");
    std::fs::create_dir_all(&there).unwrap();
    let mut fetch = xtask(&["kernel", "fetch", "5.10", "--into"]);
    let output = test_support::output(fetch.arg(dir.join("trees")));
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.lines().last(), there.to_str());
}

#[test]
fn a_kernel_that_no_suite_has_is_refused() {
    let dir = TestDir::new();
    let mut fetch = xtask(&["kernel", "fetch", "2.6", "--into"]);
    let output = test_support::output(fetch.arg(dir.path()));
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("no suite is known that has linux-source-2.6"));
}

/// Runs the command with an empty search path and an existing LLVM.
fn without_programs(command: &mut Command, dir: &TestDir) -> Output {
    let clang = test_support::llvm_tool("clang");
    command
        .env("KBUILD_LTO_LLVM", clang.parent().expect("a directory"))
        .env("PATH", dir.path());
    test_support::output(command)
}

#[test]
fn missing_packages_are_named_and_not_installed() {
    let dir = TestDir::new();
    for command in [
        &mut xtask(&["setup", "--no-install"]),
        &mut xtask(&["demo", "--no-install"]),
        &mut xtask(&["test", "--no-install"]),
    ] {
        let output = without_programs(command, &dir);
        assert_eq!(output.status.code(), Some(2));
        let errors = errors(&output);
        let missing = "missing packages: make bc bison flex xz-utils qemu-system-arm";
        assert!(errors.contains(missing), "{errors}");
    }
}

#[test]
fn an_llvm_that_is_named_and_lacks_a_tool_is_refused() {
    let dir = TestDir::new();
    let mut setup = xtask(&["setup", "--no-install"]);
    let output = test_support::output(setup.env("KBUILD_LTO_LLVM", dir.path()));
    assert_eq!(output.status.code(), Some(2));
    let errors = errors(&output);
    assert!(errors.contains("KBUILD_LTO_LLVM names: "), "{errors}");
    assert!(errors.contains(": no clang"), "{errors}");
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `kernel boot` with kernels of a few lines of C that print a real kernel's messages.

use std::process::{Command, Output};

use serde_json::Value;
use test_support::TestDir;

/// A program for QEMU's Arm machine that writes TEXT to the console, and powers off or not. The
/// addresses and the number of the call are from the machine `virt` and from PSCI.
const KERNEL: &str = r#"
static const char text[] = TEXT;

__asm__(".globl _start\n_start:\n"
        "ldr x0, =0x48000000\n mov sp, x0\n mrs x1, mpidr_el1\n and x1, x1, #0xff\n"
        "cbz x1, kernel\n park: wfi\n b park\n");

__attribute__((used)) void kernel(void)
{
    volatile unsigned *console = (unsigned *)0x9000000;
    const char *at;

    for (at = text; *at; at++)
        *console = *at;
#ifndef HANGS
    register unsigned long system_off __asm__("x0") = 0x84000008;
    __asm__ volatile("smc #0" : : "r"(system_off));
#endif
    for (;;)
        ;
}
"#;

/// Makes an object tree with modules `base` and `user`, of which `user` needs `base`, and with a
/// kernel that writes `text`.
fn object_tree(text: &str, flags: &[&str]) -> TestDir {
    let dir = TestDir::new();
    let target = "--target=aarch64-linux-gnu";
    dir.write("modules.order", "user.ko\nbase.ko\n");
    dir.c(
        "base.ko",
        r#"
        void in_base(void) {}
        static const char name[] __attribute__((used, section("__ksymtab_strings"))) = "in_base";
        "#,
        &[target],
    );
    dir.c(
        "user.ko",
        "void in_base(void); void user(void) { in_base(); }",
        &[target],
    );
    let text = format!("-DTEXT=\"{}\"", text.replace('\n', "\\n"));
    let freestanding = [
        target,
        "-ffreestanding",
        "-mgeneral-regs-only",
        "-O1",
        &text,
    ];
    dir.c("kernel.o", KERNEL, &[&freestanding[..], flags].concat());
    std::fs::create_dir_all(dir.join("arch/arm64/boot")).unwrap();
    dir.run(
        "ld.lld",
        &[
            "-Ttext=0x40200000",
            "kernel.o",
            "-o",
            "arch/arm64/boot/Image",
        ],
    );
    dir
}

fn boot(dir: &TestDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(["kernel", "boot", "--arch", "arm64", "--objtree"])
        .arg(dir.path());
    test_support::output(command.args(arguments))
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("the output is JSON")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const GOOD: &str = "\
[    0.0] Linux version
[    0.5] kbuild-lto: module /modules/base.ko
[    0.6] kbuild-lto: result 0 /modules/base.ko
[    0.7] kbuild-lto: module /modules/user.ko
[    0.8] kbuild-lto: result 0 /modules/user.ko
[    0.9] kbuild-lto: guest done
";

#[test]
fn a_good_boot_is_ok_and_keeps_the_console() {
    let dir = object_tree(GOOD, &[]);
    let output = boot(&dir, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let report = report(&output);
    assert_eq!(report["result"], "ok");
    assert_eq!(report["modules"]["base"], "ok");
    assert_eq!(report["modules"]["user"], "ok");
    assert_eq!(report["faults"].as_array().map(Vec::len), Some(0));
    assert!(
        report["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0)
    );
    assert_eq!(dir.read_text("boot.log"), GOOD);
}

#[test]
fn the_initramfs_has_init_and_the_modules_in_the_order_of_their_needs() {
    let dir = object_tree(GOOD, &[]);
    assert_eq!(boot(&dir, &[]).status.code(), Some(0));
    let archive = dir.read("boot-initramfs.cpio");
    let list = b"/modules/base.ko\n/modules/user.ko\n";
    assert!(archive.windows(list.len()).any(|window| window == list));
    assert!(archive.starts_with(b"070701"));
}

#[test]
fn a_warning_of_the_kernel_is_a_fault() {
    let text = GOOD.replace(
        "[    0.7]",
        "[    0.7] ------------[ cut here ]------------\n[    0.7] WARNING: CPU: 0 at lib/x.c\n[    0.7]",
    );
    let output = boot(&object_tree(&text, &[]), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = report(&output);
    assert_eq!(report["result"], "failed");
    assert_eq!(report["faults"][1], "[    0.7] WARNING: CPU: 0 at lib/x.c");
    assert_eq!(report["modules"]["user"], "ok");
}

#[test]
fn a_module_that_does_not_load_is_named_with_what_the_kernel_said() {
    let text = GOOD.replace(
        "[    0.8] kbuild-lto: result 0 /modules/user.ko",
        "[    0.8] user: disagrees about version of symbol in_base\n\
         [    0.8] kbuild-lto: result -22 /modules/user.ko",
    );
    let output = boot(&object_tree(&text, &[]), &[]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert!(errors.contains("module user: Invalid argument"), "{errors}");
    assert!(
        errors.contains("disagrees about version of symbol in_base"),
        "{errors}"
    );
    assert!(errors.contains("boot.log"), "{errors}");
}

#[test]
fn a_panic_leaves_the_modules_after_it_unreached() {
    let text = "\
[    0.5] kbuild-lto: module /modules/base.ko
[    0.6] Kernel panic - not syncing: Fatal exception
";
    let output = boot(&object_tree(text, &[]), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = report(&output);
    assert_eq!(report["modules"]["base"], "loading did not end");
    assert_eq!(report["modules"]["user"], "not reached");
    let faults = report["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[1]
            .as_str()
            .unwrap()
            .contains("init did not finish in the guest")
    );
}

#[test]
fn a_guest_that_does_not_end_is_stopped() {
    let dir = object_tree(GOOD, &["-DHANGS"]);
    let output = boot(&dir, &["--timeout", "2"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert!(
        errors.contains("the guest had not ended after 2 seconds"),
        "{errors}"
    );
}

#[test]
fn a_kernel_that_is_not_built_is_named() {
    let dir = TestDir::new();
    let output = boot(&dir, &[]);
    assert_eq!(output.status.code(), Some(2));
    let errors = errors(&output);
    assert!(
        errors.contains("arch/arm64/boot/Image: no such kernel image; build it first"),
        "{errors}"
    );
}

#[test]
fn a_machine_without_qemu_is_told_the_package() {
    let dir = object_tree(GOOD, &[]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(["kernel", "boot", "--arch", "arm64", "--objtree"])
        .arg(dir.path())
        .env("PATH", dir.path());
    let output = test_support::output(&mut command);
    assert_eq!(output.status.code(), Some(2));
    let errors = errors(&output);
    assert!(
        errors.contains("its package is qemu-system-arm"),
        "{errors}"
    );
}

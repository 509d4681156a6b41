// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Explains messages of programs that lto-link does not run, from their logs: the last link of vmlinux, clang,
//! modpost.

use std::process::Command;

use test_support::{ARM64, KERNEL_TARGETS, TestDir};

use crate::messages::{FAR, compile};
use crate::support::{ld_lld, link, run};

/// Runs `lto-link explain` on `log`, and returns exit code, standard output and standard error.
fn explain(dir: &TestDir, arguments: &[&str], log: &str) -> (Option<i32>, String, String) {
    dir.write("log", log);
    run(dir, &[&["explain", "log"], arguments].concat())
}

/// Only the last link of vmlinux has addresses. lto-link does not run it, so its messages come from a log.
#[test]
fn a_relocation_out_of_range_is_explained_from_a_log() {
    let dir = TestDir::new();
    let source = "int far(void); int user(void) { return far() + 1; }";
    dir.c("user.o", source, &[KERNEL_TARGETS[1], "-O2", "-flto=thin"]);
    link(&dir, &["module", "-o", "all.o", "--objs", "user.o"]);
    let mut last = Command::new(ld_lld());
    last.args([
        "-e",
        "0",
        "-o",
        "vmlinux",
        "--defsym",
        "far=0x100000000000",
        "all.o",
    ]);
    let output = test_support::output(last.current_dir(dir.path()));
    let (code, _, said) = test_support::texts(output);
    assert_eq!(code, Some(1));
    let (code, stdout, stderr) = explain(&dir, &[], &said);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{said}");
    assert_eq!(
        stdout,
        "all.o:(function user: .text.user+0x2) refers to far, which is farther away than R_X86_64_PLT32 reaches: the \
         kernel is too large, or its linker script puts them too far apart; build more of it as modules (=m), \
         or choose LTO_CLANG_INTERNALIZE, which drops unused code\n"
    );
}

/// Copies of structures call memcpy. With `-r` nothing is undefined, so the last link says it.
#[test]
fn a_library_function_that_is_missing_is_explained_from_a_log() {
    let dir = TestDir::new();
    let source = "struct large { char bytes[999]; }; \
                  void copy(struct large *a, struct large *b) { *a = *b; }";
    compile(&dir, "copy.o", "-flto=thin", source);
    link(&dir, &["module", "-o", "all.o", "--objs", "copy.o"]);
    let mut last = Command::new(ld_lld());
    last.args(["-e", "0", "-o", "vmlinux", "all.o"]);
    let (code, _, said) = test_support::texts(test_support::output(last.current_dir(dir.path())));
    assert_eq!(code, Some(1));
    let (code, stdout, _) = explain(&dir, &[], &said);
    assert_eq!(
        (code, stdout.as_str()),
        (
            Some(0),
            "generated code of all.o needs memcpy, and no linked object defines that; link the object that does, \
             or, if LTO dropped it, name it in the file of LTO_CLANG_KEEP\n"
        ),
        "{said}"
    );
    // Nothing is known of other symbols.
    let other = said.replace("memcpy", "my_function");
    assert_eq!(explain(&dir, &[], &other).0, Some(1));
}

/// The lines of the report of 2020-12-08, and one that is no library function. They are not made here, because
/// modpost is a program of the kernel.
#[test]
fn library_functions_that_modpost_misses_are_explained_once() {
    let dir = TestDir::new();
    let log = "  MODPOST Module.symvers\n\
               ERROR: modpost: \"memmove\" [drivers/media/rc/rc-core.ko] undefined!\n\
               ERROR: modpost: \"memcpy\" [net/wireless/cfg80211.ko] undefined!\n\
               ERROR: modpost: \"memcpy\" [net/8021q/8021q.ko] undefined!\n\
               ERROR: modpost: \"memset\" [net/8021q/8021q.ko] undefined!\n\
               ERROR: modpost: \"__stack_chk_guard\" [net/8021q/8021q.ko] undefined!\n\
               ERROR: modpost: \"my_function\" [net/unix/unix.ko] undefined!\n";
    let (code, stdout, _) = explain(&dir, &[], log);
    assert_eq!(
        (code, stdout.as_str()),
        (
            Some(0),
            "generated code of drivers/media/rc/rc-core.ko, net/wireless/cfg80211.ko and 1 more needs memmove, \
             memcpy and 2 more, and vmlinux does not export that: with TRIM_UNUSED_KSYMS, the .mod file beside \
             the module is older than the module, so remove it and run make again; without, add EXPORT_SYMBOL\n"
        )
    );
}

/// clang does not name the object whose code it generates, and only its exit code may say that it was killed.
#[test]
fn what_a_log_lacks_is_given_by_options() {
    let dir = TestDir::new();
    compile(&dir, "far.o", "-flto=thin", FAR);
    let linker = ld_lld();
    let arguments = ["thin-link", "-o", "all.o", "--objs", "far.o", "--", &linker];
    dir.write(".far.o.cmd", "cmd_far.o := clang -c -o far.o far.c\n");
    assert_eq!(run(&dir, &arguments).0, Some(0));
    let mut clang = Command::new(test_support::llvm_tool("clang"));
    clang.args([
        ARM64,
        "-fthinlto-index=far.o.thinlto.bc",
        "-c",
        "-x",
        "ir",
        "far.o",
    ]);
    let (code, _, said) = test_support::texts(test_support::output(clang.current_dir(dir.path())));
    assert_eq!(code, Some(1));
    let (code, stdout, _) = explain(&dir, &["--object", "fs/far.o", "--status", "1"], &said);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        stdout.starts_with("the assembly of fs/far.o has `far: tbz"),
        "{stdout}"
    );
    assert!(stdout.ends_with("(CFLAGS_far.o += -fno-lto)\n"), "{stdout}");

    let (code, stdout, _) = explain(&dir, &["--status", "137"], "");
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("the program was killed"), "{stdout}");
}

#[test]
fn a_log_without_a_known_message_is_told() {
    let dir = TestDir::new();
    let (code, stdout, stderr) = explain(&dir, &[], "fs/a.c:1:1: error: unknown type name 'x'\n");
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(
        stderr,
        "lto-link: error: log: has no message that lto-link can explain\n"
    );
    let (code, stdout, stderr) = run(&dir, &["explain", "missing"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(
        stderr.starts_with("lto-link: error: missing: No such file"),
        "{stderr}"
    );
}

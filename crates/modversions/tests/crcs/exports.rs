// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tests which symbols count as exports.

use test_support::{FORMS, TestDir};

use crate::support::{exporting, object, run};

/// Returns the exports that the command prints, sorted.
fn exports(dir: &TestDir, name: &str) -> Vec<String> {
    let (code, stdout, stderr) = run(dir, &["exports", name]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let mut names: Vec<_> = stdout.lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn every_form_of_the_headers_is_found_in_every_form_of_object() {
    let source = exporting(&["kfree", "__kmalloc"])
        + "int variable; EXPORT_GPL(variable)\nstatic int kept; EXPORT_GPL(kept)\n";
    for form in FORMS {
        for header in [&[][..], &["-DRELATIVE_CRCS"], &["-DABSOLUTE_ENTRIES"]] {
            let dir = TestDir::new();
            object(&dir, "a.o", &source, &[form, header].concat());
            assert_eq!(
                exports(&dir, "a.o"),
                ["__kmalloc", "kept", "kfree", "variable"],
                "{form:?} {header:?}"
            );
        }
    }
}

#[test]
fn exports_of_assembly_are_found() {
    let dir = TestDir::new();
    let source = ".globl memcpy\nmemcpy: nop\n\
                  .section ___ksymtab+memcpy, \"a\"\n.balign 4\n\
                  __ksymtab_memcpy: .long memcpy - .\n";
    dir.asm("memcpy.o", source, &["--target=aarch64-linux-gnu"]);
    assert_eq!(exports(&dir, "memcpy.o"), ["memcpy"]);
}

#[test]
fn names_that_only_look_like_it_are_no_exports() {
    let source = "extern int __ksymtab_elsewhere;\n\
                  int *reference = &__ksymtab_elsewhere;\n\
                  int __kstrtab_x, __kstrtabns_x, __crc_x, ksymtab_x, x__ksymtab_x;\n";
    for form in FORMS {
        let dir = TestDir::new();
        object(&dir, "a.o", source, form);
        assert_eq!(exports(&dir, "a.o"), [""; 0]);
    }
}

/// `modversions exports vmlinux.o | head` ended with a panic.
#[test]
fn an_output_that_is_closed_or_full_is_no_panic() {
    let dir = TestDir::new();
    object(&dir, "a.o", &exporting(&["kfree"]), FORMS[0]);
    let tool = env!("CARGO_BIN_EXE_modversions");
    let [closed, full] = dir.run_unheard(tool, &["exports", "a.o"]);
    assert_eq!(closed, (Some(0), String::new()));
    let message = "modversions: error: standard output cannot be written: No space left on device";
    assert!(full.0 == Some(2) && full.1.starts_with(message), "{full:?}");
}

#[test]
fn what_is_no_object_ends_with_2() {
    let dir = TestDir::new();
    object(&dir, "a.o", "", FORMS[0]);
    dir.archive("cDPrST", "built-in.a", &["a.o"]);
    dir.write("a.o.symversions", "__crc_a = 0x1;\n");
    for (file, message) in [
        (
            "built-in.a",
            "is a thin archive where an object is expected",
        ),
        (
            "a.o.symversions",
            "is neither ELF, LLVM bitcode nor an archive (begins with 5f 5f 63 72 63 5f 61 20)",
        ),
        (
            "none.o",
            "cannot be opened: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(
            run(&dir, &["exports", file]),
            (
                Some(2),
                String::new(),
                format!("modversions: error: {file}: {message}\n")
            )
        );
    }
}

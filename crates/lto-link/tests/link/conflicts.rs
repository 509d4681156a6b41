// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Shows why Kconfig excludes LTO with some instrumentation: an object compiled without it, such as
//! early code, gets it with functions inlined from other objects.

use test_support::{KERNEL_TARGETS, TestDir};

use crate::support::{LTO, link};

/// Returns the linked code of `small`, from an instrumented object, and of `early`, which calls it
/// from an object without instrumentation.
fn code(target: &str, lto: &str, instrumentation: &str) -> [String; 2] {
    let dir = TestDir::new();
    let flags = [target, lto, "-O2", "-fvisibility=hidden"];
    dir.c(
        "small.o",
        "extern int x; int small(void) { return x + 1; }",
        &[&flags[..], &[instrumentation]].concat(),
    );
    dir.c(
        "early.o",
        "int small(void); int early(void) { return small(); }",
        &flags,
    );
    link(
        &dir,
        &["module", "-o", "all.o", "--objs", "small.o", "early.o"],
    );
    ["small", "early"].map(|function| {
        let symbols = format!("--disassemble-symbols={function}");
        dir.run("llvm-objdump", &["-dr", &symbols, "all.o"])
    })
}

#[test]
fn coverage_comes_along_with_what_is_inlined() {
    for target in KERNEL_TARGETS {
        for lto in LTO {
            for (instrumentation, counter) in [
                ("-fsanitize-coverage=trace-pc", "__sanitizer_cov_trace_pc"),
                ("-fprofile-arcs", "__llvm_gcov_ctr"),
            ] {
                for code in code(target, lto, instrumentation) {
                    assert!(code.contains(counter), "{target} {lto}: {code}");
                }
            }
        }
    }
}

#[test]
fn what_checks_addresses_is_not_inlined() {
    for target in KERNEL_TARGETS {
        for lto in LTO {
            let [small, early] = code(target, lto, "-fsanitize=kernel-address");
            assert!(small.contains("__asan_"), "{target} {lto}: {small}");
            assert!(!early.contains("__asan_"), "{target} {lto}: {early}");
        }
    }
}

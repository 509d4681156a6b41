// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! References through a GOT, in code that clang makes with and without them.

use super::{ARM, Kernel, X86, faults, reason};
use crate::got::got;

const MODULE: &str = "int variable __attribute__((section(\".gnu.linkonce.this_module\")));\n";

/// A kernel with a reference.
const KERNEL: &str = ".text\nx: nop\n.data\n.quad x\n";

/// A kernel whose module is this C.
fn with_module(target: &str, source: &str, flags: &[&str]) -> Kernel {
    let kernel = Kernel::new(target, &[], KERNEL);
    let flags = [&[target, "-O2"], flags].concat();
    kernel.dir.c("m.ko", &[MODULE, source].concat(), &flags);
    kernel.dir.write("modules.order", "m.ko\n");
    kernel
}

const EXTERN: &str = "extern int outside; int *f(void) { return &outside; }\n";
const HIDDEN: &str = "extern __attribute__((visibility(\"hidden\"))) int outside; int *f(void) { return &outside; }\n";
const WEAK: &str = "extern __attribute__((weak)) int outside; int *f(void) { return &outside; }\n";

#[test]
fn code_for_a_got_is_a_fault() {
    for (target, kinds) in [
        (X86, &["R_X86_64_REX_GOTPCRELX"][..]),
        (
            ARM,
            &["R_AARCH64_ADR_GOT_PAGE", "R_AARCH64_LD64_GOT_LO12_NC"],
        ),
    ] {
        let check = with_module(target, EXTERN, &["-fPIC"]).check(got);
        let found = faults(&check);
        assert_eq!(found.len(), kinds.len(), "{check:?}");
        for (fault, kind) in found.iter().zip(kinds) {
            let begins = "m.ko: .text+0x";
            let ends = format!(
                " reaches outside through a GOT ({kind}); \
                 compile with -fvisibility=hidden, or link what defines it"
            );
            assert!(
                fault.starts_with(begins) && fault.ends_with(&ends),
                "{fault}"
            );
        }
        let n_faults = kinds.len();
        assert_eq!(
            check.figure,
            format!("{n_faults} references in vmlinux.o and 1 modules")
        );
        for (source, flags) in [(HIDDEN, &["-fPIC"]), (EXTERN, &["-fno-pic"])] {
            let check = with_module(target, source, flags).check(got);
            assert_eq!(faults(&check), [""; 0], "{target} {flags:?}");
        }
    }
}

#[test]
fn only_the_last_link_may_resolve_weak_symbols() {
    let kernel = Kernel::new(ARM, &[], KERNEL);
    kernel.dir.c("vmlinux.o", WEAK, &[ARM, "-O2", "-fno-pic"]);
    let check = kernel.check(got);
    assert_eq!(faults(&check), [""; 0]);
    assert_eq!(
        check.figure,
        "0 references in vmlinux.o and 0 modules; 2 to weak symbols that the last link defines"
    );
    let check = with_module(ARM, WEAK, &["-fno-pic"]).check(got);
    assert_eq!(faults(&check).len(), 2, "{check:?}");
    let kernel = Kernel::new(X86, &[], KERNEL);
    kernel.dir.c("vmlinux.o", WEAK, &[X86, "-O2", "-fPIC"]);
    let check = kernel.check(got);
    assert_eq!(faults(&check).len(), 1, "{check:?}");
}

/// Debugging information is not in memory, whatever it refers to.
#[test]
fn what_is_not_loaded_may_refer_to_a_got() {
    let source = ".section .debug_x\n .long outside@GOTPCREL\n";
    let kernel = Kernel::new(X86, &[], KERNEL).with_module(source);
    assert_eq!(faults(&kernel.check(got)), [""; 0]);
}

#[test]
fn other_machines_are_not_checked() {
    let kernel = Kernel::new("--target=riscv64-linux-gnu", &[], KERNEL);
    assert_eq!(
        reason(&kernel.check(got)),
        "relocations for a GOT are known of 64-bit x86 and 64-bit Arm only"
    );
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Objects with `READ_ONCE`, and the header that each was compiled with.

use super::{ARM, Kernel, X86};
use crate::Verdict;
use crate::read_once::read_once;

const PLAIN: &str = ".globl f\nf: ldr w0, [x0]\nret\n";
const ACQUIRING: &str =
    ".globl f\nf: ldar w0, [x0]\nldaprh w1, [x1]\nret\n.data\n.long 0x08dffc00\n";

const OWN: &str = "  /t/arch/arm64/include/asm/rwonce.h \\\n";
const ASKS: &str = "    $(wildcard include/config/lto.h) \\\n";
const GENERIC: &str = "  /t/include/asm-generic/rwonce.h \\\n";

/// A kernel of one object, which depends on this.
fn kernel(assembly: &str, options: &[&str], dependencies: &str) -> Kernel {
    let assembly = format!(".arch armv8.3-a\n{assembly}");
    let kernel = Kernel::new(ARM, options, &assembly);
    kernel.dir.c("a.o", "int a;", &[ARM, "-flto=thin"]);
    let command = format!(
        "cmd_a.o := clang -flto=thin\n\nsource_a.o := a.c\n\ndeps_a.o := \\\n{dependencies}"
    );
    kernel.dir.write(".a.o.cmd", command);
    kernel.dir.write("vmlinux.o.lto-inputs", "bitcode\ta.o\n");
    kernel
}

#[test]
fn objects_with_the_header_that_asks_for_lto_are_counted() {
    let lto = kernel(ACQUIRING, &["LTO_CLANG"], &format!("{OWN}{ASKS}{GENERIC}"));
    let check = lto.check(|tree| read_once(tree, None));
    assert_eq!(check.faults, [""; 0]);
    assert_eq!(
        check.figure,
        "1 objects with the form that acquires; 2 such loads in vmlinux"
    );
    let without = kernel(PLAIN, &[], "");
    let check = lto.check_against(&without, read_once);
    assert_eq!((check.verdict, check.faults.len()), (Verdict::Ok, 0));
    assert!(
        check
            .figure
            .ends_with("2 such loads in vmlinux, 0 without LTO")
    );
}

#[test]
fn an_object_whose_header_does_not_ask_is_named() {
    for dependencies in [format!("{OWN}{GENERIC}"), GENERIC.to_owned()] {
        let lto = kernel(ACQUIRING, &["LTO_CLANG"], &dependencies);
        let check = lto.check(|tree| read_once(tree, None));
        let expected = "a.o: its READ_ONCE does not acquire: the header that it was compiled with does not ask \
                        for CONFIG_LTO";
        assert_eq!(check.faults, [expected]);
    }
}

#[test]
fn a_kernel_without_such_loads_or_headers_is_a_fault() {
    let dependencies = format!("{OWN}{ASKS}{GENERIC}");
    let lto = kernel(PLAIN, &["LTO_CLANG"], &dependencies);
    let check = lto.check_against(&kernel(PLAIN, &[], ""), read_once);
    let expected = "vmlinux: expected more loads that acquire than the 0 without LTO, found 0";
    assert_eq!(check.faults, [expected]);
    let check = kernel(ACQUIRING, &["LTO_CLANG"], "").check(|tree| read_once(tree, None));
    assert_eq!(check.faults.len(), 1);
}

#[test]
fn where_nothing_is_strengthened_nothing_is_checked() {
    let without = kernel(PLAIN, &[], GENERIC);
    let x86 = Kernel::new(X86, &["LTO_CLANG"], ".globl f\nf: ret\n");
    for kernel in [without, x86] {
        let check = kernel.check(|tree| read_once(tree, None));
        assert_eq!(check.verdict, Verdict::NotApplicable);
    }
}

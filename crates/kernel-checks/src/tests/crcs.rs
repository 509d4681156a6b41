// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What is exported, and what modules take.

use super::{Kernel, X86, faults};
use crate::crcs;

/// A kernel with a module that calls `used`, and these exports.
fn kernel(options: &[&str], exports: &[&str]) -> Kernel {
    let kernel =
        Kernel::new(X86, options, ".globl _start\n_start: ret\n").with_module("call used\n");
    let line = |name: &&str| format!("0x00000001\t{name}\tm\tEXPORT_SYMBOL\t\n");
    let symvers: String = exports.iter().map(line).collect();
    kernel.dir.write("Module.symvers", symvers);
    kernel
}

#[test]
fn what_no_module_uses_may_be_trimmed() {
    let options = ["MODVERSIONS", "TRIM_UNUSED_KSYMS"];
    let against = kernel(&options, &["unused", "used"]);
    let lost = |options: &[&str], exports: &[&str]| -> Vec<String> {
        let check = kernel(options, exports).check_against(&against, crcs::check);
        let lost = faults(&check).into_iter().filter_map(|fault| {
            let (symbol, what) = fault
                .strip_prefix("Module.symvers: ")?
                .split_once(" of m: ")?;
            what.starts_with("exported only by")
                .then(|| symbol.to_owned())
        });
        lost.collect()
    };
    assert_eq!(lost(&options, &["used"]), [""; 0]);
    assert_eq!(lost(&options, &["unused"]), ["used"]);
    assert_eq!(lost(&options[..1], &["used"]), ["unused"]);
}

#[test]
fn exports_without_an_entry_of_the_tables_are_a_fault() {
    let options = ["MODVERSIONS", "HAVE_ARCH_PREL32_RELOCATIONS"];
    let check = kernel(&options, &["used"]).check(|tree| crcs::check(tree, None));
    let expected = "Module.symvers: 1 exports, and 0 entries of the tables of exports have a CRC";
    assert!(faults(&check).contains(&expected), "{check:?}");
    // Other tables hold no distances, and are not read.
    let check = kernel(&options[..1], &["used"]).check(|tree| crcs::check(tree, None));
    assert!(!faults(&check).contains(&expected), "{check:?}");
}

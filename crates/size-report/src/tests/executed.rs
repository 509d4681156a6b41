// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Executed instructions beside the sizes.

use std::fmt::Write as _;

use kernel_lab::runtime::image_hash;

use super::compared::pair;
use super::page::{Page, text};
use super::{Kernel, function, row};
use crate::executed::Executed;

/// The start address of the small kernels.
const START: u64 = 0xffff_ffff_8100_0000;

/// Writes a measurement of these instructions into the object tree: offset from the start, and number.
fn measure(kernel: &Kernel, workload: &str, executed: &[(u64, u64)]) {
    let image = kernel.dir.write("arch/x86/boot/bzImage", "image");
    let image = image_hash(&image).unwrap();
    let start = r#"{"kernel":1,"program":1,"taken_branches":1,"cache_misses":1}"#;
    let result = format!(
        r#"{{"image":"{image}","memory":"","qemu":"QEMU","sets":{{"training":
            {{"workload":"{workload}","start":{start},"kinds":[]}}}}}}"#
    );
    kernel.dir.write("bench-runtime.json", result);
    let mut addresses = String::new();
    for (offset, n) in executed {
        writeln!(addresses, "{:x} {n}", START + offset).unwrap();
    }
    kernel
        .dir
        .write("bench-runtime-training.addresses", addresses);
}

fn two_functions() -> Kernel {
    Kernel::of_assembly(&[
        ("kernel/a.o", function("first", 16)),
        ("kernel/b.o", function("second", 16)),
    ])
}

#[test]
fn instructions_belong_to_the_symbol_that_they_lie_in() {
    let kernel = two_functions();
    // Two blocks of the first symbol, the first instruction of the second, and one of a module.
    measure(&kernel, "v", &[(0, 5), (8, 7), (16, 3), (1 << 20, 100)]);
    let report = kernel.report();
    assert_eq!(row(&report, "kernel/a.o", "first").executed, Some(12));
    assert_eq!(row(&report, "kernel/b.o", "second").executed, Some(3));
    let total = report.executed.as_ref().unwrap();
    assert_eq!(total.sets, ["training"]);
    let alone = |instructions| Executed {
        instructions,
        instructions_against: None,
    };
    assert_eq!((total.executed, total.elsewhere), (alone(115), alone(100)));

    let page = Page::of(&report);
    let dom = page.view("path=kernel");
    assert!(text(&dom, "children").contains("instructions"), "{dom}");
    assert!(text(&dom, "children").contains("a.o1612"), "{dom}");
    assert!(
        text(&dom, "cards").contains("Executed instructions115"),
        "{dom}"
    );
}

#[test]
fn both_builds_are_compared_if_they_did_the_same() {
    let (kernel, other) = pair();
    assert_eq!(kernel.report_against(&other).executed, None);
    measure(&kernel, "v", &[(0, 30)]);
    assert_eq!(kernel.report_against(&other).executed, None);
    measure(&other, "w", &[(0, 20)]);
    assert_eq!(kernel.report_against(&other).executed, None);
    measure(&other, "v", &[(0, 20)]);
    let report = kernel.report_against(&other);
    let total = report.executed.as_ref().unwrap();
    let executed = Executed {
        instructions: 30,
        instructions_against: Some(20),
    };
    assert_eq!(total.executed, executed);
    let cards = text(&Page::of(&report).view(""), "cards");
    assert!(
        cards.contains("Executed instructions30+10, +50.0"),
        "{cards}"
    );
}

#[test]
fn what_was_counted_of_an_earlier_build_is_not_shown() {
    let kernel = two_functions();
    measure(&kernel, "v", &[(0, 5)]);
    kernel.dir.write("arch/x86/boot/bzImage", "built again");
    let report = kernel.report();
    assert_eq!(report.executed, None);
    assert_eq!(row(&report, "kernel/a.o", "first").executed, None);
    let dom = Page::of(&report).view("path=kernel");
    assert!(!text(&dom, "children").contains("instructions"), "{dom}");
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Changes of symbols against another build.

use super::{Kernel, X86, function, nm, row};
use crate::attribution::SEVERAL;
use crate::compare::{Change, DROPPED};
use crate::{Report, text};

/// Returns a kernel, and one to compare it with, in which each symbol is larger, smaller or gone.
pub fn pair() -> (Kernel, Kernel) {
    let first = function("same", 16) + &function("grew", 24) + &function("shrank.llvm.55", 16);
    let second = function("fresh", 4) + &function("moved", 12);
    let kernel = Kernel::of_assembly(&[("kernel/one.o", first), ("fs/ext4/two.o", second)]);
    let first = function("same", 16) + &function("grew", 16) + &function("shrank", 32);
    let first = first + &function("inlined", 8) + &function("moved", 12);
    let second = function("unused", 9) + &function("unused_too", 7);
    let other = Kernel::of_assembly(&[("kernel/one.o", first), ("fs/ext4/two.o", second)]);
    kernel.dir.write(
        DROPPED,
        "# symbol\tobject\tsize\tsection\nunused\tfs/ext4/two.o\t9\t.text.unused\n\
         unused_too\tfs/ext4/two.o\ninlined\tkernel/other.o\t8\n",
    );
    (kernel, other)
}

#[test]
fn each_symbol_changed_in_one_way() {
    let (kernel, other) = pair();
    let report = kernel.report_against(&other);
    for (object, name, change, size, against) in [
        ("kernel/one.o", "same", Change::Same, 16, 16),
        ("kernel/one.o", "grew", Change::Grew, 24, 16),
        ("kernel/one.o", "shrank", Change::Shrank, 16, 32),
        ("fs/ext4/two.o", "fresh", Change::New, 4, 0),
        ("fs/ext4/two.o", "moved", Change::Same, 12, 12),
        ("fs/ext4/two.o", "unused", Change::Dropped, 0, 9),
        ("fs/ext4/two.o", "unused_too", Change::Dropped, 0, 7),
        // The list has this name, but of another object.
        ("kernel/one.o", "inlined", Change::InlinedOrMerged, 0, 8),
    ] {
        let row = row(&report, object, name);
        let found = (row.change, row.size, row.against);
        assert_eq!(found, (Some(change), size, Some(against)), "{name}");
    }
    let totals: Vec<_> = report
        .changes
        .iter()
        .map(|total| {
            (
                total.n_symbols,
                total.size.size,
                total.size.against.unwrap(),
            )
        })
        .collect();
    assert_eq!(
        totals,
        [
            (2, 28, 28),
            (1, 24, 16),
            (1, 16, 32),
            (1, 4, 0),
            (2, 0, 16),
            (1, 0, 8)
        ]
    );
    assert_eq!(report.n_listed_as_dropped, Some(3));
    let of_changes: u64 = report.changes.iter().map(|total| total.size.size).sum();
    assert_eq!(of_changes + report.without_symbols.size, report.total.size);
}

#[test]
fn without_the_list_nothing_was_dropped() {
    let (kernel, other) = pair();
    kernel.remove(DROPPED);
    let report = kernel.report_against(&other);
    let n = |report: &Report, change| {
        let mut totals = report.changes.iter();
        totals
            .find(|total| total.change == change)
            .unwrap()
            .n_symbols
    };
    assert_eq!(n(&report, Change::Dropped), 0);
    assert_eq!(n(&report, Change::InlinedOrMerged), 3);
}

#[test]
fn a_damaged_list_is_named_with_its_line() {
    let (kernel, _) = pair();
    for (text, expected) in [
        (
            "",
            "vmlinux.lto-dropped: build the kernel again: line 1: expected names",
        ),
        ("unused\tx.o\n", "line 1: expected names of columns"),
        (
            "# symbol\tobject\nunused\n",
            "line 2: not a symbol and an object: unused",
        ),
    ] {
        kernel.dir.write(DROPPED, text);
        let error = kernel.error();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_same_file_of_both_is_measured() {
    let (kernel, other) = pair();
    assert_eq!(kernel.report_against(&other).measured, "vmlinux.o");
    other.remove("vmlinux.o");
    let report = kernel.report_against(&other);
    assert_eq!(report.measured, "vmlinux");
    assert_eq!(
        row(&report, "kernel/one.o", "grew").change,
        Some(Change::Grew)
    );
}

#[test]
fn a_build_without_a_record_has_that_of_the_other() {
    let (kernel, other) = pair();
    other.remove("vmlinux.o.lto-inputs");
    let report = kernel.report_against(&other);
    assert_eq!(
        report.against.as_ref().unwrap().inputs,
        "the record of the other build"
    );
    assert_eq!(row(&report, "fs/ext4/two.o", "unused").against, Some(9));
}

#[test]
fn text_and_json_say_the_same() {
    let (kernel, other) = pair();
    let report = kernel.report_against(&other);
    let text = text::tables(&report, 1);
    // 72 bytes of one build, 100 of the other.
    for expected in [
        "in memory",
        "72",
        "100",
        "-28",
        "-28.0",
        "kernel",
        "fs/ext4",
        "were dropped: 2",
    ] {
        assert!(text.contains(expected), "no {expected} in\n{text}");
    }
    assert!(
        text.contains("unused (fs/ext4/two.o)") && !text.contains("unused_too"),
        "{text}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["total"]["size"], 72);
    assert_eq!(json["total"]["against"], 100);
    assert_eq!(json["changes"][5]["change"], "inlined-or-merged");
    let symbols = json["symbols"].as_array().unwrap();
    let fresh = symbols
        .iter()
        .find(|symbol| symbol["name"] == "fresh")
        .unwrap();
    assert_eq!(fresh["object"], "fs/ext4/two.o");
    assert_eq!(fresh["change"], "new");
    assert_eq!(fresh["group"], "text");
    // A dropped symbol has the size of the other build.
    let dropped = symbols.iter().find(|symbol| symbol["change"] == "dropped");
    let dropped = dropped.unwrap();
    assert_eq!(
        (&dropped["name"], &dropped["size"]),
        (&"unused".into(), &0.into())
    );
    assert_eq!(dropped["against"], 9);
    let alone = serde_json::to_value(kernel.report()).unwrap();
    assert!(alone["total"].get("against").is_none());
    assert!(alone["symbols"][0].get("change").is_none());
}

#[test]
fn a_native_form_is_the_object_of_the_source() {
    let kernel = Kernel::empty();
    for (object, size) in [("a.o", 8), ("a.thinlto-native.o", 4)] {
        kernel.dir.asm(object, &function("f", size), &[X86]);
    }
    kernel.link(&["a.thinlto-native.o"]);
    assert_eq!(row(&kernel.report(), "a.o", "f").size, 4);
}

/// Two files of one name with statics of one name: full LTO leaves nothing to distinguish them by.
#[test]
fn what_one_build_cannot_tell_is_compared_together() {
    let source = |size: usize| {
        let source = function("init_once", size).replace(".globl init_once\n", "");
        source + "mark: .fill 1\n"
    };
    let objects = [("a/x.o", source(8)), ("b/y.o", source(12))];
    let kernel = Kernel::of_assembly(&objects);
    for (file, text) in [("x", source(8)), ("y", source(12))] {
        let dir = if file == "x" { "a" } else { "b" };
        let text = format!(".file \"{file}.c\"\n{text}");
        kernel.dir.asm(&format!("{dir}/{file}.o"), &text, &[X86]);
    }
    kernel.link(&["a/x.o", "b/y.o"]);
    let other = Kernel::of_assembly(&objects);
    let report = kernel.report_against(&other);
    assert_eq!(row(&kernel.report(), "a/x.o", "init_once").size, 8);
    let joined = row(&report, SEVERAL, "init_once");
    assert_eq!((joined.size, joined.against), (20, Some(20)));
    assert_eq!(joined.change, Some(Change::Same));
    assert!(report.changes[1..].iter().all(|total| total.n_symbols == 0));
}

#[test]
fn what_keeps_the_kernel_is_told_by_reason() {
    let kernel = Kernel::empty();
    let source = "__attribute__((noinline)) static int common(int x) { return x * 7 % 5; }
         int for_native(int x) { return common(x) + 1; }
         int offered(int x) { return common(x) - 1; }
         int offered_too(int x) { return x * 3 % 7; }";
    let flags = [X86, "-O2", "-flto=thin"];
    kernel.dir.c("a.o", source, &flags);
    kernel.link(&["a.o"]);
    assert_eq!(kernel.report().kept_for, None);

    kernel.dir.write(
        "vmlinux.lto-roots",
        "# symbol\treason\twho\nfor_native\tnative\tn.o\noffered\texported\ta.o\n\
         offered_too\texported\ta.o\n",
    );
    let sizes = nm(&kernel, "vmlinux.o");
    let [common, for_native, offered, offered_too] =
        ["common", "for_native", "offered", "offered_too"].map(|name| sizes[name]);
    let report = kernel.report();
    let rows = report.kept_for.as_deref().unwrap().iter();
    let rows: Vec<_> = rows.map(|kept| kept.cells(|n| n.to_string())).collect();
    let line = |reason: &str, numbers: [u64; 4]| {
        let numbers = numbers.iter().map(ToString::to_string);
        std::iter::once(reason.to_owned()).chain(numbers).collect()
    };
    let expected: [Vec<String>; 2] = [
        line(
            "exported",
            [2, 3, common + offered + offered_too, offered + offered_too],
        ),
        line("native", [1, 2, common + for_native, for_native]),
    ];
    assert_eq!(rows, expected);
    let text = text::tables(&report, 20);
    assert!(text.contains("kept for"), "{text}");
}

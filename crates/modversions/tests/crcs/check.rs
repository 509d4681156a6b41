// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `modversions check` over files of the form that modpost writes.

use test_support::TestDir;

use crate::support::run;

const REFERENCE: &str = "0x037a0cba\tkfree\tvmlinux\tEXPORT_SYMBOL\t\n\
                         0x12345678\tjbd2_log\tfs/jbd2/jbd2\tEXPORT_SYMBOL_GPL\t\n\
                         0x0badcafe\tusb_init\tdrivers/usb/core/usbcore\tEXPORT_SYMBOL_GPL\tUSB\n";

/// Returns the result of a check of `symvers` against `REFERENCE`.
fn against(symvers: &str) -> (Option<i32>, Vec<String>) {
    let dir = TestDir::new();
    dir.write("Module.symvers", symvers);
    dir.write("reference", REFERENCE);
    let arguments = ["check", "Module.symvers", "--against", "reference"];
    let (code, stdout, stderr) = run(&dir, &arguments);
    assert_eq!(stdout, "");
    (code, stderr.lines().map(str::to_owned).collect())
}

#[test]
fn equal_exports_in_any_order_are_fine() {
    assert_eq!(against(REFERENCE), (Some(0), vec![]));
    let reversed: Vec<_> = REFERENCE.lines().rev().collect();
    assert_eq!(against(&reversed.join("\n")), (Some(0), vec![]));
}

#[test]
fn every_difference_is_a_line() {
    let symvers = "0x00000000\tkfree\tvmlinux\tEXPORT_SYMBOL\t\n\
                   0x0badcafe\tusb_init\tdrivers/usb/core/usbcore\tEXPORT_SYMBOL_GPL\t\n\
                   0x00000001\tnew\tfs/new\tEXPORT_SYMBOL\t\n";
    assert_eq!(
        against(symvers),
        (
            Some(1),
            [
                "kfree of vmlinux: the CRC is zero",
                "jbd2_log of fs/jbd2/jbd2: exported only by the build to compare with",
                "kfree: expected 0x037a0cba from vmlinux (EXPORT_SYMBOL), \
                 found 0x00000000 from vmlinux (EXPORT_SYMBOL)",
                "usb_init: expected 0x0badcafe from drivers/usb/core/usbcore \
                 (EXPORT_SYMBOL_GPL\tUSB), \
                 found 0x0badcafe from drivers/usb/core/usbcore (EXPORT_SYMBOL_GPL)",
                "new of fs/new: not exported by the build that this one is compared with",
            ]
            .map(|line| format!("modversions: error: {line}"))
            .into()
        )
    );
}

#[test]
fn zero_crcs_are_faults_without_a_reference_too() {
    let dir = TestDir::new();
    dir.write("good", REFERENCE);
    assert_eq!(
        run(&dir, &["check", "good"]),
        (Some(0), String::new(), String::new())
    );
    dir.write(
        "zero",
        format!("{REFERENCE}0x00000000\tbad\tvmlinux\tEXPORT_SYMBOL\t\n"),
    );
    assert_eq!(
        run(&dir, &["check", "zero"]),
        (
            Some(1),
            String::new(),
            "modversions: error: bad of vmlinux: the CRC is zero\n".into()
        )
    );
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let dir = TestDir::new();
    dir.write("good", REFERENCE);
    for (content, message) in [
        (
            "0x1\ta\tvmlinux\tEXPORT_SYMBOL\t\nkfree\n",
            "bad: line 2: not CRC, symbol, exporter and kind of export separated by tabs: kfree",
        ),
        (
            "1\ta\tvmlinux\tEXPORT_SYMBOL\t\n",
            "bad: line 1: not CRC, symbol, exporter and kind of export separated by tabs: \
             1\ta\tvmlinux\tEXPORT_SYMBOL\t",
        ),
    ] {
        dir.write("bad", content);
        let expected = (
            Some(2),
            String::new(),
            format!("modversions: error: {message}\n"),
        );
        assert_eq!(run(&dir, &["check", "bad"]), expected);
        assert_eq!(run(&dir, &["check", "good", "--against", "bad"]), expected);
    }
    assert_eq!(
        run(&dir, &["check", "none"]),
        (
            Some(2),
            String::new(),
            "modversions: error: none cannot be read: No such file or directory (os error 2)\n"
                .into()
        )
    );
}

#[test]
fn the_help_has_examples() {
    let dir = TestDir::new();
    let (code, stdout, _) = run(&dir, &["--help"]);
    assert_eq!(code, Some(0));
    assert!(
        stdout.contains("modversions check build/Module.symvers"),
        "{stdout}"
    );
    assert!(stdout.contains("Exit codes: 0"), "{stdout}");
}

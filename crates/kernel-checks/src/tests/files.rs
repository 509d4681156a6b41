// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Object trees in which files are missing, or of another build.

use std::fs;
use std::time::{Duration, SystemTime};

use object_tree::Objtree;
use tool_io::Files;

use super::{ARM, Kernel, X86};
use crate::{Report, Request, Verdict, files};

const OPTIONS: &[&str] = &["X86_64", "MODULES", "MODVERSIONS"];

const CODE: &str = ".text\n.globl f\n.type f,@function\nf: nop\n ret\n.size f, .-f\n";

/// A kernel whose files are complete.
fn kernel() -> Kernel {
    let kernel = Kernel::new(X86, OPTIONS, CODE);
    let define = |option: &&str| format!("#define CONFIG_{option} 1\n");
    let header: Vec<_> = OPTIONS.iter().map(define).collect();
    kernel
        .dir
        .write("include/generated/autoconf.h", header.concat());
    let files = Files::new();
    let tree = Objtree::open(kernel.dir.path(), &files).unwrap();
    let map = tree
        .vmlinux
        .symbols()
        .iter()
        .map(|symbol| format!("{:x} T {}\n", symbol.value, symbol.name));
    let map: String = map.filter(|line| !line.ends_with(" \n")).collect();
    kernel.dir.write("System.map", map);
    kernel.dir.write("Module.symvers", "");
    kernel
}

fn found(kernel: &Kernel) -> Vec<String> {
    let files = Files::new();
    let tree = Objtree::open(kernel.dir.path(), &files).unwrap();
    files::check(&tree, None).unwrap().finding.faults
}

fn report(kernel: &Kernel) -> Report {
    let request = Request {
        objtree: kernel.dir.path(),
        against: None,
        only: &["crcs".to_owned(), "got".to_owned()],
        map: None,
    };
    request.run(&Files::new()).unwrap()
}

fn verdicts(report: &Report) -> Vec<(&str, Verdict)> {
    let checks = report.checks.iter();
    checks
        .map(|check| (check.name, check.finding.verdict))
        .collect()
}

#[test]
fn complete_files_have_no_fault() {
    assert_eq!(found(&kernel()), [""; 0]);
}

#[test]
fn a_missing_file_ends_only_the_check_that_needs_it() {
    let kernel = kernel();
    fs::remove_file(kernel.dir.join("Module.symvers")).unwrap();
    let report = report(&kernel);
    let expected = [
        ("files", Verdict::Ok),
        ("crcs", Verdict::NotRun),
        ("got", Verdict::Fault),
    ];
    // The code has no relocations.
    assert_eq!(verdicts(&report), expected, "{report:?}");
    let [reason] = &report.could_not_run()[..] else {
        panic!("{report:?}")
    };
    assert!(
        reason.starts_with("crcs: could not run: ") && reason.contains("Module.symvers"),
        "{reason}"
    );
}

#[test]
fn a_module_that_cannot_be_read_is_told_and_the_rest_is_checked() {
    let kernel = kernel();
    kernel.dir.write("modules.order", "m.ko\n");
    kernel.dir.write("m.ko", "");
    let report = report(&kernel);
    assert_eq!(verdicts(&report)[0], ("files", Verdict::NotRun));
    let [reason] = &report.could_not_run()[..] else {
        panic!("{report:?}")
    };
    assert!(reason.contains("m.ko: is empty"), "{reason}");
}

#[test]
fn a_kernel_of_another_architecture_is_told_once() {
    let kernel = kernel();
    let arm = Kernel::new(ARM, OPTIONS, ".text\nnop\n");
    fs::copy(arm.dir.join("vmlinux"), kernel.dir.join("vmlinux")).unwrap();
    let report = report(&kernel);
    let expected = [
        ("files", Verdict::Fault),
        ("crcs", Verdict::NotRun),
        ("got", Verdict::NotRun),
    ];
    assert_eq!(verdicts(&report), expected);
    assert!(
        report.faults()[0].contains("it is of another architecture"),
        "{:?}",
        report.faults()
    );
}

#[test]
fn a_module_that_no_list_has_is_missed() {
    let kernel = kernel();
    let command = "cmd_modules.order := { cat fs/modules.order; :; } > modules.order\n";
    kernel.dir.write(".modules.order.cmd", command);
    let command = "cmd_fs/modules.order := { echo fs/m.ko; :; } > fs/modules.order\n";
    kernel.dir.write("fs/.modules.order.cmd", command);
    let expected = "modules.order: lacks fs/m, which the list of its folder has; run make again";
    assert_eq!(found(&kernel), [expected]);
    fs::remove_file(kernel.dir.join("modules.order")).unwrap();
    assert!(
        found(&kernel)[0].starts_with("modules.order: is missing"),
        "{:?}",
        found(&kernel)
    );
}

#[test]
fn a_map_of_another_build_is_told_in_few_lines() {
    let kernel = kernel();
    let lines: Vec<_> = (0..9).map(|n| format!("{n} T f\n")).collect();
    kernel.dir.write("System.map", lines.concat());
    let faults = found(&kernel);
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(
        faults[2].ends_with("; and 7 more of this kind"),
        "{faults:?}"
    );
}

/// A kernel with module `m`, written in the order of a build.
fn kernel_with_module() -> Kernel {
    let kernel = kernel();
    let module = ".section .modinfo,\"a\"\n.asciz \"vermagic=1 \"\n\
        .section .gnu.linkonce.this_module,\"aw\"\n.quad 0\n";
    let kernel = kernel.with_module(module);
    fs::copy(kernel.dir.join("m.ko"), kernel.dir.join("m.o")).unwrap();
    for (second, name) in ["m.o", "m.mod.c", "m.mod.o", "m.ko", "vmlinux.o", "vmlinux"]
        .iter()
        .enumerate()
    {
        let path = kernel.dir.join(name);
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        set_time(&file.unwrap(), second);
    }
    kernel
}

fn set_time(file: &fs::File, second: usize) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second as u64);
    file.set_modified(time).unwrap();
}

fn touched(kernel: &Kernel, name: &str, second: usize) {
    let file = fs::OpenOptions::new()
        .append(true)
        .open(kernel.dir.join(name));
    set_time(&file.unwrap(), second);
}

#[test]
fn what_is_older_than_its_object_is_of_an_earlier_build() {
    let kernel = kernel_with_module();
    assert_eq!(found(&kernel), [""; 0]);
    touched(&kernel, "vmlinux.o", 9);
    let expected = "vmlinux: is older than vmlinux.o, from which it is linked; run make again";
    assert_eq!(found(&kernel), [expected]);
    touched(&kernel, "vmlinux.o", 4);
    touched(&kernel, "m.o", 8);
    let expected = "m.ko: is older than m.o, from which it is linked; run make again";
    assert_eq!(found(&kernel), [expected]);
}

#[test]
fn times_of_a_copy_are_not_compared() {
    let kernel = kernel_with_module();
    touched(&kernel, "m.o", 8);
    touched(&kernel, "m.mod.c", 9);
    let files = Files::new();
    let tree = Objtree::open(kernel.dir.path(), &files).unwrap();
    let finding = files::check(&tree, None).unwrap().finding;
    assert_eq!(finding.faults, [""; 0]);
    let [note] = &finding.notes[..] else {
        panic!("{finding:?}")
    };
    assert!(
        note.starts_with("times are not compared: 1 of 1 files"),
        "{note}"
    );
}

#[test]
fn a_comparison_of_a_build_with_itself_is_noted() {
    let kernel = kernel();
    kernel.dir.run(
        "ld.lld",
        &["--build-id", "-T", "lds", "-o", "vmlinux", "vmlinux.o"],
    );
    let notes = |against: &Kernel| {
        let files = Files::new();
        let open = |kernel: &Kernel| Objtree::open(kernel.dir.path(), &files).unwrap();
        let (tree, against) = (open(&kernel), open(against));
        files::check(&tree, Some(&against)).unwrap().finding.notes
    };
    let other = self::kernel();
    assert_eq!(notes(&other), [""; 0]);
    let [note] = &notes(&kernel)[..] else {
        panic!("no note")
    };
    assert!(note.ends_with("both are the same build"), "{note}");
}

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
    kernel_of(CODE)
}

/// A kernel of this assembly whose files are complete.
fn kernel_of(code: &str) -> Kernel {
    let kernel = Kernel::new(X86, OPTIONS, code);
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

/// Code with the line that the kernel prints first.
fn with_banner(number_and_time: &str) -> String {
    format!(
        "{CODE}.section .rodata, \"a\"\n.globl linux_banner\nlinux_banner:\n\
         .asciz \"Linux version 5.10.262-ci (user@host) clang {number_and_time}\\n\"\n"
    )
}

/// A module that was built for this release.
fn module(release: &str) -> String {
    format!(
        ".text\n.globl g\n.type g,@function\ng: ret\n.size g, .-g\n\
         .section .gnu.linkonce.this_module, \"aw\"\n.quad 0\n\
         .section .modinfo, \"a\"\n.asciz \"license=GPL\"\n.asciz \"vermagic={release} SMP\"\n"
    )
}

/// The only fault of the kernel with this module.
fn fault_of_module(source: &str) -> String {
    let kernel = kernel_of(&with_banner("#7 Mon")).with_module(source);
    let faults = found(&kernel);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.concat()
}

#[test]
fn a_module_of_another_build_is_told() {
    let good = module("5.10.262-ci");
    let kernel = kernel_of(&with_banner("#7 Mon")).with_module(&good);
    assert_eq!(found(&kernel), [""; 0]);
    // The object that it should be linked from.
    kernel
        .dir
        .asm("m.o", &good.replace("g: ret", "g: nop; ret"), &[X86]);
    assert_eq!(
        found(&kernel),
        [
            "m.ko: is of another build than m.o: g has 2 bytes in it, and 1 in the module; run make again"
        ]
    );
    kernel.dir.asm("m.ko", &good, &[ARM]);
    let faults = found(&kernel);
    assert!(
        faults[0].starts_with("m.ko: is for ELF machine 183, and vmlinux for 62"),
        "{faults:?}"
    );

    assert_eq!(
        fault_of_module(&module("5.9.0")),
        "m.ko: is for \"5.9.0 SMP\", and vmlinux is release 5.10.262-ci; run make again"
    );
    let none = fault_of_module(&good.replace("vermagic", "magic"));
    assert!(none.starts_with("m.ko: has no vermagic"), "{none}");
    let empty = fault_of_module(".text\nnop\n");
    assert!(empty.starts_with("m.ko: is no module"), "{empty}");
}

#[test]
fn a_vmlinux_o_or_vmlinux_of_another_build_is_told() {
    let kernel = kernel_of(&with_banner("#7 Mon"));
    kernel.dir.asm("vmlinux.o", &with_banner("#8 Tue"), &[X86]);
    assert_eq!(
        found(&kernel),
        [
            "vmlinux.o: is of another build: it says \"#8 Tue\", and vmlinux \"#7 Mon\"; run make again"
        ]
    );
    // Of one time, but with other code.
    let code = with_banner("#7 Mon").replace("f: nop", "f: nop; nop");
    kernel.dir.asm("vmlinux.o", &code, &[X86]);
    assert_eq!(
        found(&kernel),
        ["vmlinux.o: is of another build: f has 3 bytes in it, and 2 in vmlinux; run make again"]
    );
    kernel.dir.asm("vmlinux.o", &with_banner("#7 Mon"), &[X86]);
    let made = "#define UTS_VERSION \"#8 Tue\"\n";
    kernel.dir.write("include/generated/compile.h", made);
    assert_eq!(
        found(&kernel),
        [
            "vmlinux: is of another build: it says \"#7 Mon\", and include/generated/compile.h has \"#8 Tue\"; run make again"
        ]
    );
}

#[test]
fn a_vmlinux_without_code_or_symbols_is_told_once() {
    for (option, said) in [
        ("--only-keep-debug", "vmlinux: has no bytes of code"),
        ("--strip-all", "vmlinux: has no symbol table"),
    ] {
        let kernel = kernel();
        kernel.dir.run("llvm-objcopy", &[option, "vmlinux"]);
        let faults = found(&kernel);
        assert!(
            faults.len() == 1 && faults[0].starts_with(said),
            "{option}: {faults:?}"
        );
    }
}

#[test]
fn a_configuration_that_was_cut_off_is_a_fault() {
    let kernel = kernel();
    kernel.configure(&OPTIONS[..1]);
    let expected = ["MODULES", "MODVERSIONS"].map(|option| {
        format!("include/config/auto.conf: lacks CONFIG_{option}, which include/generated/autoconf.h has")
    });
    let mut faults = found(&kernel);
    faults.sort();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        expected.iter().all(|fault| faults.contains(fault)),
        "{faults:?}"
    );
    fs::remove_file(kernel.dir.join("include/generated/autoconf.h")).unwrap();
    let faults = found(&kernel);
    assert!(
        faults[0].starts_with("include/generated/autoconf.h is missing"),
        "{faults:?}"
    );
}

#[test]
fn a_module_that_only_the_other_build_has_is_missed() {
    let against = kernel().with_module(".text\nnop\n");
    let check = kernel().check_against(&against, |tree, against| {
        Ok(files::check(tree, against)?.finding)
    });
    assert_eq!(
        check.faults,
        ["modules.order: lacks m, which the build to compare with has"]
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

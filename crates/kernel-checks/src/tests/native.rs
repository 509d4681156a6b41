// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Object trees as the build of a kernel that knows LTO itself leaves them: no record and no list,
//! but commands. Whole ones, and ones with something broken.

use std::fs;

use super::{ARM, Kernel};
use crate::{Finding, Verdict, checks, links};

/// Where clang is asked for bitcode, and where not.
const LTO: &str = "clang -flto=thin -fvisibility=hidden -c";
const NATIVE: &str = "clang -c";
const LINKED: &str = "clang -flto=thin -c -o m.o m.c ; ld.lld -r -o .tmp_m.o m.o; mv .tmp_m.o m.o";

/// C text of an initcall of level 6, as the kernel's headers make it under LTO.
fn initcall(module: &str) -> String {
    let id = format!("kmod_{module}__1_7_{module}_init");
    format!(
        "int {module}_init(void) {{ return 0; }}\n\
         __attribute__((used, noinline)) int __initstub__{id}6(void) {{ return {module}_init(); }}\n\
         asm(\".section \\\".initcall6.init..{id}\\\", \\\"a\\\"\\n\"\n\
         \"__initcall__{id}6:\\n.long __initstub__{id}6 - .\\n.previous\\n\");\n"
    )
}

const SCRIPT: &str = "SECTIONS {\n. = 0x10000;\n.text : { *(.text .text.*) }\n.init.data : {\n\
    __initcall6_start = .; *(.initcall6.init) __initcall7_start = .; __initcall_end = .; }\n\
    .data : { *(.data .data.*) }\n/DISCARD/ : { *(.llvm_addrsig) }\n}\n";

/// A kernel of two objects with an initcall each and one of assembly, and a module of one object.
fn kernel() -> Kernel {
    let kernel = Kernel {
        dir: test_support::TestDir::new(),
    };
    kernel.configure(&["LTO_CLANG", "MODULES", "HAVE_ARCH_PREL32_RELOCATIONS"]);
    for name in ["first", "second"] {
        object(&kernel, name, &initcall(name), &["-flto=thin"], LTO);
    }
    kernel
        .dir
        .asm("head.o", ".globl _head\n_head: .quad 0\n", &[ARM]);
    command(&kernel, "head", NATIVE, "S");
    object(&kernel, "m", "int m(void) { return 1; }", &[], LINKED);
    fs::copy(kernel.dir.join("m.o"), kernel.dir.join("m.ko")).unwrap();
    kernel.dir.write("m.mod", "m.o\n");
    // As Linux 6.4 and later have it.
    kernel.dir.write("modules.order", "m.o\n");
    kernel
        .dir
        .archive("cDPrST", "vmlinux.a", &["head.o", "first.o", "second.o"]);
    kernel.dir.archive("cDPrST", "lib.a", &[]);
    let command = "savedcmd_vmlinux.o := ld.lld -r -o vmlinux.o -T .tmp_initcalls.lds \
                   --whole-archive vmlinux.a --no-whole-archive --start-group lib.a --end-group\n";
    kernel.dir.write(".vmlinux.o.cmd", command);
    link(&kernel, &["first", "second"]);
    kernel
}

fn object(kernel: &Kernel, name: &str, source: &str, flags: &[&str], command_line: &str) {
    let flags = [&[ARM, "-O2"], flags].concat();
    kernel.dir.c(&format!("{name}.o"), source, &flags);
    command(kernel, name, command_line, "c");
}

fn command(kernel: &Kernel, name: &str, command: &str, suffix: &str) {
    let text = format!(
        "savedcmd_{name}.o := {command}\n\nsource_{name}.o := {name}.{suffix}\n\ndeps_{name}.o := \\\n"
    );
    kernel.dir.write(format!(".{name}.o.cmd"), text);
}

/// Links vmlinux.o and vmlinux with the initcalls in this order.
fn link(kernel: &Kernel, order: &[&str]) {
    let section = |name| format!("\t\t*(.initcall6.init..kmod_{name}__1_7_{name}_init) ;\n");
    let sections = order.iter().map(section).collect::<Vec<_>>().concat();
    let script = format!("SECTIONS {{\n\t.initcall6.init : {{\n{sections}\t}}\n}}\n");
    kernel.dir.write(".tmp_initcalls.lds", script);
    let arguments = [
        "-r",
        "-m",
        "aarch64elf",
        "-T",
        ".tmp_initcalls.lds",
        "--whole-archive",
        "vmlinux.a",
        "-o",
        "vmlinux.o",
    ];
    kernel.dir.run("ld.lld", &arguments);
    kernel.link("vmlinux.o", SCRIPT);
}

fn all(kernel: &Kernel) -> [(&'static str, Finding); 4] {
    ["lto", "initcalls", "mod-files", "one-definition"].map(|name| (name, kernel.named(name)))
}

/// Expects that of the four checks this one has just these faults, and no other has any.
fn only(kernel: &Kernel, name: &str, faults: &[&str]) {
    for (checked, finding) in all(kernel) {
        let expected = if checked == name { faults } else { &[] };
        assert_eq!(finding.faults, expected, "{checked}");
    }
}

#[test]
fn a_whole_tree_has_no_faults() {
    let found = all(&kernel());
    for (name, finding) in &found {
        assert_eq!(finding.verdict, Verdict::Ok, "{name}: {finding:?}");
    }
    let [(_, lto), (_, initcalls), ..] = found;
    assert_eq!(
        lto.figure,
        "vmlinux.o: 2 bitcode, 1 native (0 of C, disabled by their commands); modules from \
         bitcode: 1 of 1"
    );
    assert_eq!(initcalls.figure, "2 of 2 as in the link order");
}

#[test]
fn an_object_that_is_native_by_its_command_is_meant_to_be() {
    let kernel = kernel();
    object(&kernel, "head", "int _head;", &[], NATIVE);
    only(&kernel, "lto", &[]);
    let figure = kernel.check(links::lto).figure;
    assert!(figure.contains("1 native (1 of C, "), "{figure}");
}

#[test]
fn native_code_where_bitcode_belongs_is_a_fault() {
    let fault =
        "vmlinux.o: first.o: expected bitcode, for its command has -flto, found native code";
    let kernel = kernel();
    object(&kernel, "first", &initcall("first"), &[], LTO);
    only(&kernel, "lto", &[fault]);
    // As every object of arm64 was in Linux 6.13.
    command(&kernel, "first", LINKED, "c");
    only(&kernel, "lto", &[fault]);
}

#[test]
fn a_part_of_a_module_that_lost_its_bitcode_is_a_fault() {
    let kernel = kernel();
    object(&kernel, "m1", "int m1;", &["-flto=thin"], LTO);
    object(&kernel, "m2", "int m2;", &[], LTO);
    kernel.dir.write("m.mod", "m1.o\nm2.o\n");
    let fault = "m.o: m2.o: expected bitcode, for its command has -flto, found native code";
    only(&kernel, "lto", &[fault]);
}

#[test]
fn initcalls_out_of_order_are_a_fault() {
    let kernel = kernel();
    link(&kernel, &["second", "first"]);
    let place = |place, expected, found| {
        format!(
            "vmlinux: initcall level 6, place {place}: expected {expected}_init by the link order, \
             found {found}_init"
        )
    };
    let script = ".tmp_initcalls.lds:3: expected \"*(.initcall6.init..kmod_first__1_7_first_init) ;\" \
                  by the link order, found \"*(.initcall6.init..kmod_second__1_7_second_init) ;\"";
    let expected = [
        place(0, "first", "second"),
        place(1, "second", "first"),
        script.to_owned(),
    ];
    only(
        &kernel,
        "initcalls",
        &expected.each_ref().map(String::as_str),
    );
}

#[test]
fn a_part_that_is_named_twice_is_a_fault() {
    let kernel = kernel();
    object(&kernel, "m1", "int m1;", &["-flto=thin"], LTO);
    kernel.dir.write("m.mod", "m1.o\nm1.o\n");
    let found = kernel.check(checks::mod_files).faults;
    assert_eq!(found, ["m.mod: names the object m1.o 2 times"]);
}

#[test]
fn bitcode_and_its_native_form_are_a_fault() {
    let kernel = kernel();
    let native = "first.prelink.o";
    let arguments = ["-r", "-m", "aarch64elf", "first.o", "-o", native];
    kernel.dir.run("ld.lld", &arguments);
    let members = ["head.o", "first.o", native, "second.o"];
    fs::remove_file(kernel.dir.join("vmlinux.a")).unwrap();
    kernel.dir.archive("cDPrST", "vmlinux.a", &members);
    let found = kernel.check(links::one_definition).faults;
    let expected = "vmlinux.o: first.o is linked, and so is first.prelink.o, which was made of it";
    assert_eq!(found, [expected]);
}

#[test]
fn without_a_record_the_source_tells_whether_there_must_be_one() {
    let kernel = kernel();
    fs::remove_file(kernel.dir.join(".vmlinux.o.cmd")).unwrap();
    fs::remove_file(kernel.dir.join("vmlinux.a")).unwrap();
    let verdicts = |kernel: &Kernel| {
        let [lto, initcalls, ..] = all(kernel);
        [lto, initcalls].map(|(_, finding)| finding.verdict)
    };
    assert_eq!(verdicts(&kernel), [Verdict::NotRun; 2]);
    kernel.dir.write("source/scripts/Makefile.build", "");
    assert_eq!(verdicts(&kernel), [Verdict::NotApplicable; 2]);
    kernel.dir.write("source/scripts/Makefile.vmlinux_o", "");
    assert_eq!(verdicts(&kernel), [Verdict::NotRun; 2]);
}

#[test]
fn a_module_whose_objects_are_not_known_is_a_fault() {
    let kernel = kernel();
    fs::remove_file(kernel.dir.join("m.mod")).unwrap();
    let expected = "m.mod is missing, so the objects of the module are not known; run make again";
    for (name, finding) in all(&kernel) {
        let expected = if name == "initcalls" {
            &[][..]
        } else {
            &[expected]
        };
        assert_eq!(finding.faults, expected, "{name}");
    }
}

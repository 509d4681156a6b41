// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `lto-link check`: objects and symbols that are linked twice, names that LTO changed, names that
//! the kernel has for its functions.

use std::fmt::Write as _;

use lto_link::{clashes, definitions, suffixed};
use test_support::{FORMS, KERNEL_TARGETS, TestDir, texts};
use tool_io::Files;

use crate::support::lto_link;

const ARM64: &str = KERNEL_TARGETS[0];

/// Returns the faults of linking these objects in this order.
fn twice(dir: &TestDir, inputs: &[&str]) -> Vec<String> {
    let files = Files::new();
    let paths: Vec<_> = inputs.iter().map(|input| dir.join(input)).collect();
    let inputs = files.link_order(&paths).unwrap();
    let root = format!("{}/", dir.path().display());
    let faults = definitions(&inputs).faults.into_iter();
    faults
        .map(|fault| fault.to_string().replace(&root, ""))
        .collect()
}

/// Makes objects in each form of bitcode, and a native one.
fn objects(flags: &[&str]) -> TestDir {
    let dir = TestDir::new();
    let flags = [&[ARM64, "-O2"], flags].concat();
    let weak = "__attribute__((weak)) int weak(void) { return 1; } static int own = 1;";
    dir.c(
        "a.o",
        &format!("{weak} int a(void) {{ return own; }}"),
        &flags,
    );
    dir.c(
        "b.o",
        &format!("{weak} int b(void) {{ return own; }}"),
        &flags,
    );
    dir.asm("native.o", ".globl native\nnative: .quad 0\n", &[ARM64]);
    dir
}

#[test]
fn what_is_defined_once_or_weakly_is_fine() {
    for flags in [&[][..], &["-flto=thin"], &["-flto=full"]] {
        let dir = objects(flags);
        assert_eq!(twice(&dir, &["a.o", "b.o", "native.o"]), [""; 0]);
    }
}

#[test]
fn a_second_definition_is_told_with_both_objects() {
    for flags in [&[][..], &["-flto=thin"], &["-flto=full"]] {
        let dir = objects(flags);
        dir.asm("c.o", ".globl a\na: .quad 0\n", &[ARM64]);
        let expected = ["a is defined by a.o and by c.o"];
        assert_eq!(twice(&dir, &["a.o", "b.o", "c.o"]), expected);
    }
}

#[test]
fn an_object_that_is_there_twice_is_told_once() {
    let dir = objects(&["-flto=thin"]);
    dir.archive("cDPrST", "built-in.a", &["a.o", "b.o"]);
    let found = twice(&dir, &["built-in.a", "a.o"]);
    assert_eq!(found, ["a.o is linked 2 times"]);
}

#[test]
fn bitcode_and_its_native_form_are_told() {
    for form in ["a.lto.o", "a.prelink.o", "a.thinlto-native.o", "a.native.o"] {
        let dir = objects(&["-flto=thin"]);
        dir.run("ld.lld", &["-r", "-m", "aarch64elf", "a.o", "-o", form]);
        let expected = format!("a.o is linked, and so is {form}, which was made of it");
        assert_eq!(twice(&dir, &["a.o", "b.o", form]), [expected]);
        assert_eq!(twice(&dir, &[form, "b.o"]), [""; 0]);
    }
}

#[test]
fn promoted_names_are_told_with_those_of_the_source() {
    // Only thin LTO makes statics global: the object that imports the caller refers to the static function.
    let dir = TestDir::new();
    let flags = [FORMS[1], &["-O2"]].concat();
    let callee = "static int state; static __attribute__((noinline)) int helper(int x)\n\
                  { state += x; return state; }\n\
                  int entry(int x) { return helper(x) + 1; }";
    dir.c("a.o", callee, &flags);
    let caller = "int entry(int x); int main_entry(int x) { return entry(x); }";
    dir.c("b.o", caller, &flags);
    dir.asm("native.o", ".globl helper\nhelper: .quad 0\n", &[ARM64]);
    let arguments = ["-r", "-m", "aarch64elf", "a.o", "b.o", "-o", "vmlinux.o"];
    dir.run("ld.lld", &arguments);
    let files = Files::new();
    let found = suffixed(&files.elf(&dir.join("vmlinux.o")).unwrap());
    let helper = found
        .iter()
        .find(|symbol| symbol.source_name == "helper")
        .unwrap_or_else(|| panic!("{found:?}"));
    assert!(helper.name.starts_with("helper.llvm."), "{helper:?}");
    assert_eq!(helper.kind, "function");
    assert!(found.iter().all(|symbol| symbol.source_name != "entry"));

    let paths = ["a.o", "b.o", "native.o"].map(|name| dir.join(name));
    let inputs = files.link_order(&paths).unwrap();
    let clashes = clashes(&found, &inputs);
    let [clash] = &clashes[..] else {
        panic!("{clashes:?}");
    };
    assert_eq!(clash.source_name, "helper");
    assert!(clash.object.ends_with("native.o"), "{clash}");

    let arguments = ["check", "vmlinux.o", "--emit-suffix-map", "map"];
    let (code, _, stderr) = texts(test_support::output(&mut lto_link(&dir, &arguments)));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let line = format!("vmlinux.o\thelper\t{}\tfunction\t0x0\n", helper.name);
    let map = dir.read_text("map");
    assert!(
        map.starts_with("# file\tsource name\tname\tkind\tvalue\n"),
        "{map}"
    );
    assert!(map.contains(&line), "{map}");
}

/// Returns assembly of kallsyms tables with these names, each with nm's letter for it.
/// `scripts/kallsyms.c` compresses names: there is a token for each character, and one token for
/// two characters.
fn kallsyms(names: &[&str]) -> String {
    let mut text = String::from(
        ".section .rodata, \"a\"\n.globl kallsyms_num_syms, kallsyms_names, kallsyms_token_table\n\
         .globl kallsyms_token_index\n",
    );
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "kallsyms_num_syms: .long {}\nkallsyms_names:\n",
        names.len()
    );
    for name in names {
        let compressed = name.replace("fu", "\u{1}");
        if compressed.len() > 0x7f {
            let (low, high) = (compressed.len() & 0x7f | 0x80, compressed.len() >> 7);
            let _ = writeln!(text, ".byte {low}, {high}");
        } else {
            let _ = writeln!(text, ".byte {}", compressed.len());
        }
        for byte in compressed.bytes() {
            let _ = writeln!(text, ".byte {byte}");
        }
    }
    let (mut table, mut index) = (String::new(), String::new());
    let mut at = 0;
    for byte in 0..=255_u8 {
        let token = match byte {
            1 => vec![b'f', b'u'],
            byte => vec![byte],
        };
        let _ = writeln!(index, ".short {at}");
        for byte in &token {
            let _ = writeln!(table, ".byte {byte}");
        }
        table += ".byte 0\n";
        at += token.len() + 1;
    }
    text + "kallsyms_token_table:\n" + &table + ".balign 2\nkallsyms_token_index:\n" + &index
}

/// Returns assembly of BTF with an integer, a prototype and functions of these names.
/// `include/uapi/linux/btf.h`.
fn btf(names: &[&str]) -> String {
    let mut types = String::from(
        ".long 1, 0x01000000, 4, 0x01000020\n\
         .long 0, 0x0d000001, 1, 0, 1\n",
    );
    let mut strings = String::from("2: .byte 0\n");
    for (index, name) in names.iter().enumerate() {
        let _ = writeln!(types, ".long name{index} - 2b, 0x0c000000, 2");
        let _ = writeln!(strings, "name{index}: .asciz \"{name}\"");
    }
    // The strings come after the types.
    let types = types.replace("2b", "strings");
    let strings = strings.replace("2:", "strings:");
    format!(
        ".section .BTF, \"a\"\n.short 0xeb9f\n.byte 1, 0\n.long 24\n\
         .long 0, strings - types, strings - types, end - strings\n\
         types:\n{types}{strings}end:\n"
    )
}

/// Checks a kernel with two functions, one of which has a suffix, and these tables.
fn kernel(tables: &str) -> (Option<i32>, Vec<String>) {
    let dir = TestDir::new();
    let long = "f".repeat(200);
    let source = format!(
        ".text\n.type func, %function\nfunc: .quad 0\n\
         .type helper.llvm.123, %function\nhelper.llvm.123: .quad 0\n\
         .type {long}, %function\n{long}: .quad 0\n\
         .type __efistub_left_out, %function\n__efistub_left_out: .quad 0\n{tables}"
    );
    dir.asm("vmlinux.o", &source, &[ARM64]);
    dir.run("ld.lld", &["-e", "0", "vmlinux.o", "-o", "vmlinux"]);
    let mut command = lto_link(&dir, &["check", "vmlinux"]);
    let (code, _, stderr) = texts(test_support::output(&mut command));
    let line = |line: &str| line.replacen("lto-link: error: vmlinux: ", "", 1);
    (code, stderr.lines().map(line).collect())
}

fn long() -> String {
    format!("t{}", "f".repeat(200))
}

#[test]
fn tables_that_know_the_same_functions_are_fine() {
    assert_eq!(kernel(""), (Some(0), vec![]));
    let good = kallsyms(&["Tfunc", "thelper", &long(), "Dkallsyms_names"]);
    assert_eq!(kernel(&good), (Some(0), vec![]));
    let good = kallsyms(&["Tfunc", "thelper.llvm.123", &long()]) + &btf(&["func", "helper"]);
    assert_eq!(kernel(&good), (Some(0), vec![]));
}

#[test]
fn an_object_that_refers_to_tables_of_a_later_link_has_none() {
    let dir = TestDir::new();
    let source = ".data\n.quad kallsyms_names, kallsyms_num_syms\n";
    dir.asm("vmlinux.o", source, &[ARM64]);
    let mut command = lto_link(&dir, &["check", "vmlinux.o"]);
    let (code, _, stderr) = texts(test_support::output(&mut command));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_function_that_one_table_does_not_know_is_told() {
    let fault = |line: &str| (Some(1), vec![line.to_owned()]);
    let found = kernel(&kallsyms(&["Tfunc", &long()]));
    let expected = "function helper has a symbol, and kallsyms does not know it";
    assert_eq!(found, fault(expected));
    let found = kernel(&kallsyms(&["Tfunc", "thelper", &long(), "Tfu"]));
    let expected = "kallsyms knows fu as code, and no symbol has the name";
    assert_eq!(found, fault(expected));
    let all = kallsyms(&["Tfunc", "thelper", &long()]);
    let found = kernel(&(all + &btf(&["func", "gone"])));
    let expected = "BTF has function gone, and kallsyms does not know it";
    assert_eq!(found, fault(expected));
}

#[test]
fn tables_that_cannot_be_read_are_told() {
    let fault = |line: &str| (Some(1), vec![line.to_owned()]);
    let good = kallsyms(&["Tfunc", "thelper", &long()]);
    // A size larger than the section.
    let many = good.replace(
        "kallsyms_num_syms: .long 3",
        "kallsyms_num_syms: .long 0x7fffffff",
    );
    let (code, lines) = kernel(&many);
    assert_eq!(code, Some(1));
    assert!(lines[0].starts_with("kallsyms: "), "{lines:?}");
    let found = kernel(&(good.clone() + &btf(&["func"]).replace("0xeb9f", "0xeb9e")));
    assert_eq!(found, fault(".BTF: does not begin with its magic"));
    let found = kernel(&(good + &btf(&["func"]).replace("0x0c000000", "0x1f000000")));
    let (code, lines) = found;
    assert_eq!(code, Some(1));
    assert!(
        lines[0].starts_with(".BTF: unknown kind 31 at "),
        "{lines:?}"
    );
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Assembly in bitcode, against what llvm-dis prints of the same file; and what else a link must know of
//! an object: whether its code may run at any address, which groups of sections it has.

use std::collections::{BTreeMap, BTreeSet};

use object_model::{Bitcode, Elf};
use test_support::{FORMS, KERNEL_TARGETS, TestDir};

const SOURCE: &str = r##"
asm(".globl in_module\nin_module: .long other_object\n");
asm(".macro twice name\n .long \\name, \\name\n.endm");
extern int state, helper(int);
int plain(int x) { return x + 1; }
int two(int x) {
    asm volatile("# one $ and \"quoted\" \\ %0" : "+r"(x));
    asm volatile(".pushsection table,\"aw\"\n\t.quad handler\n\t.popsection");
    asm volatile(".pushsection table,\"aw\"\n\t.quad handler\n\t.popsection");
    return helper(x);
}
static int inner(int x) { asm volatile("# inner %0" : "+r"(x)); return x; }
int outer(int x) { return x > 3 ? inner(x) : inner(-x) + 1; }
int (*table[])(int) = { inner, plain, two };
void of_constants(long *to) { asm volatile("# %c0 %1" :: "i"(&state), "r"(to[7] * 3 + 1234567)); }
"##;

/// Each function with its assembly, and that of the module under no name.
type Texts = BTreeMap<String, BTreeSet<Vec<u8>>>;

/// Returns a string as LLVM prints it: bytes in hexadecimal behind a backslash.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        // A backslash is printed as two.
        if part.is_empty() {
            bytes.push(b'\\');
            continue;
        }
        if let Ok(byte) = u8::from_str_radix(&part[..2], 16) {
            bytes.push(byte);
            bytes.extend(part[2..].bytes());
        } else {
            bytes.extend(part.bytes());
        }
    }
    bytes
}

fn printed(text: &str) -> Texts {
    let mut texts = Texts::new();
    let mut function = String::new();
    let mut module = Vec::new();
    for line in text.lines() {
        if let Some(asm) = line.strip_prefix("module asm \"") {
            module.extend(unescaped(asm.strip_suffix('"').expect("it is closed")));
            module.push(b'\n');
        } else if line.starts_with("define ") {
            let name = line.split('@').nth(1).expect("a name");
            name.split('(')
                .next()
                .expect("a name")
                .clone_into(&mut function);
        } else if let Some((_, asm)) = line.split_once(" asm ") {
            let asm = asm.split_once('"').expect("a text").1;
            let asm = asm.split('"').next().expect("its end");
            texts
                .entry(function.clone())
                .or_default()
                .insert(unescaped(asm));
        }
    }
    texts.insert(String::new(), BTreeSet::from([module]));
    texts
}

#[test]
fn all_assembly_is_read_as_llvm_reads_it() {
    for form in FORMS.iter().filter(|form| form.len() > 1) {
        for optimization in ["-O0", "-O2"] {
            let dir = TestDir::new();
            dir.c("a.o", SOURCE, &[&[optimization, "-w"], *form].concat());
            let data = dir.read("a.o");
            let bitcode = Bitcode::parse(&data).unwrap();
            let assembly = bitcode.assembly().unwrap();
            let summary = bitcode.summary().unwrap().expect("there is a summary");
            let mut found = Texts::new();
            for function in assembly.functions {
                let value = summary.value(function.value).expect("the value is there");
                assert_eq!(value.name, function.function);
                let texts = function.texts.into_iter().collect();
                assert!(found.insert(function.function.to_owned(), texts).is_none());
            }
            found.insert(String::new(), assembly.modules.into_iter().collect());
            let expected = printed(&dir.run("llvm-dis", &["-o", "-", "a.o"]));
            assert_eq!(found, expected, "{form:?} {optimization}");
            assert!(found.contains_key("two") && found.contains_key("of_constants"));
            let handler = &b"\t.quad handler"[..];
            let has_handler = |text: &Vec<u8>| text.windows(handler.len()).any(|at| at == handler);
            assert!(found["two"].iter().any(has_handler), "{form:?}");
        }
    }
}

#[test]
fn an_object_without_assembly_has_none() {
    let dir = TestDir::new();
    let flags = [KERNEL_TARGETS[0], "-O2", "-flto=thin"];
    dir.c("a.o", "int plain(int x) { return x + 1; }", &flags);
    let data = dir.read("a.o");
    let assembly = Bitcode::parse(&data).unwrap().assembly().unwrap();
    assert_eq!(assembly, object_model::Assembly::default());
}

#[test]
fn code_that_may_run_at_any_address_is_known() {
    for target in KERNEL_TARGETS {
        for kind in ["-flto=thin", "-flto=full"] {
            for (flag, expected) in [
                ("-fPIC", true),
                ("-fPIE", true),
                ("-fno-pic", false),
                ("-g", false),
            ] {
                let dir = TestDir::new();
                let flags = [target, "-fno-pie", kind, flag];
                dir.c("a.o", "int plain(int x) { return x + 1; }", &flags);
                let data = dir.read("a.o");
                let bitcode = Bitcode::parse(&data).unwrap();
                let found = bitcode.is_position_independent().unwrap();
                assert_eq!(found, expected, "{flags:?}");
            }
        }
    }
}

#[test]
fn groups_have_their_signature_and_their_sections() {
    let dir = TestDir::new();
    let source = ".section .text.thunk,\"axG\",@progbits,thunk,comdat\n.globl thunk\nthunk: ret\n\
                  .section .data.thunk,\"awG\",@progbits,thunk,comdat\n.long 1\n\
                  .section .text.own,\"axG\",@progbits,own\nown: ret\n.text\nplain: ret\n";
    dir.asm("a.o", source, &[KERNEL_TARGETS[1]]);
    let data = dir.read("a.o");
    let elf = Elf::parse(&data).unwrap();
    let comdats = elf.comdats().unwrap();
    let [comdat] = &comdats[..] else {
        panic!("{comdats:?}")
    };
    assert_eq!(comdat.signature, "thunk");
    let names: Vec<&str> = comdat
        .sections
        .iter()
        .map(|section| elf.section(*section).expect("the section is there").name)
        .collect();
    assert_eq!(names, [".text.thunk", ".data.thunk"]);
}

#[test]
fn strings_are_read_where_the_source_uses_a_section() {
    let source =
        "static const char in_it[] __attribute__((used, section(\"names\"))) = \"first_1.\";
                  const char *other = \"a string with blanks\\n\", *high = \"\\xff\";
                  const char array[3] = { 'a', 'b', 'c' };";
    for form in FORMS.iter().filter(|form| form.len() > 1) {
        let dir = TestDir::new();
        dir.c("a.o", source, form);
        let data = dir.read("a.o");
        let bitcode = Bitcode::parse(&data).unwrap();
        let strings: BTreeSet<Vec<u8>> = bitcode
            .strings_beside("names")
            .unwrap()
            .into_iter()
            .collect();
        let expected: [&[u8]; 4] = [b"first_1.", b"a string with blanks\n", b"\xff", b"abc"];
        let expected: BTreeSet<Vec<u8>> = expected.map(<[u8]>::to_vec).into();
        assert!(strings.is_superset(&expected), "{form:?}: {strings:?}");
        assert!(bitcode.strings_beside("name").unwrap().is_empty());
    }
}

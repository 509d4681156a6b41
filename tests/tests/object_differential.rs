// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares object-model with llvm-nm and goblin, over objects that clang makes here.

use kernel_tests::object_differential::{against_goblin, against_llvm_nm, object_files};
use test_support::{TARGETS, TestDir};

/// C text with every class of symbol that a kernel has.
const C: &str = r#"
extern int undefined_function(void);
extern int undefined_variable;
extern __attribute__((weak)) int weak_undefined(void);
extern __attribute__((weak)) int weak_undefined_variable;
int common_variable;
int zero = 0;
int data = 1;
const int constant = 2;
static int local_zero;
static int local_data = 3;
static const char *const text = "text";
__attribute__((weak)) int weak_variable = 4;
__attribute__((section(".data..percpu"))) int per_cpu = 5;
__attribute__((section(".init.text"))) int init(void) { return data; }
__attribute__((section(".discard.addressable"), used)) static void *addressable = &init;
static __attribute__((noinline)) int local_function(const char *of) { return of[0] + local_zero++ + local_data++; }
__attribute__((weak)) int weak_function(void) { return 6; }
__attribute__((visibility("hidden"))) int hidden(void) { return weak_undefined_variable; }
extern int alias(void) __attribute__((alias("hidden")));
int *pointer = &undefined_variable;
int function(void)
{
    return undefined_function() + local_function(text) + (weak_undefined ? weak_undefined() : 0) + constant;
}
asm(".section .assembled,\"aw\"\n"
    ".globl asm_global\n"
    "asm_global: .long 0\n"
    "asm_local: .long 1\n"
    ".weak asm_weak\n"
    "asm_weak: .long 2\n"
    ".long asm_undefined\n"
    ".set asm_absolute, 0x77\n"
    ".section .noalloc,\"\"\n"
    "asm_noalloc: .long 3\n"
    ".text\n");
"#;

/// Makes objects of every target, with and without optimization and debug information, and bitcode.
fn objects() -> TestDir {
    let dir = TestDir::new();
    for target in TARGETS {
        let triple = format!("--target={}", target.triple);
        let variants: [&[&str]; 5] = [
            &["-O2"],
            &["-O0", "-g", "-fcommon"],
            &["-O2", "-ffunction-sections", "-fdata-sections", "-fPIC"],
            &["-O2", "-flto=thin", "-fcommon"],
            &["-O2", "-flto=full", "-g"],
        ];
        for (number, flags) in variants.into_iter().enumerate() {
            let name = format!("{}-{number}.o", target.triple);
            let flags = [&[triple.as_str(), "-ffreestanding"], flags].concat();
            dir.c(&name, C, &flags);
        }
    }
    dir
}

#[test]
fn every_symbol_is_what_llvm_nm_shows() {
    let dir = objects();
    let files = object_files(dir.path());
    assert_eq!(files.len(), TARGETS.len() * 5);
    assert_eq!(against_llvm_nm(&files), [""; 0]);
}

#[test]
fn headers_sections_symbols_and_relocations_are_what_goblin_reads() {
    let dir = objects();
    let mut compared = 0;
    for file in object_files(dir.path()) {
        let data = std::fs::read(&file).unwrap();
        if data.starts_with(b"\x7fELF") {
            assert_eq!(against_goblin(&data), [""; 0], "{}", file.display());
            compared += 1;
        }
    }
    assert_eq!(compared, TARGETS.len() * 3);
}

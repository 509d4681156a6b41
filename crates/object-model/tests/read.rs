// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Objects of every kind, made by clang in the test.

use object_model::{Binding, Definition, FileKind, LtoKind, Object, Symbol, Visibility};
use test_support::TestDir;

/// One symbol of every sort that the tests look at.
const SOURCE: &str = r#"
extern int undefined_function(void);
extern __attribute__((weak)) int weak_undefined(void);
int common_variable;
int data_variable = 3;
static __attribute__((used)) int used_variable = 4;
__thread int tls_variable;
__attribute__((section("named.section"))) int in_section = 5;
static __attribute__((noinline)) int local_function(void) { return undefined_function(); }
__attribute__((weak)) int weak_function(void) { return 1; }
__attribute__((visibility("hidden"))) int hidden_function(void) { return local_function() + weak_undefined(); }
int alias_function(void) __attribute__((alias("weak_function")));
asm(".section \".initcall1.init..kmod_a__1_2_fn\",\"a\"\n"
    "__initcall__kmod_a__1_2_fn1:\n"
    ".long 0\n"
    ".previous\n"
    ".globl asm_global\n"
    "asm_global: .long asm_undefined\n");
"#;

fn symbol<'a, 'data>(object: &'a Object<'data>, name: &str) -> &'a Symbol<'data> {
    let mut found = object.linker_symbols().filter(|symbol| symbol.name == name);
    let symbol = found
        .next()
        .unwrap_or_else(|| panic!("no {name} in {object:?}"));
    assert!(found.next().is_none(), "{name} is there twice");
    symbol
}

/// Names that the back end of some target adds: mapping symbols of Arm and RISC-V, bases that
/// code is addressed from.
fn of_the_target(name: &str) -> bool {
    name.starts_with('$') || name.starts_with(".L") || [".TOC.", "_gp_disp"].contains(&name)
}

fn check_common(object: &Object) {
    use Binding::{Global, Local, Weak};
    use Definition::{Common, Defined, Undefined};
    let expected = [
        ("undefined_function", Global, Undefined),
        ("weak_undefined", Weak, Undefined),
        ("common_variable", Global, Common),
        ("data_variable", Global, Defined),
        ("used_variable", Local, Defined),
        ("tls_variable", Global, Defined),
        ("in_section", Global, Defined),
        ("local_function", Local, Defined),
        ("weak_function", Weak, Defined),
        ("hidden_function", Global, Defined),
        ("alias_function", Global, Defined),
        ("__initcall__kmod_a__1_2_fn1", Local, Defined),
        ("asm_global", Global, Defined),
        ("asm_undefined", Global, Undefined),
    ];
    for (name, binding, definition) in expected {
        let symbol = symbol(object, name);
        assert_eq!(
            (symbol.binding, symbol.definition),
            (binding, definition),
            "{name}"
        );
    }
    let known = |name: &str| expected.iter().any(|entry| entry.0 == name);
    let others: Vec<_> = object
        .linker_symbols()
        .map(|symbol| symbol.name)
        .filter(|name| !known(name) && !of_the_target(name))
        .collect();
    assert_eq!(others, [""; 0]);
    assert_eq!(
        symbol(object, "hidden_function").visibility,
        Visibility::Hidden
    );
    assert_eq!(
        symbol(object, "in_section").section_name,
        Some("named.section")
    );
    assert_eq!(symbol(object, "common_variable").size, 4);
    assert!(symbol(object, "tls_variable").is_tls());
    assert!(symbol(object, "local_function").is_executable());
    assert!(!symbol(object, "data_variable").is_executable());
}

#[test]
fn bitcode_of_both_kinds_tells_its_symbols() {
    let dir = TestDir::new();
    for (flag, kind) in [("-flto=full", LtoKind::Full), ("-flto=thin", LtoKind::Thin)] {
        dir.c(
            "a.o",
            SOURCE,
            &["--target=aarch64-linux-gnu", "-fcommon", flag],
        );
        let data = dir.read("a.o");
        let object = Object::parse(&data).unwrap();
        check_common(&object);
        assert_eq!(object.kind(), FileKind::RawBitcode);
        assert!(symbol(&object, "used_variable").is_used());
        assert!(symbol(&object, "asm_global").is_from_asm());
        assert!(!symbol(&object, "data_variable").is_from_asm());
        assert!(symbol(&object, "alias_function").is_indirect());
        let bitcode = object.as_bitcode().unwrap();
        assert_eq!(bitcode.triple(), "aarch64-unknown-linux-gnu");
        assert_eq!(bitcode.source_file(), "a.c");
        assert!(
            bitcode.producer().starts_with("LLVM"),
            "{}",
            bitcode.producer()
        );
        assert_eq!(bitcode.lto_kind().unwrap(), kind);
    }
}

#[test]
fn elf_of_every_class_and_byte_order_tells_its_symbols() {
    let dir = TestDir::new();
    for target in test_support::TARGETS {
        let triple = format!("--target={}", target.triple);
        dir.c("a.o", SOURCE, &[&triple, "-fcommon", "-ffreestanding"]);
        let data = dir.read("a.o");
        let object = Object::parse(&data).unwrap_or_else(|error| panic!("{target:?}: {error}"));
        check_common(&object);
        let elf = object.as_elf().unwrap();
        assert_eq!(
            (elf.is_64(), elf.is_big_endian()),
            (target.is_64, target.is_big_endian)
        );
    }
}

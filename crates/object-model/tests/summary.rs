// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares summaries of bitcode that clang and opt make in the test with the output of llvm-dis for the
//! same file.

#[path = "support/write_bitcode.rs"]
mod write_bitcode;
#[path = "support/write_summary.rs"]
mod write_summary;

use std::collections::{BTreeMap, BTreeSet};

use object_model::{
    Bitcode, GlobalValue, GlobalValueKind, Guid, Linkage, Summary, ValueIndex, ValueSummary,
    WithCauses,
};
use test_support::TestDir;

use write_bitcode::Bits;
use write_summary::{BLOCK_INFO, Record, THIN_SUMMARY, file, records};

/// A value as both sides describe it. Values of other modules are numbers in `references`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Described {
    kind: GlobalValueKind,
    linkage: String,
    is_live: bool,
    is_not_eligible_to_import: bool,
    instructions: Option<u64>,
    references: BTreeSet<String>,
    /// The functions among them that are not only called.
    named: Option<BTreeSet<String>>,
}

/// Every value, from its line in the IR: kind, linkage, and whether it is a declaration.
type Lines = BTreeMap<String, (GlobalValueKind, String, bool)>;

fn summary(data: &[u8]) -> Summary<'_> {
    let bitcode = Bitcode::parse(data).expect("it is bitcode");
    let summary = bitcode.summary().expect("the summary can be read");
    summary.expect("there is a summary")
}

fn describe(summary: &Summary<'_>) -> BTreeMap<String, Described> {
    let defined = summary.values.iter().filter_map(|value| {
        let found = value.summary.as_ref()?;
        let names = found.references.iter().map(|&index| {
            let value = summary.value(index).expect("the index is of this file");
            value.name.to_owned()
        });
        let numbers = found.profiled.iter().map(|guid| guid.0.to_string());
        let is_function = value.kind == GlobalValueKind::Function;
        let described = Described {
            kind: value.kind,
            linkage: value.linkage.to_string(),
            is_live: found.is_live,
            is_not_eligible_to_import: found.is_not_eligible_to_import,
            instructions: found.instructions,
            named: is_function.then(|| names.clone().take(found.n_named).collect()),
            references: names.chain(numbers).collect(),
        };
        assert_eq!(
            described.references.len(),
            found.references.len() + found.profiled.len(),
            "{value:?} refers twice to one value"
        );
        Some((value.name.to_owned(), described))
    });
    defined.collect()
}

fn lines(summary: &Summary<'_>) -> Lines {
    let line = |value: &GlobalValue<'_>| {
        let of_line = (value.kind, value.linkage.to_string(), value.is_declaration);
        (value.name.to_owned(), of_line)
    };
    summary.values.iter().map(line).collect()
}

/// Returns the text between the first `begin` and the next of `ends`.
fn between<'text>(text: &'text str, begin: &str, ends: &[char]) -> Option<&'text str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split(ends).next()
}

/// Returns a name as LLVM prints it: bytes in hexadecimal behind a backslash.
fn unescaped(name: &str) -> String {
    let mut parts = name.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = u8::from_str_radix(&part[..2], 16).expect("two digits");
        plain.push(char::from(byte));
        plain.push_str(&part[2..]);
    }
    plain.trim_start_matches('\x01').to_owned()
}

/// Returns the numbers behind `^` in a text.
fn carets(text: &str) -> impl Iterator<Item = &str> {
    text.split('^')
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next())
}

/// Returns the summaries in the text of llvm-dis: lines such as `^4 = gv: (name: "f", summaries:
/// (function: (module: ^0, flags: (linkage: internal, …), …)))`.
fn printed(text: &str) -> BTreeMap<String, Described> {
    let entries = text.lines().filter_map(|line| {
        let (number, entry) = line.strip_prefix('^')?.split_once(" = gv: (")?;
        let entry = entry
            .rsplit_once(" ; guid")
            .map_or(entry, |(entry, _)| entry);
        let name = match between(entry, "name: \"", &['"']) {
            Some(name) => unescaped(name),
            None => between(entry, "guid: ", &[')', ',']).unwrap().to_owned(),
        };
        Some((number, (name, entry)))
    });
    let entries: BTreeMap<&str, (String, &str)> = entries.collect();
    let mut found = BTreeMap::new();
    for (name, entry) in entries.values() {
        let Some((_, body)) = entry.split_once("summaries: (") else {
            continue;
        };
        let kind = match body.split_once(':').unwrap().0 {
            "function" => GlobalValueKind::Function,
            "variable" => GlobalValueKind::Variable,
            "alias" => GlobalValueKind::Alias,
            kind => panic!("{kind}: {entry}"),
        };
        let field = |begin: &str| between(body, begin, &[',', ')']);
        // After the flags come the references; type ids are among them, but no values.
        let (_, rest) = body.split_once("flags: (").unwrap();
        let named = |text| carets(text).filter_map(|number| Some(entries.get(number)?.0.clone()));
        let references = named(rest);
        let not_called = between(rest, "refs: (", &[')']).unwrap_or_default();
        let described = Described {
            kind,
            linkage: field("linkage: ").unwrap().to_owned(),
            is_live: field("live: ").unwrap() == "1",
            is_not_eligible_to_import: field("notEligibleToImport: ").unwrap() == "1",
            instructions: field("insts: ").map(|number| number.parse().unwrap()),
            references: references.collect(),
            named: (kind == GlobalValueKind::Function).then(|| {
                // Profile data is among it, as a number.
                let names = named(not_called).filter(|name| name.parse::<u64>().is_err());
                names.collect()
            }),
        };
        assert!(found.insert(name.clone(), described).is_none(), "{name}");
    }
    found
}

/// Returns the values in the text of llvm-dis: lines that begin with `@`, `define` or `declare`.
fn printed_lines(text: &str) -> Lines {
    const LINKAGES: [&str; 11] = [
        "external",
        "available_externally",
        "linkonce",
        "linkonce_odr",
        "weak",
        "weak_odr",
        "appending",
        "internal",
        "private",
        "extern_weak",
        "common",
    ];
    let mut found = Lines::new();
    for line in text.lines() {
        let begins = ["@", "define ", "declare "].iter();
        if !begins.clone().any(|begin| line.starts_with(begin)) {
            continue;
        }
        let (before, rest) = line.split_once('@').unwrap();
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap(),
            None => rest.split_at(rest.find([' ', '(']).unwrap()),
        };
        let words: Vec<&str> = if before.is_empty() {
            after.split_whitespace().collect()
        } else {
            before.split_whitespace().collect()
        };
        let linkage = words.iter().find(|word| LINKAGES.contains(word));
        let linkage = *linkage.unwrap_or(&"external");
        let kinds = ["global", "constant", "alias", "ifunc"];
        let kind = words.iter().find(|word| kinds.contains(word));
        let value = match (words[0], kind) {
            ("define", _) => (GlobalValueKind::Function, linkage, false),
            ("declare", _) => (GlobalValueKind::Function, linkage, true),
            (_, Some(&"alias")) => (GlobalValueKind::Alias, linkage, false),
            (_, Some(&"ifunc")) => (GlobalValueKind::IndirectFunction, linkage, false),
            (_, Some(_)) => {
                let is_declaration = words.contains(&"external") || linkage == "extern_weak";
                (GlobalValueKind::Variable, linkage, is_declaration)
            }
            _ => panic!("{line}"),
        };
        found.insert(unescaped(name), (value.0, value.1.to_owned(), value.2));
    }
    found
}

/// Holds the summary of the file `name` against llvm-dis.
fn check(dir: &TestDir, name: &str) -> BTreeMap<String, Described> {
    let text = dir.run("llvm-dis", &[name, "-o", "-"]);
    let data = dir.read(name);
    let summary = summary(&data);
    assert_eq!(lines(&summary), printed_lines(&text), "{name}");
    let described = describe(&summary);
    let mut expected = printed(&text);
    for (name, value) in &mut expected {
        // The IR only declares what assembly defines: the summary has another linkage for it.
        if let Some((_, linkage, true)) = lines(&summary).get(name) {
            value.linkage.clone_from(linkage);
        }
    }
    assert_eq!(described, expected, "{name}");
    assert!(!described.is_empty());
    described
}

/// Every way in which one definition refers to another, and every sort of value.
const SOURCE: &str = r#"
#define NOINLINE __attribute__((noinline))
extern int undefined_function(void);
extern __attribute__((weak)) int weak_undefined(void);
extern int undefined_variable;
extern int renamed(void) __attribute__((__noinline__)) asm("renamed_by_label");
int common_variable;
static int counter;
static NOINLINE int show(int x) { return counter += x + undefined_function(); }
static NOINLINE int store(int x) { static int calls; calls += x; return calls; }
NOINLINE int load(int x) { static int calls; calls -= x; return calls + undefined_variable; }
int tail(int x) { return show(x); }
int many(int x) { return show(x) + show(x + 1) + load(x) * store(x) + renamed(); }
int taker(int (**p)(int)) { *p = show; return weak_undefined ? weak_undefined() : 0; }
struct ops { int (*show)(int); int (*store)(int); const char *name; const void *data; };
const struct ops ops = { show, store, "abc", &common_variable };
static const struct ops hidden_ops = { tail, 0, "abcd", &ops };
const struct ops *get(int x) { return x > 4 ? &hidden_ops : 0; }
static const struct ops *const list[] = { &ops, &hidden_ops, &ops };
const struct ops *nth(int x) { return list[x]; }
__attribute__((weak)) int weak_function(void) { return 1; }
__attribute__((weak)) int weak_variable = 3;
int alias_function(void) __attribute__((alias("weak_function")));
int alias_of_alias(void) __attribute__((alias("alias_function")));
extern int alias_variable __attribute__((alias("common_variable")));
int uses_aliases(void) { return alias_function() + alias_of_alias() + alias_variable; }
static __attribute__((used)) int used_variable = 4;
static __attribute__((used, section(".init.text"))) int used_function(void) { return counter; }
static int unused(void) { return undefined_function(); }
static NOINLINE int first(int x);
static NOINLINE int second(int x) { return x > 3 ? first(x - 1) * 2 : counter; }
static NOINLINE int first(int x) { return x > 4 ? second(x - 2) * 3 : show(x); }
int circle(int x) { return first(x); }
extern inline __attribute__((gnu_inline)) int inlined(int x) { return x + undefined_variable; }
int uses_inlined(int x) { return inlined(x); }
extern int asm_local(int);
int uses_asm(int x) { return asm_local(x); }
asm(".text\nasm_local: nop\n.globl asm_global\nasm_global: .long asm_undefined\n");
"#;

const TARGETS: [&str; 2] = ["--target=aarch64-linux-gnu", "--target=x86_64-linux-gnu"];

#[test]
fn summaries_of_clang_are_as_llvm_prints_them() {
    let dir = TestDir::new();
    for target in TARGETS {
        for lto in ["-flto=thin", "-flto=full"] {
            for level in ["-O0", "-O2"] {
                check_source(&dir, &[target, lto, level]);
            }
        }
    }
    let flags = ["-flto=thin", "-funified-lto", "-fcommon", "-g", "-Os"];
    check_source(&dir, &[&TARGETS[..1], &flags].concat());
}

fn check_source(dir: &TestDir, flags: &[&str]) {
    dir.c("a.o", SOURCE, flags);
    let found = check(dir, "a.o");
    // llvm-dis and this test could both be wrong about what the source says.
    for (name, expected) in [
        ("tail", &["show"][..]),
        ("alias_of_alias", &["weak_function"]),
        ("uses_asm", &["asm_local"]),
        ("many", &["load", "renamed_by_label", "show", "store"]),
        ("list", &["hidden_ops", "ops"]),
    ] {
        let references = found[name].references.iter();
        assert_eq!(
            references.collect::<Vec<_>>(),
            expected,
            "{name} with {flags:?}"
        );
    }
    assert!(found["llvm.compiler.used"].is_live, "{flags:?}");
    assert!(found["asm_local"].is_live, "{flags:?}");
    assert!(!found["tail"].is_live, "{flags:?}");
}

/// Variables of every kind of type that C has.
const VARIABLES: &str = "
    char one = 1; short two = 2; int four = 4; long eight = 8; __int128 sixteen = 16;
    _Bool truth = 1; float single = 1; double twice = 1; long double more = 1; __fp16 half = 1;
    void *pointer = &one; int (*function)(void) = 0; void *pointers[3] = { &one };
    char text[] = \"thirteen more\"; int table[7][3] = { { 1 } }; int none[0] = {};
    struct mixed { char a; long b; char c; } mixed = { 1, 2, 3 }, several[5] = { { 1 } };
    struct __attribute__((packed)) tight { char a; long b; char c; } tight = { 1, 2, 3 };
    struct bits { unsigned a : 3; unsigned b : 30; } bits = { 1, 2 };
    struct open { int n; short tail[]; } open = { 2, { 1, 2, 3 } };
    union either { char a; long b[3]; } either = { 1 };
    struct aligned { char a; } __attribute__((aligned(64))) aligned = { 1 };
    struct nested { struct mixed a; struct tight b; char c; } nested = { { 1 } };
    struct { int a; } zero[9];
    typedef int vector __attribute__((vector_size(16))); vector lanes = { 1 };
    typedef float wide __attribute__((vector_size(64))); wide many[2] = { { 1 } };
    extern int elsewhere; int *refers = &elsewhere; int defined(void) { return elsewhere; }";

#[test]
fn sizes_of_variables_are_those_of_native_code() {
    for target in ["aarch64-linux-gnu", "x86_64-linux-gnu"] {
        let dir = TestDir::new();
        let target = format!("--target={target}");
        let native = dir.c("native.o", VARIABLES, &[&target]);
        let native = std::fs::read(native).unwrap();
        let elf = goblin::elf::Elf::parse(&native).unwrap();
        let is_variable =
            |symbol: &goblin::elf::Sym| symbol.st_type() == goblin::elf::sym::STT_OBJECT;
        let variables = elf.syms.iter().filter(is_variable);
        let expected: BTreeMap<String, Option<u64>> = variables
            .map(|symbol| (elf.strtab[symbol.st_name].to_owned(), Some(symbol.st_size)))
            .collect();
        assert_eq!(expected.len(), 28);
        for lto in ["-flto", "-flto=thin"] {
            let bitcode = dir.c("bitcode.o", VARIABLES, &[&target, lto]);
            let bitcode = std::fs::read(bitcode).unwrap();
            let summary = summary(&bitcode);
            let (variables, others): (Vec<_>, Vec<_>) = summary.values.iter().partition(|value| {
                value.kind == GlobalValueKind::Variable && !value.is_declaration
            });
            let found: BTreeMap<String, Option<u64>> = variables
                .iter()
                .map(|value| (value.name.to_owned(), value.size))
                .collect();
            assert_eq!(found, expected, "{target} {lto}");
            assert!(others.iter().all(|value| value.size.is_none()));
        }
    }
}

#[test]
fn references_keep_the_order_of_the_records() {
    let dir = TestDir::new();
    let source = "extern int c(void), a(void), b(void); int x, y;\n\
                  int f(void) { c(); a(); b(); c(); x = 1; return a(); }\n\
                  void *table[] = { b, a, &y, b };\n";
    dir.c("a.o", source, &["--target=aarch64-linux-gnu", "-flto=thin"]);
    let data = dir.read("a.o");
    let summary = summary(&data);
    let refers = |name: &str| -> Vec<&str> {
        let mut values = summary.values.iter();
        let value = values.find(|value| value.name == name).unwrap();
        let references = &value.summary.as_ref().unwrap().references;
        let names = references.iter();
        names
            .map(|&index| summary.value(index).unwrap().name)
            .collect()
    };
    // The reference comes first; calls stand as they are made.
    assert_eq!(refers("f"), ["x", "c", "a", "b"]);
    assert_eq!(refers("table"), ["y", "a", "b"]);
}

#[test]
fn indirect_functions_are_named_and_their_resolvers_live() {
    let dir = TestDir::new();
    let source = "extern void *choose(void);\n\
                  static void *resolver(void) { return choose(); }\n\
                  int indirect(int) __attribute__((ifunc(\"resolver\")));\n\
                  int alias(int) __attribute__((alias(\"indirect\")));\n\
                  int caller(void) { return indirect(3) + alias(4); }\n";
    let flags = ["--target=aarch64-linux-gnu", "-flto=thin", "-O2"];
    dir.c("a.o", source, &flags);
    let found = check(&dir, "a.o");
    assert!(found["resolver"].is_live);
    // LLVM writes none of these down, nor that they are called.
    assert!(!found.contains_key("indirect") && !found.contains_key("alias"));
    assert_eq!(found["caller"].references, BTreeSet::new());
}

/// A profile of an indirect call, in IR, because clang needs a profile of a run for it. Source:
/// LLVM's language reference, value profile metadata; numbers as in LLVM's own tests.
const PROFILED: &str = r#"
target triple = "x86_64-unknown-linux-gnu"
declare void @called()
define i32 @caller(ptr %0) !prof !0 {
  %2 = load ptr, ptr %0, !prof !1
  %3 = load ptr, ptr %2
  %4 = call i32 %3(ptr %0), !prof !2
  call void @called()
  ret i32 %4
}
!0 = !{!"function_entry_count", i32 150}
!1 = !{!"VP", i32 2, i64 1600, i64 1960855528937986108, i64 1600}
!2 = !{!"VP", i32 0, i64 1600, i64 5459407273543877811, i64 1600}
"#;

#[test]
fn what_a_profile_says_is_named_by_hash() {
    let dir = TestDir::new();
    dir.write("a.ll", PROFILED);
    dir.run("opt", &["-module-summary", "a.ll", "-o", "a.o"]);
    check(&dir, "a.o");
    let data = dir.read("a.o");
    let summary = summary(&data);
    let caller = summary.values.iter().find(|value| value.name == "caller");
    let caller = caller.unwrap().summary.as_ref().unwrap();
    let mut profiled = caller.profiled.clone();
    profiled.sort_unstable();
    assert_eq!(
        profiled,
        [
            Guid(1_960_855_528_937_986_108),
            Guid(5_459_407_273_543_877_811)
        ]
    );
    assert_eq!(caller.references.len(), 1);
}

#[test]
fn callees_with_frequencies_are_the_same() {
    let dir = TestDir::new();
    dir.c(
        "a.o",
        SOURCE,
        &["--target=aarch64-linux-gnu", "-flto=thin", "-O1"],
    );
    let flags = ["-module-summary", "-write-relbf-to-summary"];
    dir.run("opt", &[&flags[..], &["a.o", "-o", "b.o"]].concat());
    let found = check(&dir, "b.o");
    assert_eq!(found["tail"].references, ["show".to_owned()].into());
    let dump = dir.run("llvm-bcanalyzer", &["--dump", "b.o"]);
    assert!(dump.contains("<PERMODULE_RELBF"), "{dump}");
}

const VTABLES: &str = "struct Base { virtual int method(); virtual int other(); };\n\
                       int Base::method() { return 1; }\n\
                       int Base::other() { return 2; }\n\
                       int call(Base *base) { return base->method(); }\n\
                       Base base;\n";

fn compile_vtables(dir: &TestDir, flags: &[&str]) {
    dir.write("a.cc", VTABLES);
    let all = [
        "--target=x86_64-linux-gnu",
        "-O2",
        "-flto=thin",
        "-fwhole-program-vtables",
    ];
    let output = ["-fvisibility=hidden", "-c", "a.cc", "-o", "a.o"];
    dir.run("clang", &[&all[..], flags, &output].concat());
}

#[test]
fn virtual_tables_refer_to_their_functions() {
    let dir = TestDir::new();
    compile_vtables(&dir, &["-fno-split-lto-unit"]);
    let found = check(&dir, "a.o");
    let functions = ["_ZN4Base6methodEv", "_ZN4Base5otherEv", "_ZTI4Base"];
    assert_eq!(
        found["_ZTV4Base"].references,
        functions.map(str::to_owned).into()
    );
    let dump = dir.run("llvm-bcanalyzer", &["--dump", "a.o"]);
    assert!(dump.contains("<PERMODULE_VTABLE_GLOBALVAR"), "{dump}");
}

#[test]
fn values_of_a_second_module_follow_those_of_the_first() {
    let dir = TestDir::new();
    compile_vtables(&dir, &["-fsplit-lto-unit"]);
    let data = dir.read("a.o");
    assert_eq!(Bitcode::parse(&data).unwrap().modules(), 2);
    let summary = summary(&data);
    let tables: Vec<_> = summary
        .values
        .iter()
        .filter(|value| value.name == "_ZTV4Base")
        .collect();
    let [declared, defined] = tables[..] else {
        panic!("{summary:?}");
    };
    assert!(declared.is_declaration && declared.summary.is_none());
    let references = &defined.summary.as_ref().unwrap().references;
    let names: BTreeSet<_> = references
        .iter()
        .map(|&index| summary.value(index).unwrap().name)
        .collect();
    let functions = ["_ZN4Base6methodEv", "_ZN4Base5otherEv", "_ZTI4Base"];
    assert_eq!(names, functions.into());
}

#[test]
fn files_without_summary_have_none() {
    let dir = TestDir::new();
    let target = "--target=aarch64-linux-gnu";
    let source = "int f(void) { return 1; }";
    dir.c("a.o", source, &["--target=arm64-apple-macosx12", "-flto"]);
    dir.c("b.o", source, &[target, "-emit-llvm"]);
    for name in ["a.o", "b.o"] {
        let data = dir.read(name);
        let summary = Bitcode::parse(&data).unwrap().summary();
        assert_eq!(summary.unwrap(), None, "{name}");
    }
    // A module without definitions has one that says nothing.
    dir.c("c.o", "extern int a;", &[target, "-flto=thin"]);
    let data = dir.read("c.o");
    assert_eq!(summary(&data).values, []);
}

/// Returns the records of a variable `ab` with an initializer and of a declared function `cdef`.
fn module() -> Vec<Record> {
    vec![
        (1, vec![2]),
        (7, vec![0, 2, 0, 0, 1, 3, 0, 0]),
        (8, vec![2, 4, 0, 0, 1, 0, 0]),
    ]
}

/// Returns a summary of this version, with these records.
fn with_version(version: u64, rest: &[Record]) -> Bits {
    records(&[&[(10, vec![version])], rest].concat())
}

fn read(data: &[u8]) -> Result<Option<Summary<'_>>, String> {
    let bitcode = Bitcode::parse(data).expect("its blocks are sound");
    let summary = bitcode.summary();
    summary.map_err(|error| WithCauses(&error).to_string())
}

/// Returns the error of reading a summary with these records.
fn error(version: u64, rest: &[Record]) -> String {
    let data = file(&module(), vec![(THIN_SUMMARY, with_version(version, rest))]);
    read(&data).expect_err("it cannot be read")
}

#[test]
fn every_record_of_a_function_is_read_by_its_layout() {
    let expected = |n: usize| ValueSummary {
        is_live: true,
        is_not_eligible_to_import: n == 0,
        instructions: Some(7),
        references: [ValueIndex(0), ValueIndex(1)].into(),
        n_named: [1, 2, 1][n],
        profiled: Vec::new(),
    };
    let (both, live) = (3 << 4, 2 << 4);
    let cases: [(u64, &[u64]); 3] = [
        (1, &[1, both, 7, 0, 1, 0, 1, 0, 1, 0]),
        (2, &[1, live, 7, 0, 2, 1, 1, 0, 1, 1, 8, 0, 9]),
        (19, &[1, live, 7, 0, 1, 1, 0, 0, 1, 268_435_712]),
    ];
    for version in 9..=12 {
        for (position, (code, numbers)) in cases.into_iter().enumerate() {
            let block = with_version(version, &[(code, numbers.to_vec())]);
            let data = file(&module(), vec![(THIN_SUMMARY, block)]);
            let summary = read(&data).unwrap().unwrap();
            assert_eq!(summary.values[1].summary, Some(expected(position)));
            assert_eq!(summary.values[0].summary, None);
        }
    }
    let ab = GlobalValue {
        name: "ab",
        linkage: Linkage::Internal,
        is_declaration: false,
        kind: GlobalValueKind::Variable,
        size: None,
        summary: None,
    };
    let block = with_version(12, &[]);
    let data = file(&module(), vec![(THIN_SUMMARY, block)]);
    assert_eq!(read(&data).unwrap().unwrap().values[0], ab);
}

#[test]
fn unknown_versions_and_records_are_refused_by_number() {
    for version in [0, 8, 13, u64::MAX] {
        assert_eq!(
            error(version, &[]),
            format!(
                "is LLVM bitcode whose summary has version {version} (made by \"\"); \
                 versions 9 (LLVM 12) to 12 (LLVM 22) can be read"
            )
        );
    }
    // The records of an index of several modules, and possible additions of LLVM.
    for code in [0, 4, 5, 6, 8, 9, 28, 29, 33, 34, u64::MAX] {
        assert_eq!(
            error(12, &[(code, vec![0])]),
            format!(
                "is LLVM bitcode whose summary has a record of unknown code {code} (made by \"\")"
            )
        );
    }
}

#[test]
fn summaries_that_contradict_their_module_are_refused() {
    let cases: &[(u64, &[u64], &str)] = &[
        (
            1,
            &[1, 0, 7, 0, 0, 0],
            "a record of the summary ends too early",
        ),
        (
            1,
            &[1, 0, 7, 0, 1, 0, 0],
            "a record of the summary ends too early",
        ),
        (
            1,
            &[1, 0, 7, 0, u64::MAX, 0, 0],
            "a record of the summary ends too early",
        ),
        (
            2,
            &[1, 0, 7, 0, 0, 0, 0, 1],
            "a record of the summary ends too early",
        ),
        (3, &[0, 0], "a record of the summary ends too early"),
        (7, &[0, 0], "a record of the summary ends too early"),
        (16, &[5, 0], "a record of the summary ends too early"),
        (23, &[0, 0, 0, 1], "a record of the summary ends too early"),
        (
            23,
            &[0, 0, 0, 0, 1],
            "a record of the summary ends too early",
        ),
        (3, &[0, 0, 0, 2], "its summary refers to value 2 of 2"),
        (
            1,
            &[1, 0, 7, 0, 0, 0, 0, 5],
            "its summary refers to value 5 of 2",
        ),
        (3, &[2, 0, 0], "its summary is about value 2 of 2"),
        (
            3,
            &[u64::MAX, 0, 0],
            "its summary is about value 18446744073709551615 of 2",
        ),
        (
            3,
            &[1, 0, 0],
            "its summary takes cdef for another kind of value",
        ),
        (
            7,
            &[0, 0, 1],
            "its summary takes ab for another kind of value",
        ),
    ];
    let damaged = |what: &str| format!("is damaged LLVM bitcode: {what}");
    for (code, numbers, what) in cases {
        assert_eq!(error(12, &[(*code, numbers.to_vec())]), damaged(what));
    }
    let twice = [(3, vec![0, 0, 0]), (3, vec![0, 0, 0])];
    assert_eq!(error(12, &twice), damaged("two summaries of ab"));

    let of_file = |module: &[Record], blocks| read(&file(module, blocks)).unwrap_err();
    let summary = || (THIN_SUMMARY, with_version(12, &[]));
    assert_eq!(
        of_file(&module(), vec![summary(), summary()]),
        damaged("a module with two summaries")
    );
    for without in [
        records(&[]),
        records(&[(20, vec![0])]),
        records(&[(10, vec![])]),
    ] {
        assert_eq!(
            of_file(&module(), vec![(THIN_SUMMARY, without)]),
            damaged("a summary without version")
        );
    }
    for (record, what) in [
        ((1, vec![1]), "a module without names in the string table"),
        (
            (8, vec![0, 2, 0, 0, 1]),
            "the record of a global value ends too early",
        ),
        (
            (8, vec![0, 9, 0, 0, 1, 0]),
            "a name reaches beyond the string table",
        ),
        (
            (8, vec![u64::MAX, 9, 0, 0, 1, 0]),
            "a name reaches beyond the string table",
        ),
        ((8, vec![0, 1, 0, 0, 1, 20]), "a has unknown linkage 20"),
    ] {
        let mut module = module();
        module.insert(1, record);
        assert_eq!(of_file(&module, vec![summary()]), damaged(what));
    }
}

/// Defines an abbreviation: for each operand a literal, or an encoding and its number.
fn define(bits: &mut Bits, operands: &[Result<u64, (u64, Option<u64>)>]) {
    bits.push_id(2);
    bits.push_vbr(operands.len() as u64, 5);
    for operand in operands {
        match *operand {
            Ok(literal) => {
                bits.push(1, 1);
                bits.push_vbr(literal, 8);
            }
            Err((encoding, number)) => {
                bits.push(0, 1);
                bits.push(encoding, 3);
                if let Some(number) = number {
                    bits.push_vbr(number, 5);
                }
            }
        }
    }
}

const ARRAY: Result<u64, (u64, Option<u64>)> = Err((3, None));

#[test]
fn abbreviations_of_the_module_hold_in_the_summary() {
    // A variable's summary, by an abbreviation for blocks of this id.
    let mut info = records(&[(1, vec![THIN_SUMMARY.into()])]);
    define(
        &mut info,
        &[Ok(3), Err((1, Some(5))), ARRAY, Err((2, Some(4)))],
    );
    let mut summary = with_version(12, &[]);
    summary.push_id(4);
    summary.push(0, 5);
    summary.push_vbr(4, 6);
    for number in [1 << 5, 0, 0, 1] {
        summary.push_vbr(number, 4);
    }
    let data = file(
        &module(),
        vec![(BLOCK_INFO, info), (THIN_SUMMARY, summary.clone())],
    );
    let read_it = read(&data).unwrap().unwrap();
    let found = read_it.values[0].summary.as_ref().unwrap();
    assert!(found.is_live);
    assert_eq!(found.references, [ValueIndex(0), ValueIndex(1)]);

    // For blocks of another id it does not hold.
    let mut info = records(&[(1, vec![12])]);
    define(&mut info, &[Ok(3), ARRAY, Err((2, Some(4)))]);
    let data = file(&module(), vec![(BLOCK_INFO, info), (THIN_SUMMARY, summary)]);
    assert_eq!(
        read(&data).unwrap_err(),
        "is damaged LLVM bitcode: a record of undefined form"
    );
}

#[test]
fn records_that_take_no_room_are_refused() {
    // Elements that are literals: any number of them in a few bits.
    let literals = [Ok(3), ARRAY, Ok(0)];
    // A width of 0 is a literal too.
    let no_width = [Ok(3), ARRAY, Err((1, Some(0)))];
    for operands in [literals, no_width] {
        let mut summary = with_version(12, &[]);
        define(&mut summary, &operands);
        summary.push_id(4);
        summary.push_vbr(30, 6);
        let data = file(&module(), vec![(THIN_SUMMARY, summary)]);
        assert_eq!(
            read(&data).unwrap_err(),
            "is damaged LLVM bitcode: an array of elements without a form"
        );
    }
    let mut summary = with_version(12, &[]);
    define(&mut summary, &vec![Ok(3); 257]);
    let data = file(&module(), vec![(THIN_SUMMARY, summary)]);
    assert_eq!(
        read(&data).unwrap_err(),
        "is damaged LLVM bitcode: an abbreviation with more operands than any has"
    );
}

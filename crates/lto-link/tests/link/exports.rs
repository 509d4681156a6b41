// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Links that drop exports that no module uses.

use std::fmt::Write as _;

use object_model::{Elf, Section};
use test_support::{ARM64, KERNEL_TARGETS, TestDir};

use crate::distributed::generate;
use crate::support::{LTO, defined, elf, ld_lld, link, run};

/// The header that a kernel gets, with the macro of another header that it needs.
const EXPORT: &str = concat!(
    "#define __section(name) __attribute__((section(name)))\n",
    include_str!("../../../../kconfig/lto-link/native/lto_export.h"),
);

/// The same exports in the assembly of the kernel's own header.
const IN_ASSEMBLY: &str = r#"
#define __EXPORT_SYMBOL(sym, license, ns) asm( \
    ".section \".export_symbol\",\"a\"\n__export_symbol_" #sym ":\n" \
    ".asciz \"" license "\"\n.ascii \"" ns "\\0\"\n.balign 8\n.quad " #sym "\n.previous\n")
"#;

/// Exported functions, of which each has a callee.
const FUNCTIONS: [&str; 5] = [
    "by_module",
    "by_list",
    "by_name",
    "by_assembly",
    "by_nobody",
];

fn exporting() -> String {
    let mut text = String::new();
    for (place, name) in FUNCTIONS.iter().enumerate() {
        let license = ["", "GPL"][place % 2];
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "__attribute__((noinline)) int {name}_callee(int x) {{ asm volatile(\"\"); return x * {place}; }}
             int {name}(int x) {{ return {name}_callee(x) + 1; }}
             __EXPORT_SYMBOL({name}, \"{license}\", \"a\" \"{place}\");"
        );
    }
    text
}

/// An object that looks up an export by its name, and one whose assembly names a definition.
const USERS: &str = "
    void *look_up(const char *);
    static const char name[] __attribute__((used, section(\".no_trim_symbol\"))) = \"by_name\";
    __attribute__((used)) void *start(void) { return look_up(name); }
    asm(\".pushsection .data\\n.quad by_assembly\\n.popsection\");";

/// Makes `a.o`, `b.o` of bitcode, and the list `used` of a module and another list.
fn parts(kind: &str) -> TestDir {
    let dir = TestDir::new();
    let flags = [ARM64, "-O2", kind, "-fvisibility=hidden"];
    let a = format!("{EXPORT}{}", exporting());
    for (object, source) in [("a.o", a.as_str()), ("b.o", USERS)] {
        dir.c(object, source, &flags);
        let flags = flags.join(" ");
        dir.write(
            format!(".{object}.cmd"),
            format!("cmd_{object} := clang {flags} -c -o {object} x.c\n"),
        );
    }
    dir.c(
        "m.o",
        "int by_module(int); int m(int x) { return by_module(x); }",
        &[ARM64, "-O2"],
    );
    dir.write("modules.order", "m.o\n");
    dir.write("list", "by_list\n\nnot_there\n");
    let arguments = [
        "used-exports",
        "--modules",
        "modules.order",
        "--list",
        "list",
    ];
    let (code, used, errors) = run(&dir, &arguments);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(used, "by_list\nby_module\nmodule_layout\nnot_there\n");
    dir.write("used", used);
    dir
}

const INPUTS: [&str; 6] = ["-o", "x.o", "--internalize", "--objs", "a.o", "b.o"];

/// Checks which functions stay in `x.o`, and that the lists beside it say so.
fn check(dir: &TestDir, kind: &str) {
    let mut kept = defined(&elf(&dir.read("x.o")));
    // With full LTO the callees are local.
    kept.retain(|name| !name.ends_with("_callee"));
    let exports = ["by_list", "by_module", "by_name"];
    let entries = exports.map(|name| format!("__export_symbol_{name}"));
    let mut expected: Vec<&str> = entries.iter().map(String::as_str).collect();
    expected.extend(["by_assembly", "by_list", "by_module", "by_name", "start"]);
    assert_eq!(kept, expected, "{kind}");
    let roots = dir.read_text("x.lto-roots");
    for export in exports {
        assert!(
            roots.contains(&format!("{export}\texported\ta.o\n")),
            "{roots}"
        );
    }
    assert!(
        roots.contains("by_assembly\tmodule-assembly\tb.o\n"),
        "{roots}"
    );
    let dropped = dir.read_text("x.lto-dropped");
    let dropped = dropped.lines().skip(1);
    let dropped: Vec<&str> = dropped.filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(dropped, ["by_nobody_callee", "by_nobody"], "{kind}");
}

#[test]
fn exports_that_nothing_uses_are_dropped() {
    for kind in LTO {
        let dir = parts(kind);
        link(
            &dir,
            &[&["module", "--exports", "used"], &INPUTS[..]].concat(),
        );
        check(&dir, kind);
    }
}

#[test]
fn distributed_thin_lto_drops_exports_too() {
    let dir = parts("-flto=thin");
    let exports = ["--exports", "used"];
    link(&dir, &[&["thin-link"], &exports[..], &INPUTS].concat());
    for object in ["a.o", "b.o"] {
        generate(&dir, ARM64, object);
    }
    let complete = ["thin-link", "--complete"];
    let complete = [&complete[..], &exports, &INPUTS].concat();
    assert_eq!(link(&dir, &complete), "");
    let distributed = [
        "module",
        "--distributed",
        "-o",
        "x.o",
        "--objs",
        "a.o",
        "b.o",
    ];
    link(&dir, &distributed);
    check(&dir, "distributed");
}

#[test]
fn without_a_list_every_export_is_used() {
    let dir = parts("-flto=thin");
    link(&dir, &[&["module"], &INPUTS[..]].concat());
    let kept = defined(&elf(&dir.read("x.o")));
    for name in FUNCTIONS {
        assert!(kept.iter().any(|kept| kept == name), "{name}: {kept:?}");
        let entry = format!("__export_symbol_{name}");
        assert!(kept.contains(&entry), "{entry}: {kept:?}");
    }
}

/// Names by their places.
type Names = Vec<(u64, String)>;

/// Returns the bytes of `.export_symbol`, and each label and referenced symbol with its place.
fn entries(data: &[u8]) -> (Vec<u8>, Names, Names) {
    let elf = Elf::parse(data).expect("an object");
    let section: &Section = elf.section_by_name(".export_symbol").expect("exports");
    let labels = elf.symbols().iter();
    let labels = labels.filter(|symbol| symbol.section == Some(section.index));
    let labels = labels.filter(|symbol| symbol.name.starts_with("__export_symbol_"));
    let mut labels: Names = labels
        .map(|symbol| (symbol.value, symbol.name.to_owned()))
        .collect();
    labels.sort();
    let relocations = elf.relocations(section.index).expect("relocations");
    let mut symbols: Names = relocations
        .iter()
        .map(|relocation| {
            let symbol = relocation.symbol.and_then(|index| elf.symbol(index));
            (relocation.offset, symbol.expect("a symbol").name.to_owned())
        })
        .collect();
    symbols.sort();
    (section.data.to_vec(), labels, symbols)
}

/// modpost reads an export by its label, the strings at the label, and the symbol of its relocation.
#[test]
fn modpost_reads_the_same_of_variables_as_of_assembly() {
    for target in KERNEL_TARGETS {
        let dir = TestDir::new();
        let read = |macros: &str| {
            dir.c("a.o", &format!("{macros}{}", exporting()), &[target, "-O2"]);
            entries(&dir.read("a.o"))
        };
        let (of_variables, of_assembly) = (read(EXPORT), read(IN_ASSEMBLY));
        assert_eq!(of_variables, of_assembly, "{target}");
        assert_eq!(of_variables.1.len(), FUNCTIONS.len());
    }
}

/// Code generation may need more than the bitcode shows.
#[test]
fn a_module_of_bitcode_is_refused() {
    let dir = TestDir::new();
    dir.c("m.o", "int m(void) { return 1; }", &[ARM64, "-flto=thin"]);
    dir.write("modules.order", "m.o\n");
    let (code, _, errors) = run(&dir, &["used-exports", "--modules", "modules.order"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("m.o is bitcode"), "{errors}");
}

#[test]
fn a_list_that_is_missing_stops_the_link() {
    let dir = parts("-flto=thin");
    let linker = ld_lld();
    let arguments = ["module", "--exports", "missing"];
    let arguments = [&arguments[..], &INPUTS, &["--", &linker]].concat();
    let (code, _, errors) = run(&dir, &arguments);
    assert_eq!(code, Some(1));
    assert!(errors.contains("missing"), "{errors}");
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Links that drop everything that no root reaches.

use std::collections::BTreeMap;
use std::process::Command;

use lto_link::{Inputs, Reach};
use test_support::{ARM64, TestDir};
use tool_io::Files;

use crate::distributed::{generate, object};
use crate::support::{defined, elf, export, ld_lld, link, run};

/// Functions that a table's entry reaches, and functions that nothing reaches. Only a function's
/// inline assembly names `by_assembly`; the bitcode has no reference to it.
const PARTS: [(&str, &str); 3] = [
    (
        "a.o",
        "__attribute__((noinline)) int reached(int x) { return x * 7 % 5; }
         __attribute__((noinline)) int unreached(int x) { return x - 1; }
         int unreached_too(int x) { return unreached(x) * 2; }
         int by_assembly(void) { return 1; }
         int by_module_assembly(void) { return 2; }
         int by_btf_label(void) { return 6; }
         int by_native(void) { return 3; }
         int in_script(void) { return 4; }
         int wanted(void) { return 5; }",
    ),
    (
        "b.o",
        "int reached(int);
         static int entry(int x) {
             asm volatile(\"bl by_assembly\" ::: \"x30\");
             return reached(x);
         }
         __attribute__((used, section(\"table\"))) static int (*in_table)(int) = entry;",
    ),
    (
        "c.o",
        // BTF_ID(func, by_btf_label) of include/linux/btf_ids.h.
        "asm(\".quad by_module_assembly\");
         asm(\".pushsection .BTF_ids,\\\"a\\\"; .local __BTF_ID__func__by_btf_label__7; \"
             \"__BTF_ID__func__by_btf_label__7: .zero 4; .popsection\");",
    ),
];

const INPUTS: [&str; 10] = [
    "-o",
    "x.o",
    "--internalize",
    "--named-in",
    "x.lds",
    "--objs",
    "a.o",
    "b.o",
    "c.o",
    "n.o",
];

fn parts() -> TestDir {
    let dir = TestDir::new();
    for (name, source) in PARTS {
        object(&dir, ARM64, name, source);
    }
    let native = "int by_native(void); int native(void) { return by_native(); }";
    dir.c("n.o", native, &[ARM64, "-O2"]);
    dir.write("x.lds", "SECTIONS { }\nalias = in_script;\n");
    dir
}

fn generate_all(dir: &TestDir) {
    for (object, _) in PARTS {
        generate(dir, ARM64, object);
    }
}

fn thin_link(dir: &TestDir, more: &[&str]) -> String {
    link(dir, &[&["thin-link"][..], more, &INPUTS].concat())
}

/// Repeats thin link and code generation until nothing is missing, as scripts/lto/Makefile.codegen does.
fn complete(dir: &TestDir, more: &[&str]) -> usize {
    thin_link(dir, more);
    for n_passes in 1..5 {
        generate_all(dir);
        let more = [&["--complete"][..], more].concat();
        match thin_link(dir, &more).as_str() {
            "" => return n_passes,
            again => assert_eq!(again, "again\n"),
        }
    }
    panic!("it does not come to an end");
}

fn linked(dir: &TestDir) -> Vec<String> {
    let arguments = ["module", "--distributed", "-o", "x.o", "--objs"];
    link(dir, &[&arguments[..], &INPUTS[6..]].concat());
    defined(&elf(&dir.read("x.o")))
}

#[test]
fn what_no_root_reaches_is_dropped() {
    let dir = parts();
    assert_eq!(complete(&dir, &[]), 1);
    assert_eq!(
        linked(&dir),
        [
            "by_assembly",
            "by_btf_label",
            "by_module_assembly",
            "by_native",
            "in_script",
            "native",
            "reached",
        ]
    );
    let roots = dir.read_text("x.lto-roots");
    for line in [
        "by_assembly\tinline-assembly\tb.o",
        "by_module_assembly\tmodule-assembly\tc.o",
        "by_btf_label\tmodule-assembly\tc.o",
        "by_native\tnative\tn.o",
        "in_script\tnamed-in\tx.lds",
    ] {
        assert!(roots.lines().any(|root| root == line), "{line}: {roots}");
    }
    assert!(!roots.contains("reached"), "{roots}");
}

/// With `-pg`, code generation adds a call of `_mcount` to each function. The bitcode has no such call.
fn instrumented(dir: &TestDir, is_instrumented: bool) {
    let source = "void _mcount(void) { } static void in_table_too(void) { }
                  __attribute__((used)) static void (*entry_too)(void) = in_table_too;";
    let more: &[&str] = if is_instrumented { &["-pg"] } else { &[] };
    let flags = [ARM64, "-O2", "-flto=thin", "-fvisibility=hidden"];
    dir.c("a.o", source, &[&flags[..], more].concat());
    let flags = more.join(" ");
    dir.write(
        ".a.o.cmd",
        format!("cmd_a.o := clang {ARM64} -O2 {flags} -flto=thin -c -o a.o x.c\n"),
    );
}

const INSTRUMENTED: [&str; 5] = ["-o", "x.o", "--internalize", "--objs", "a.o"];

#[test]
fn what_only_generated_code_refers_to_is_kept_as_long_as_it_does() {
    let dir = TestDir::new();
    instrumented(&dir, true);
    let complete = || {
        link(&dir, &[&["thin-link"][..], &INSTRUMENTED].concat());
        let mut told = Vec::new();
        while told.last().is_none_or(|last| last == "again\n") {
            assert!(told.len() < 5, "it does not come to an end");
            generate(&dir, ARM64, "a.o");
            let complete = ["thin-link", "--complete"];
            told.push(link(&dir, &[&complete[..], &INSTRUMENTED].concat()));
        }
        told.len()
    };
    assert_eq!(complete(), 2);
    let roots = dir.read_text("x.lto-roots");
    assert!(roots.contains("_mcount\tgenerated-code\ta.o\n"), "{roots}");
    // The next build knows the reference from the start.
    assert_eq!(complete(), 1);
    instrumented(&dir, false);
    assert_eq!(complete(), 2);
    let roots = dir.read_text("x.lto-roots");
    assert!(!roots.contains("_mcount"), "{roots}");
}

/// Passes must end even if each new root makes code lose one reference and get another.
#[test]
fn what_generated_code_refers_to_is_found_in_one_process_too() {
    for kind in ["-flto=full", "-flto=thin"] {
        let dir = TestDir::new();
        let source = "void _mcount(void) { } static void in_table_too(void) { }
                      __attribute__((used)) static void (*entry_too)(void) = in_table_too;";
        let flags = [ARM64, "-O2", kind, "-fvisibility=hidden", "-pg"];
        dir.c("a.o", source, &flags);
        link(&dir, &[&["module"][..], &INSTRUMENTED].concat());
        assert_eq!(defined(&elf(&dir.read("x.o"))), ["_mcount"], "{kind}");
    }
}

#[test]
fn what_somebody_wants_stays() {
    let dir = parts();
    dir.write("keep", "# names\n\nwant*  a debugger calls it\n");
    complete(&dir, &["--keep", "keep"]);
    assert!(linked(&dir).contains(&"wanted".to_owned()));
    let roots = dir.read_text("x.lto-roots");
    assert!(
        roots.contains("wanted\tkept\twant*: a debugger calls it\n"),
        "{roots}"
    );
}

#[test]
fn a_pattern_without_reason_or_definition_is_refused() {
    let dir = parts();
    let linker = ld_lld();
    for (keep, message) in [
        ("reached\n", "keep: line 1: `reached` has no reason"),
        ("nowhere it is\n", "keep: `nowhere` matches no definition"),
        ("a[ it is\n", "keep: line 1: "),
    ] {
        dir.write("keep", keep);
        let arguments = [
            &["thin-link", "--keep", "keep"],
            &INPUTS[..],
            &["--", &linker],
        ]
        .concat();
        let (code, _, errors) = run(&dir, &arguments);
        assert_eq!(code, Some(1));
        assert!(errors.contains(message), "{errors}");
    }
}

#[test]
fn a_module_keeps_what_its_loader_and_modpost_look_up() {
    let dir = TestDir::new();
    let source = "int used_by_it(void) { return 1; }
                  int init_module(void) { return used_by_it(); }
                  void cleanup_module(void) { }
                  const int ids[] = { 1, 0 };
                  extern const int __mod_pci__ids_device_table[2] __attribute__((alias(\"ids\")));
                  int third(void) { return 3; }
                  int second(void) { return third(); }
                  int first(void) { return second(); }";
    object(&dir, ARM64, "m.o", source);
    let inputs = ["-o", "x.o", "--objs", "m.o"];
    let internalize = ["thin-link", "--internalize", "--module"];
    assert_eq!(link(&dir, &[&internalize[..], &inputs].concat()), "");
    generate(&dir, ARM64, "m.o");
    link(&dir, &[&["module", "--distributed"][..], &inputs].concat());
    let kept = defined(&elf(&dir.read("x.o")));
    assert_eq!(
        kept,
        [
            "__mod_pci__ids_device_table",
            "cleanup_module",
            "init_module"
        ]
    );
}

/// The thin link was not completed after code generation.
#[test]
fn what_was_dropped_and_is_needed_stops_the_link() {
    let dir = TestDir::new();
    instrumented(&dir, true);
    link(&dir, &[&["thin-link"][..], &INSTRUMENTED].concat());
    generate(&dir, ARM64, "a.o");
    let linker = ld_lld();
    let arguments = ["module", "--distributed"];
    let arguments = [&arguments[..], &INSTRUMENTED, &["--", &linker]].concat();
    let (code, _, errors) = run(&dir, &arguments);
    assert_eq!(code, Some(1));
    assert!(errors.contains("_mcount of a.o"), "{errors}");
    assert!(!dir.join("x.o").exists());
}

/// Every thin link writes the command that make runs, with all its arguments.
#[test]
fn the_list_for_make_has_the_command_that_completes_the_link() {
    let dir = TestDir::new();
    instrumented(&dir, true);
    link(&dir, &[&["thin-link"][..], &INSTRUMENTED].concat());
    for expected in ["again\n", ""] {
        let list = dir.read_text(".tmp_x.o.codegen.mk");
        let command = list
            .lines()
            .find_map(|line| line.strip_prefix("lto-complete := "))
            .expect("a command");
        generate(&dir, ARM64, "a.o");
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(dir.path());
        crate::support::without_make(&mut shell);
        assert_eq!(test_support::stdout(&mut shell), expected);
    }
}

#[test]
fn what_was_dropped_is_listed_and_explained() {
    let dir = parts();
    complete(&dir, &[]);
    linked(&dir);
    let dropped = dir.read_text("x.lto-dropped");
    let dropped: Vec<&str> = dropped
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next())
        .collect();
    assert_eq!(dropped, ["unreached", "unreached_too", "wanted"]);

    let why = |symbol: &str| run(&dir, &["why", symbol, "-o", "x.o"]);
    let (code, told, _) = why("unreached");
    assert_eq!(code, Some(0));
    assert!(told.contains("unreached of a.o was dropped"), "{told}");
    assert!(told.contains("unreached_too of a.o refers to it"), "{told}");
    let (_, told, _) = why("reached");
    assert_eq!(
        told,
        "reached of a.o is kept\n  entry of b.o refers to it\n    in_table of b.o refers to it\n      \
         it is marked as used in its source\n"
    );
    let (_, told, _) = why("by_native");
    assert!(told.ends_with("root: native, n.o\n"), "{told}");
    let (code, _, errors) = why("nowhere");
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("nowhere: no bitcode in x.o defines it"),
        "{errors}"
    );
}

#[test]
fn what_stays_is_known_by_the_roots_that_reach_it() {
    let dir = TestDir::new();
    for (name, source) in [
        (
            "a.o",
            "__attribute__((noinline)) static int common(int x) { return x * 7 % 5; }
             __attribute__((noinline)) static int only_first(int x) { return x * 3 % 5; }
             int first(int x) { return common(x) + only_first(x); }
             int second(int x) { return common(x) - 1; }
             int nobody(int x) { return x; }",
        ),
        (
            "b.o",
            "int second(int);
             __attribute__((used, section(\"table\"))) static int (*in_table)(int) = second;",
        ),
    ] {
        object(&dir, ARM64, name, source);
    }
    let files = Files::new();
    let paths = ["a.o", "b.o"].map(|name| dir.join(name));
    let inputs = Inputs::read(&&files, &paths, &[]).unwrap();
    let reach = Reach::of(&inputs.objects, ["first", "second"]).unwrap();
    let kept = reach.kept([
        ("first", "native"),
        ("second", "native"),
        ("second", "kept"),
    ]);
    let kept: BTreeMap<&str, Vec<&str>> = kept
        .into_iter()
        .filter(|kept| !kept.symbol.starts_with("llvm."))
        .map(|kept| (kept.symbol, kept.kinds.into_iter().collect()))
        .collect();
    assert_eq!(
        kept,
        BTreeMap::from([
            ("first", vec!["native"]),
            ("only_first", vec!["native"]),
            ("common", vec!["kept", "native", "used"]),
            ("second", vec!["kept", "native", "used"]),
            ("in_table", vec!["used"]),
        ])
    );
}

/// The kernel marks each export as used. This mark does not count as another reason.
#[test]
fn what_only_modules_may_use_stays_for_that_reason_alone() {
    let dir = TestDir::new();
    let marked = |symbol: &str| {
        let export = export(symbol);
        format!(
            "{export} static void *__UNIQUE_ID___addressable_{symbol}1
                 __attribute__((used, section(\".discard.addressable\"))) = &{symbol};\n"
        )
    };
    let source = marked("offered") + "int (*in_table)(void) __attribute__((used)) = offered;";
    object(&dir, ARM64, "a.o", &source);
    object(&dir, ARM64, "b.o", &marked("other"));
    let files = Files::new();
    let paths = ["a.o", "b.o"].map(|name| dir.join(name));
    let inputs = Inputs::read(&&files, &paths, &[]).unwrap();
    let roots = [("offered", "exported"), ("other", "exported")];
    let reach = Reach::of(&inputs.objects, roots.map(|(name, _)| name)).unwrap();
    let kept = reach.kept(roots);
    let kinds = |symbol: &str| {
        let kept = kept.iter().find(|kept| kept.symbol == symbol);
        kept.map(|kept| kept.kinds.iter().copied().collect::<Vec<_>>())
    };
    assert_eq!(kinds("other"), Some(vec!["exported"]));
    assert_eq!(kinds("offered"), Some(vec!["exported", "used"]));
    assert_eq!(kinds("in_table"), Some(vec!["used"]));
}

/// The reference is within one object.
#[test]
fn what_assembly_of_its_own_object_names_is_kept() {
    let dir = TestDir::new();
    let source = "int by_assembly(void) { return 1; }
                  static void entry(void) { asm volatile(\"bl by_assembly\" ::: \"x30\"); }
                  __attribute__((used)) static void (*in_table)(void) = entry;";
    object(&dir, ARM64, "a.o", source);
    let inputs = ["-o", "x.o", "--internalize", "--objs", "a.o"];
    let mut told = Vec::new();
    link(&dir, &[&["thin-link"][..], &inputs].concat());
    for _ in 0..3 {
        generate(&dir, ARM64, "a.o");
        told.push(link(
            &dir,
            &[&["thin-link", "--complete"][..], &inputs].concat(),
        ));
    }
    assert_eq!(told, ["", "", ""]);
    link(&dir, &[&["module", "--distributed"][..], &inputs].concat());
    assert_eq!(defined(&elf(&dir.read("x.o"))), ["by_assembly"]);
}

#[test]
fn what_modules_may_use_is_kept() {
    let dir = TestDir::new();
    let source = format!("{} int unreached(void) {{ return 2; }}", export("offered"));
    object(&dir, ARM64, "a.o", &source);
    let inputs = ["-o", "x.o", "--internalize", "--objs", "a.o"];
    link(&dir, &[&["thin-link"][..], &inputs].concat());
    let roots = dir.read_text("x.lto-roots");
    assert!(roots.contains("offered\texported\ta.o\n"), "{roots}");
    assert!(!roots.contains("unreached"), "{roots}");
}

#[test]
fn the_list_of_what_was_dropped_says_how_large_it_was() {
    let dir = TestDir::new();
    let source = "int unread[3] = { 1 }; int uncalled(int x) { return x + 1; } \
                  int init_module(void) { return 0; }";
    object(&dir, ARM64, "a.o", source);
    link(
        &dir,
        &["module", "-o", "x.o", "--internalize", "--objs", "a.o"],
    );
    assert_eq!(
        dir.read_text("x.lto-dropped"),
        "# symbol\tobject\tkind\tinstructions\tbytes\n\
         unread\ta.o\tvariable\t-\t12\n\
         uncalled\ta.o\tfunction\t2\t-\n"
    );
}

/// Full and thin LTO in one process drop the same definitions.
#[test]
fn a_link_in_one_process_drops_what_no_root_reaches() {
    for kind in ["-flto=full", "-flto=thin"] {
        let dir = parts();
        for (name, source) in PARTS {
            dir.c(name, source, &[ARM64, "-O2", kind, "-fvisibility=hidden"]);
        }
        assert_eq!(link(&dir, &[&["module"][..], &INPUTS].concat()), "");
        let mut kept = defined(&elf(&dir.read("x.o")));
        // With full LTO it is local, because the one object contains all its users.
        kept.retain(|name| name != "reached");
        let roots = [
            "by_assembly",
            "by_btf_label",
            "by_module_assembly",
            "by_native",
            "in_script",
        ];
        assert_eq!(kept, [&roots[..], &["native"]].concat(), "{kind}");
        let dropped = dir.read_text("x.lto-dropped");
        assert_eq!(dropped.lines().count(), 4, "{kind}: {dropped}");
    }
}

/// Global functions. `only_start` and its callees run before `early` is freed. `start` passes its address
/// to them, and is their only caller. `number` gets no address.
const AT_START: &str = "
    static __attribute__((section(\".init.data\"), used)) char early[8] = \"early\";
    __attribute__((noinline)) int deeper(char *text) { asm volatile(\"\"); return text[1]; }
    __attribute__((noinline)) int only_start(char *text) { return deeper(text) + text[0]; }
    __attribute__((noinline)) int always(int x) { asm volatile(\"\"); return x * 3; }
    static __attribute__((section(\".init.text\"), used)) int start(void) {
        return only_start(early) + always(early[2]);
    }
    __attribute__((noinline)) int number(int x) { asm volatile(\"\"); return x * 5; }
    __attribute__((section(\".init.text\"), used, noinline)) static int start_too(void) { return number(4); }
    static __attribute__((used)) int later(void) { return always(3); }";

/// Returns the functions of `native` that stay but refer to init code or data.
fn specialized(native: &[u8]) -> Vec<String> {
    let elf = object_model::Elf::parse(native).unwrap();
    let found = section_merge::mismatches(&elf).unwrap();
    found.faults.into_iter().map(|fault| fault.from).collect()
}

/// Returns the roots of x.o that are roots only because of their callers.
fn held(dir: &TestDir) -> Vec<String> {
    let roots = dir.read_text("x.lto-roots");
    let lines = roots.lines();
    let held = lines.filter_map(|line| Some(line.split_once("\tfreed-callers\t")?.0.to_owned()));
    held.collect()
}

/// modpost would report an address that the compiler put into a function as a mistake in the source.
#[test]
fn what_only_the_start_calls_gets_no_address_of_what_is_freed() {
    let inputs = ["-o", "x.o", "--internalize", "--objs", "a.o"];
    let thin_link = ["thin-link", "--"];
    let native = |roots: bool| {
        let dir = TestDir::new();
        object(&dir, ARM64, "a.o", AT_START);
        link(&dir, &[&thin_link[..1], &inputs].concat());
        if !roots {
            let index = "--thinlto-index-only";
            let linker = ["-e", "0", "--unresolved-symbols=ignore-all", index, "a.o"];
            dir.run("ld.lld", &linker);
        }
        generate(&dir, ARM64, "a.o");
        let found = specialized(&dir.read("a.native.o"));
        (dir, found)
    };
    assert_eq!(native(false).1, ["deeper", "only_start"]);
    let (dir, found) = native(true);
    assert_eq!(found, [""; 0]);
    assert_eq!(held(&dir), ["deeper", "only_start"]);

    // They keep nothing.
    link(&dir, &[&["module", "--distributed"][..], &inputs].concat());
    let (_, told, _) = run(&dir, &["why", "deeper", "-o", "x.o"]);
    let start = "only_start of a.o refers to it\n    start of a.o refers to it\n";
    assert!(told.contains(start), "{told}");
}

/// A link in one process has the same roots.
#[test]
fn a_link_in_one_process_gives_functions_no_address_of_what_is_freed() {
    for kind in ["-flto=full", "-flto=thin"] {
        for (more, expected) in [
            ("", &["deeper", "only_start"][..]),
            (
                "int (*stays)(char *) __attribute__((used)) = only_start;",
                &[],
            ),
            (
                "static __attribute__((used)) int later_too(void) { return only_start(\"x\"); }",
                &[],
            ),
            (
                "static __attribute__((used, section(\".ref.text\"))) int both(void) { return only_start(\"x\"); }",
                &["deeper", "only_start"],
            ),
        ] {
            let dir = TestDir::new();
            let source = format!("{AT_START}{more}");
            dir.c("a.o", &source, &[ARM64, "-O2", kind, "-fvisibility=hidden"]);
            link(
                &dir,
                &["module", "-o", "x.o", "--internalize", "--objs", "a.o"],
            );
            assert_eq!(specialized(&dir.read("x.o")), [""; 0], "{kind} {more}");
            assert_eq!(held(&dir), expected, "{kind} {more}");
        }
    }
}

/// With thin LTO, functions that other objects call stay global anyway.
#[test]
fn with_thin_lto_what_another_object_calls_needs_no_root() {
    let other = "int only_start(char *); static __attribute__((section(\".init.data\"), used)) char text[4];
        static __attribute__((section(\".init.text\"), used)) int first(void) { return only_start(text); }";
    for (kind, expected) in [
        ("-flto=full", &["deeper", "only_start"][..]),
        ("-flto=thin", &[]),
    ] {
        let dir = TestDir::new();
        for (name, source) in [("a.o", AT_START), ("b.o", other)] {
            dir.c(name, source, &[ARM64, "-O2", kind, "-fvisibility=hidden"]);
        }
        let arguments = [
            "module",
            "-o",
            "x.o",
            "--internalize",
            "--objs",
            "a.o",
            "b.o",
        ];
        link(&dir, &arguments);
        assert_eq!(held(&dir), expected, "{kind}");
        assert_eq!(specialized(&dir.read("x.o")), [""; 0], "{kind}");
    }
}

/// A link that only generates code must not hide the errors of a plain link.
#[test]
fn what_is_defined_twice_stops_the_link() {
    let dir = parts();
    object(&dir, ARM64, "d.o", "int wanted(void) { return 6; }");
    let linker = ld_lld();
    let arguments = [&["module"], &INPUTS[..], &["d.o", "--", &linker]].concat();
    let (code, _, errors) = run(&dir, &arguments);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("wanted is defined by a.o and by d.o"),
        "{errors}"
    );
}

#[test]
fn what_the_linker_says_when_it_generates_no_code_is_told() {
    let dir = parts();
    let linker = ld_lld();
    let arguments = [
        &["module"],
        &INPUTS[..],
        &["--", &linker, "--no-such-option"],
    ]
    .concat();
    let (code, _, errors) = run(&dir, &arguments);
    assert_eq!(code, Some(1));
    assert!(errors.contains("generated no code"), "{errors}");
    assert!(errors.contains("--no-such-option"), "{errors}");
}

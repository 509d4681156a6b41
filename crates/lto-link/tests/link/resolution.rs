// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Symbol resolution, against the objects that ld.lld's `--trace` names for the same link.

use std::path::PathBuf;

use lto_link::{Inputs, Resolution};
use test_support::{KERNEL_TARGETS, TestDir};
use tool_io::Files;

/// Objects and members of libraries: name and C text.
struct Link {
    what: &'static str,
    objs: &'static [(&'static str, &'static str)],
    libs: &'static [(&'static str, &'static str)],
}

const LINKS: [Link; 9] = [
    Link {
        what: "a member that something needs, and what that needs",
        objs: &[("a", "int f(void); int a(void) { return f(); }")],
        libs: &[
            ("f", "int h(void); int f(void) { return h(); }"),
            ("g", "int g(void) { return 1; }"),
            ("h", "int i(void); int h(void) { return i(); }"),
            ("i", "int i(void) { return 1; }"),
        ],
    },
    Link {
        what: "a member before the one that needs it",
        objs: &[("a", "int f(void); int a(void) { return f(); }")],
        libs: &[
            ("early", "int early(void) { return 1; }"),
            (
                "f",
                "int early(void), late(void); int f(void) { return early() + late(); }",
            ),
            ("late", "int late(void) { return 1; }"),
        ],
    },
    Link {
        what: "a weak reference takes no member",
        objs: &[(
            "a",
            "extern int f(void) __attribute__((weak)); int a(void) { return f ? f() : 0; }",
        )],
        libs: &[("f", "int f(void) { return 1; }")],
    },
    Link {
        what: "another reference to the same does",
        objs: &[
            (
                "a",
                "extern int f(void) __attribute__((weak)); int a(void) { return f ? f() : 0; }",
            ),
            ("b", "int f(void); int b(void) { return f(); }"),
        ],
        libs: &[("f", "int f(void) { return 1; }")],
    },
    Link {
        what: "a member that needs weakly what another has",
        objs: &[("a", "int f(void); int a(void) { return f(); }")],
        libs: &[
            (
                "f",
                "extern int g(void) __attribute__((weak)); int f(void) { return g ? g() : 0; }",
            ),
            ("g", "int g(void) { return 1; }"),
        ],
    },
    Link {
        what: "a weak definition needs no member with another",
        objs: &[(
            "a",
            "__attribute__((weak)) int f(void) { return 2; } int a(void) { return f(); }",
        )],
        libs: &[("f", "int f(void) { return 1; }")],
    },
    Link {
        what: "the first of two members that have it",
        objs: &[("a", "int f(void); int a(void) { return f(); }")],
        libs: &[
            ("weak", "__attribute__((weak)) int f(void) { return 2; }"),
            ("strong", "int f(void) { return 1; }"),
        ],
    },
    Link {
        what: "members that need each other",
        objs: &[("a", "int f(void); int a(void) { return f(); }")],
        libs: &[
            ("f", "int g(void); int f(void) { return g(); }"),
            ("g", "int f(void); int g(void) { return f(); }"),
        ],
    },
    Link {
        what: "what code generation may call is taken wherever there is bitcode",
        objs: &[("a", "int a(void) { return 1; }")],
        libs: &[
            (
                "marked",
                "__attribute__((used)) int marked(void) { return 1; }",
            ),
            (
                "memset",
                "void *memset(void *to, int value, unsigned long size) { return to; }",
            ),
            (
                "strcpy",
                "char *strcpy(char *to, const char *from) { return to; }",
            ),
            ("divide", "int __udivti3(void) { return 1; }"),
        ],
    },
];

/// Returns the names of the objects that ld.lld links, in its order.
fn traced(dir: &TestDir, objs: &[String], lib: &str) -> Vec<String> {
    let mut arguments = ["-r", "--trace", "-o", "x.o", "--whole-archive"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend(objs.iter().cloned());
    arguments.push("--no-whole-archive".to_owned());
    arguments.push(lib.to_owned());
    let trace = dir.run("ld.lld", &arguments);
    let stem = |line: &str| {
        let name = line.rsplit('(').next().unwrap_or(line);
        // The native code of bitcode is another file.
        let name = name.trim_end_matches(')').strip_suffix(".o")?;
        (!name.contains('/') && !name.contains("lto")).then(|| name.to_owned())
    };
    trace.lines().filter_map(stem).collect()
}

#[test]
fn the_same_objects_are_linked_in_the_same_order_as_by_the_linker() {
    let [arm64, x86_64] = KERNEL_TARGETS;
    for (target, kind) in [
        (x86_64, &[][..]),
        (arm64, &["-flto=thin"]),
        (x86_64, &["-flto=full"]),
    ] {
        for Link { what, objs, libs } in &LINKS {
            let dir = TestDir::new();
            let flags = [
                &[target, "-O2", "-w", "-fno-builtin", "-fvisibility=hidden"],
                kind,
            ];
            let compile = |parts: &[(&str, &str)]| -> Vec<String> {
                let names = parts.iter().map(|(name, source)| {
                    let name = format!("{name}.o");
                    dir.c(&name, source, &flags.concat());
                    name
                });
                names.collect()
            };
            let (objs, libs) = (compile(objs), compile(libs));
            let members: Vec<&str> = libs.iter().map(String::as_str).collect();
            let lib = dir.archive("cDPrST", "lib.a", &members);
            let mut expected = traced(&dir, &objs, "lib.a");

            let files = Files::new();
            let objs: Vec<PathBuf> = objs.iter().map(|name| dir.join(name)).collect();
            let inputs = Inputs::read(&&files, &objs, &[lib]).unwrap();
            let resolution = Resolution::of(&inputs, []).unwrap();
            let stem = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
            let mut found: Vec<String> = resolution
                .linked()
                .filter_map(|input| input.path.as_ref().map(stem))
                .collect();
            if what.starts_with("what code generation") {
                // The linker takes them in the order of its own list.
                found.sort();
                expected.sort();
            }
            assert_eq!(found, expected, "{what}: {target} {kind:?}");
        }
    }
}

#[test]
fn what_generated_code_needs_takes_a_member() {
    let dir = TestDir::new();
    let flags = [KERNEL_TARGETS[1], "-O2", "-flto=thin"];
    dir.c("a.o", "int a(void) { return 1; }", &flags);
    dir.c("f.o", "int f(void) { return 1; }", &flags);
    let files = Files::new();
    let (objs, libs) = ([dir.join("a.o")], [dir.join("f.o")]);
    let inputs = Inputs::read(&&files, &objs, &libs).unwrap();
    let without = Resolution::of(&inputs, []).unwrap();
    assert_eq!(without.link_order(), [0]);
    assert_eq!(without.member("f"), Some(1));
    let with = Resolution::of(&inputs, ["f"]).unwrap();
    assert_eq!(with.link_order(), [0, 1]);
    assert_eq!(with.prevailing("f"), Some(1));
}

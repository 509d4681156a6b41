// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Links that drop: their errors, their files, and their messages.

use std::collections::BTreeSet;
use std::process::Stdio;

use lto_link::named_in_assembly;
use object_model::{Elf, Input};
use test_support::{ARM64, KERNEL_TARGETS, TestDir};

use crate::distributed::object;
use crate::support::{defined, elf, fake_linker, files, ld_lld, link, lto_link, run};

const FULL: [&str; 4] = [ARM64, "-O2", "-flto=full", "-fvisibility=hidden"];
const ENTRY: &str = "int f(int x) { return x * 3; } int init_module(void) { return f(1); }";
const LINK: [&str; 5] = ["-o", "x.o", "--internalize", "--objs", "a.o"];

/// Runs `module` with the arguments of a link that drops; returns exit code and standard error.
fn dropping(dir: &TestDir, objects: &[&str], linker: &[&str]) -> (Option<i32>, String) {
    let arguments = ["module", "-o", "x.o", "--internalize", "--objs"];
    let arguments = [&arguments[..], objects, &["--"], linker].concat();
    let (code, _, errors) = run(dir, &arguments);
    (code, errors)
}

#[test]
fn objects_that_do_not_go_together_are_named() {
    let linker = ld_lld();
    let thin = ["-O2", "-flto=thin"];
    for (flags, message) in [
        (
            &[ARM64, "-flto=full"][..],
            "b.o is bitcode for full LTO, and a.o is for thin LTO",
        ),
        (&[ARM64, "-emit-llvm"], "b.o is bitcode without a summary"),
        (
            &[KERNEL_TARGETS[1], "-flto=thin"],
            "b.o is for x86_64, and a.o is for arm64",
        ),
        (
            &[KERNEL_TARGETS[1]],
            "b.o is for x86_64, and a.o is for arm64",
        ),
    ] {
        let dir = TestDir::new();
        object(&dir, ARM64, "a.o", ENTRY);
        object(&dir, ARM64, "b.o", "int g(void) { return 1; }");
        dir.c(
            "b.o",
            "int g(void) { return 1; }",
            &[&thin[..1], flags].concat(),
        );
        let (code, errors) = dropping(&dir, &["a.o", "b.o"], &[&linker]);
        assert_eq!(code, Some(1), "{flags:?}");
        assert!(errors.contains(message), "{flags:?}: {errors}");
        assert!(!dir.join("x.o").exists(), "{flags:?}");
        let distributed = [
            "thin-link",
            "-o",
            "x.o",
            "--objs",
            "a.o",
            "b.o",
            "--",
            &linker,
        ];
        let (code, _, errors) = run(&dir, &distributed);
        assert_eq!(code, Some(1), "{flags:?}");
        assert!(errors.contains(message), "{flags:?}: {errors}");
    }
}

#[test]
fn a_module_of_which_nothing_would_be_left_is_refused() {
    let dir = TestDir::new();
    object(&dir, ARM64, "a.o", "int f(int x) { return x * 3; }");
    let (code, errors) = dropping(&dir, &["a.o"], &[&ld_lld()]);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("x.o: nothing of it would be left"),
        "{errors}"
    );
    assert!(!dir.join("x.o").exists());
}

#[test]
fn a_link_that_drops_nothing_leaves_no_list_of_what_was_dropped() {
    let dir = TestDir::new();
    object(&dir, ARM64, "a.o", ENTRY);
    link(&dir, &[&["module"][..], &LINK].concat());
    assert!(dir.join("x.lto-dropped").exists() && dir.join("x.lto-roots").exists());
    link(&dir, &["module", "-o", "x.o", "--objs", "a.o"]);
    assert!(!dir.join("x.lto-dropped").exists() && !dir.join("x.lto-roots").exists());
    let (code, _, errors) = run(&dir, &["why", "f", "-o", "x.o"]);
    assert_eq!(code, Some(2));
    assert!(
        errors.contains("was linked without --internalize"),
        "{errors}"
    );
    // With distributed LTO the thin link drops.
    link(&dir, &[&["thin-link", "--module"][..], &LINK].concat());
    assert!(dir.join("x.lto-roots").exists());
    link(&dir, &["thin-link", "-o", "x.o", "--objs", "a.o"]);
    assert!(!dir.join("x.lto-roots").exists());
}

/// A definition that gives way to another of the same name is not listed as dropped.
#[test]
fn what_is_there_is_not_listed_as_dropped() {
    let dir = TestDir::new();
    object(
        &dir,
        ARM64,
        "a.o",
        "__attribute__((weak)) int f(void) { return 1; } int unused(void) { return 3; }",
    );
    let user = "int f(void); int init_module(void) { return f(); }";
    object(&dir, ARM64, "b.o", user);
    dir.c("n.o", "int f(void) { return 2; }", &[ARM64, "-O2"]);
    link(
        &dir,
        &[
            "module",
            "-o",
            "x.o",
            "--internalize",
            "--objs",
            "a.o",
            "b.o",
            "n.o",
        ],
    );
    let dropped = dir.read_text("x.lto-dropped");
    let dropped: Vec<&str> = dropped
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next())
        .collect();
    assert_eq!(dropped, ["unused"]);
}

#[test]
fn a_failing_code_generation_is_named_and_saved() {
    for (flags, step) in [(&FULL[..], "code"), (&[ARM64, "-O2", "-flto=thin"], "code")] {
        let dir = TestDir::new();
        dir.c("a.o", ENTRY, flags);
        fake_linker(
            &dir,
            "for argument; do case $argument in --lto-obj-path=*) set -- \"$@\" --no-such-option ;; esac; done",
        );
        let arguments = [
            &["module", "--capture", "saved"][..],
            &LINK,
            &["--", "sh", "fake-ld"],
        ];
        let (code, _, errors) = run(&dir, &arguments.concat());
        assert_eq!(code, Some(1));
        assert!(errors.contains("x.o: sh generated no code"), "{errors}");
        assert!(errors.contains("no-such-option"), "{errors}");
        assert!(
            errors.contains(&format!("saved/.x.o.{step}.sh")),
            "{errors}"
        );
        assert!(dir.join(format!("saved/.x.o.{step}.tar")).exists());
        let (code, _, errors) = run(
            &dir,
            &[&["module"][..], &LINK, &["--", "sh", "fake-ld"]].concat(),
        );
        assert_eq!(code, Some(1));
        assert!(errors.contains("LTO_CAPTURE=<directory>"), "{errors}");
    }
}

/// The linker succeeds but leaves out the code of an object.
#[test]
fn an_object_without_code_is_named() {
    for (flags, code_of) in [
        (&FULL[..], "code.o"),
        (&[ARM64, "-O2", "-flto=thin"], "code.o1"),
    ] {
        let dir = TestDir::new();
        dir.c("a.o", ENTRY, flags);
        let script = format!(
            "for argument; do case $argument in --lto-obj-path=*) path=${{argument#*=}} ;; esac; done\n\
             if [ -n \"$path\" ]; then {} \"$@\"; : > \"$(dirname \"$path\")/{code_of}\"; exit 0; fi",
            ld_lld()
        );
        fake_linker(&dir, &script);
        let (code, errors) = dropping(&dir, &["a.o"], &["sh", "fake-ld"]);
        assert_eq!(code, Some(1), "{flags:?}");
        assert!(
            errors.contains("x.o: sh generated no code of a.o"),
            "{errors}"
        );
        assert!(!dir.join("x.o").exists());
    }
}

#[test]
fn a_link_leaves_nothing_beside_its_inputs() {
    for flags in [&FULL[..], &[ARM64, "-O2", "-flto=thin"]] {
        let dir = TestDir::new();
        dir.c("in/a.o", ENTRY, flags);
        dir.write("out/deep/x", "");
        let before = files(&dir.join("in"));
        let arguments = [
            "module",
            "-o",
            "x.o",
            "--internalize",
            "--objs",
            "../../in/a.o",
            "--",
        ];
        let mut command = lto_link(&dir, &[&arguments[..], &[&ld_lld()]].concat());
        command.current_dir(dir.join("out/deep"));
        test_support::stdout(&mut command);
        assert_eq!(files(&dir.join("in")), before, "{flags:?}");
        assert_eq!(
            files(&dir.join("out/deep")),
            [
                ".x.o.lto-inputs",
                ".x.o.lto-usage.json",
                "x",
                "x.lto-dropped",
                "x.lto-roots",
                "x.o"
            ],
            "{flags:?}"
        );
        assert_eq!(files(&dir.join("out")), ["deep"]);
    }
}

/// Indexes and lists of imports are written beside their objects.
#[test]
fn a_thin_link_of_objects_elsewhere_leaves_its_indexes_there_alone() {
    let dir = TestDir::new();
    object(&dir, ARM64, "in/a.o", ENTRY);
    dir.write("out/deep/x", "");
    let before: BTreeSet<String> = files(&dir.join("in")).into_iter().collect();
    let arguments = [
        "thin-link",
        "--module",
        "-o",
        "x.o",
        "--internalize",
        "--objs",
        "../../in/a.o",
        "--",
    ];
    let mut command = lto_link(&dir, &[&arguments[..], &[&ld_lld()]].concat());
    command.current_dir(dir.join("out/deep"));
    test_support::stdout(&mut command);
    let after: BTreeSet<String> = files(&dir.join("in")).into_iter().collect();
    let new: Vec<&String> = after.difference(&before).collect();
    assert_eq!(new, ["a.o.imports", "a.o.thinlto.bc"]);
    assert_eq!(files(&dir.join("out")), ["deep"]);
}

/// Only one link of an output runs at a time, and the last one counts.
#[test]
fn links_of_one_output_do_not_disturb_each_other() {
    for flags in [&FULL[..], &[ARM64, "-O2", "-flto=thin"]] {
        let dir = TestDir::new();
        for (object, function) in [("a.o", "one"), ("b.o", "two")] {
            let source = format!(
                "int {function}(int x) {{ return x; }} int init_module(void) {{ return 0; }} \
                 int (*in_table)(int) __attribute__((used)) = {function};"
            );
            dir.c(object, &source, flags);
        }
        let linker = ld_lld();
        let runs = ["a.o", "b.o", "a.o", "b.o"].map(|object| {
            let arguments = [
                "module",
                "-o",
                "x.o",
                "--internalize",
                "--objs",
                object,
                "--",
                &linker,
            ];
            let mut command = lto_link(&dir, &arguments);
            command
                .stderr(Stdio::piped())
                .spawn()
                .expect("it can be started")
        });
        for run in runs {
            let output = run.wait_with_output().expect("it ends");
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let kept = defined(&elf(&dir.read("x.o")));
        assert!(kept.contains(&"in_table".to_owned()), "{kept:?}");
        assert!(
            !files(dir.path())
                .iter()
                .any(|name| name.starts_with(".tmp_"))
        );
    }
}

#[test]
fn the_linkers_flags_may_have_r_among_them() {
    for r in ["-r", "--relocatable"] {
        let dir = TestDir::new();
        dir.c("a.o", ENTRY, &FULL);
        let (code, errors) = dropping(&dir, &["a.o"], &[&ld_lld(), r]);
        assert_eq!(code, Some(0), "{errors}");
        assert_eq!(defined(&elf(&dir.read("x.o"))), ["init_module"]);
    }
}

/// The archive has two members of one name, as in vendors' kernels.
#[test]
fn native_members_of_regular_archives_are_linked() {
    let dir = TestDir::new();
    let user = "int one(void), two(void); int init_module(void) { return one() + two(); }";
    dir.c(
        "a.o",
        user,
        &[ARM64, "-O2", "-flto=thin", "-fvisibility=hidden"],
    );
    dir.c("1/m.o", "int one(void) { return 1; }", &[ARM64, "-O2"]);
    dir.c("2/m.o", "int two(void) { return 2; }", &[ARM64, "-O2"]);
    dir.archive("qcS", "all.a", &["1/m.o", "2/m.o"]);
    let (code, errors) = dropping(&dir, &["a.o", "all.a"], &[&ld_lld()]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(
        defined(&elf(&dir.read("x.o"))),
        ["init_module", "one", "two"]
    );
}

/// The other inputs of the last link of vmlinux name the definitions that they need.
#[test]
fn what_the_last_link_names_is_kept() {
    let dir = TestDir::new();
    let source = "int by_source(void) { return 1; } int by_object(void) { return 2; } int by_none(void) { return 3; }
                  static int start(void) { return by_source() + by_object() + by_none(); }
                  __attribute__((used)) static int (*in_table)(void) = start;";
    dir.c(
        "a.o",
        source,
        &[ARM64, "-O2", "-flto=thin", "-fvisibility=hidden"],
    );
    dir.write(
        "of_last.c",
        "extern int by_source(void);\nint (*of_last)(void) = by_source;\n",
    );
    dir.c(
        "last.o",
        "int by_object(void); int late(void) { return by_object(); }",
        &[ARM64],
    );
    let last = ["--last-link", "of_last.c", "--last-link", "last.o"];
    link(&dir, &[&["module"][..], &last, &LINK].concat());
    let roots = dir.read_text("x.lto-roots");
    for line in [
        "by_source\tlast-link\tof_last.c",
        "by_object\tlast-link\tlast.o",
    ] {
        assert!(roots.lines().any(|root| root == line), "{line}: {roots}");
    }
    assert!(!roots.contains("by_none"), "{roots}");
}

/// The check of built kernels finds each of its faults.
#[test]
fn what_was_done_to_what_assembly_names_is_found() {
    for kind in ["-flto=thin", "-flto=full"] {
        let dir = TestDir::new();
        let source = "int in_function(void) { return 1; } int beside(void) { return 2; }
                      int prefix_8(void) { return 3; } int nobody(void) { return 4; }
                      asm(\".quad beside\");
                      int init_module(void) {
                          asm volatile(\"bl in_function\" ::: \"x30\");
                          asm volatile(\"bl prefix_%c0\" :: \"i\"(8) : \"x30\");
                          return nobody();
                      }";
        dir.c("a.o", source, &[ARM64, "-O2", kind, "-fvisibility=hidden"]);
        link(&dir, &[&["module"][..], &LINK].concat());
        let data = dir.read("a.o");
        let inputs = [Input::parse(&dir.join("a.o"), &data).unwrap()];
        let named = named_in_assembly(&inputs, 1).unwrap();
        let names: Vec<&str> = named.symbols.keys().map(String::as_str).collect();
        assert_eq!(names, ["beside", "in_function", "prefix_8"], "{kind}");
        let roots = dir.read_text("x.lto-roots");
        let faults = |object: &str, roots: &str| {
            let data = dir.read(object);
            let mut named = named.clone();
            named.check(&Elf::parse(&data).unwrap(), Some(roots));
            let faults = named.faults.iter().map(ToString::to_string);
            faults.collect::<Vec<String>>()
        };
        assert_eq!(faults("x.o", &roots), [""; 0], "{kind}");
        let without = roots.replace("beside\t", "other\t");
        let [fault] = &faults("x.o", &without)[..] else {
            panic!("{without}")
        };
        assert!(fault.starts_with("beside, ") && fault.ends_with("is not among the roots"));
        let localize = ["--localize-symbol=in_function", "x.o", "local.o"];
        dir.run("llvm-objcopy", &localize);
        let [fault] = &faults("local.o", &roots)[..] else {
            panic!("{:?}", faults("local.o", &roots))
        };
        assert!(fault.starts_with("in_function, ") && fault.contains("was made local"));
        dir.run(
            "llvm-objcopy",
            &["--redefine-sym=prefix_8=other", "x.o", "gone.o"],
        );
        let [fault] = &faults("gone.o", &roots)[..] else {
            panic!("{:?}", faults("gone.o", &roots))
        };
        assert!(fault.starts_with("prefix_8, ") && fault.ends_with("was dropped"));
        let (_, listed, _) = run(&dir, &["assembly-names", "-o", "x.o"]);
        assert_eq!(listed, "beside\ta.o\nin_function\ta.o\nprefix_8\ta.o\n");
    }
}

/// Code that walks through a table does not name its entries.
#[test]
fn entries_of_tables_stay_though_nothing_marks_them() {
    let dir = TestDir::new();
    let source = "int entry __attribute__((section(\".setup.table\"))) = 1;
                  int plain __attribute__((section(\".data..read_mostly\"))) = 2;
                  int early __attribute__((section(\".init.data\"))) = 3;
                  static int local __attribute__((section(\".setup.table\"))) = 4;
                  int *unused(void) { return &local; }
                  int init_module(void) { return 0; }";
    dir.c("a.o", source, &FULL);
    link(&dir, &[&["module"][..], &LINK].concat());
    assert_eq!(defined(&elf(&dir.read("x.o"))), ["entry", "init_module"]);
    let roots = dir.read_text("x.lto-roots");
    assert!(roots.contains("entry\tin-table\t.setup.table\n"), "{roots}");
}

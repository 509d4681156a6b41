// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reading the list, and resolving it against a tree.

use std::collections::BTreeSet;

use kernel_facts::KnownLto;
use lto_disable::{LIST, List, ListError, Pattern};
use object_model::WithCauses;
use test_support::TestDir;

use crate::support::{entry, resolve, run, tree};

/// Returns the objects that one entry stands for.
fn objects(kind: &str, pattern: &str, dir: &TestDir) -> Vec<String> {
    resolve(&entry(kind, pattern), dir).remove(0).objects
}

fn parse_error(text: &str) -> String {
    let error = List::parse(text).expect_err("not a list");
    assert!(matches!(error, ListError::Parse(_)), "{error:?}");
    let error = WithCauses(&error).to_string();
    assert_eq!(error.matches("TOML parse error").count(), 1, "{error}");
    error
}

#[test]
fn the_built_in_list_is_well_formed() {
    let list = List::parse(LIST).unwrap();
    assert!(list.disable.len() > 5);
    let mut patterns = BTreeSet::new();
    for disabled in &list.disable {
        let (Pattern::Source(pattern) | Pattern::Folder(pattern)) = &disabled.pattern;
        assert!(patterns.insert(pattern), "{pattern} stands there twice");
        assert!(disabled.reason.len() > 20, "{pattern}: {}", disabled.reason);
    }
    // All of its globs can be used.
    list.resolve(TestDir::new().path(), &KnownLto::None)
        .unwrap();
}

#[test]
fn what_is_no_list_is_refused_with_the_place() {
    let reason = "reason = \"why\"\n";
    for (text, message) in [
        ("disable = 1\n", "invalid type"),
        ("", "missing field `disable`"),
        ("[[disable]\n", "line 1"),
        ("[[disable]]\nsource = \"a.c\"\n", "missing field `reason`"),
        (
            "[[disabled]]\nsource = \"a.c\"\nreason = \"why\"\n",
            "unknown field `disabled`",
        ),
        (
            &format!("[[disable]]\n{reason}"),
            "neither `source` nor `folder`",
        ),
        (
            &format!("[[disable]]\nsource = \"a.c\"\nfolder = \"a\"\n{reason}"),
            "both `source` and `folder`",
        ),
        (
            &format!("[[disable]]\nsource = \"a.c\"\nfolders = \"a\"\n{reason}"),
            "unknown field `folders`",
        ),
        (
            "[[disable]]\nsource = \"a.c\"\nreason = \"why\\n$(shell touch ran)\"\n",
            "the reason \"why\\n$(shell touch ran)\" of an entry cannot be a comment in a Makefile: write \
             it in one line without control characters and without a backslash at its end",
        ),
        (
            "[[disable]]\nsource = \"a.c\"\nreason = \"\"\"why\nand why\"\"\"\n",
            "the reason \"why\\nand why\" of an entry cannot be a comment in a Makefile",
        ),
        (
            "[[disable]]\nfolder = \"a\"\nreason = 'why \\'\n",
            "the reason \"why \\\\\" of an entry cannot be a comment in a Makefile",
        ),
        (
            "[[disable]]\nfolder = \"a\\r\"\nreason = \"why\"\n",
            "the pattern \"a\\r\" of an entry cannot be a comment in a Makefile",
        ),
        (
            "[[disable]]\nsource = \"a\\nall: ; touch ran\"\nreason = \"why\"\n",
            "the pattern \"a\\nall: ; touch ran\" of an entry cannot be a comment in a Makefile",
        ),
        (
            &format!("[[disable]]\nsource = [\"a.c\", \"b.c\"]\n{reason}"),
            "invalid type",
        ),
    ] {
        let error = parse_error(text);
        assert!(error.contains(message), "{text}: {error}");
        assert!(error.contains("at line "), "{text}: {error}");
    }
}

#[test]
fn a_source_stands_for_its_object() {
    let dir = tree(&[
        "scripts/mod/empty.c",
        "lib/a.c",
        "lib/a.S",
        "lib/b.S",
        "lib/ab.c",
    ]);
    assert_eq!(
        objects("source", "scripts/mod/empty.c", &dir),
        ["scripts/mod/empty.o"]
    );
    assert_eq!(
        objects("source", "lib/?.[cS]", &dir),
        ["lib/a.o", "lib/b.o"]
    );
    assert_eq!(
        objects("source", "lib/{ab,b}.*", &dir),
        ["lib/ab.o", "lib/b.o"]
    );
    // A folder is no source, and the other way round.
    assert_eq!(objects("source", "scripts/mod", &dir), [""; 0]);
    assert_eq!(objects("folder", "scripts/mod/empty.c", &dir), [""; 0]);
}

#[test]
fn a_star_does_not_cross_folders() {
    let dir = tree(&[
        "arch/arm64/kernel/vdso/note.S",
        "arch/arm64/kernel/vdso32/note.c",
        "arch/riscv/kernel/vdso/note.S",
        "arch/x86/entry/vdso/vma.c",
        "arch/arm64/kernel/vdso.c",
    ]);
    assert_eq!(
        objects("folder", "arch/*/kernel/vdso*", &dir),
        [
            "arch/arm64/kernel/vdso/%",
            "arch/arm64/kernel/vdso32/%",
            "arch/riscv/kernel/vdso/%"
        ]
    );
    assert_eq!(objects("folder", "arch/*/vdso", &dir), [""; 0]);
    assert_eq!(
        objects("folder", "arch/**/vdso", &dir),
        [
            "arch/arm64/kernel/vdso/%",
            "arch/riscv/kernel/vdso/%",
            "arch/x86/entry/vdso/%"
        ]
    );
}

#[test]
fn entries_keep_their_order_and_reasons_and_may_match_nothing() {
    let dir = tree(&["b.c", "a.c"]);
    let list = entry("source", "b.c") + &entry("folder", "none") + &entry("source", "[ab].c");
    let entries = resolve(&list, &dir);
    let found: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry.pattern.as_str(),
                entry.reason.as_str(),
                &entry.objects[..],
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("b.c", "because of b.c", &["b.o".to_owned()][..]),
            ("none", "because of none", &[]),
            (
                "[ab].c",
                "because of [ab].c",
                &["a.o".to_owned(), "b.o".to_owned()]
            ),
        ]
    );
}

#[test]
fn folders_without_sources_of_the_kernel_are_not_searched() {
    let dir = tree(&[
        ".git/x.c",
        "Documentation/x.c",
        "tools/x.c",
        "drivers/tools/x.c",
        "x.c",
    ]);
    assert_eq!(
        objects("source", "**/x.c", &dir),
        ["drivers/tools/x.o", "x.o"]
    );
    // Whatever the tree itself is called.
    let list = List::parse(&entry("source", "*.c")).unwrap();
    let entries = list.resolve(&dir.join("tools"), &KnownLto::None).unwrap();
    assert_eq!(entries[0].objects, ["x.o"]);
}

#[test]
fn a_pattern_that_is_no_glob_is_named() {
    let list = List::parse(&entry("source", "kernel/[a.c")).unwrap();
    let error = list
        .resolve(TestDir::new().path(), &KnownLto::None)
        .unwrap_err();
    let error = WithCauses(&error).to_string();
    assert!(
        error.starts_with("the list of disabled objects: pattern kernel/[a.c: "),
        "{error}"
    );
    assert_eq!(
        error.matches("unclosed character class").count(),
        1,
        "{error}"
    );
}

#[test]
fn a_tree_that_cannot_be_read_is_named() {
    let dir = TestDir::new();
    let list = List::parse(LIST).unwrap();
    let error = list
        .resolve(&dir.join("none"), &KnownLto::None)
        .unwrap_err();
    let error = WithCauses(&error).to_string();
    let path = dir.join("none").display().to_string();
    assert_eq!(error.matches(&path).count(), 1, "{error}");
}

/// Makes a tree in `linux` that looks like a kernel's.
fn kernel_tree() -> TestDir {
    let dir = tree(&[
        "linux/Kconfig",
        "linux/arch/Kconfig",
        "linux/kernel/configs.c",
        "linux/kernel/other.c",
        "linux/scripts/Makefile.build",
    ]);
    dir.write("linux/Makefile", "VERSION = 5\nPATCHLEVEL = 10\n");
    dir
}

#[test]
fn the_command_prints_the_fragment_of_a_tree() {
    let dir = kernel_tree();
    let (code, stdout, stderr) = run(&dir, &["list", "linux"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let set: Vec<_> = stdout
        .lines()
        .filter(|line| line.starts_with("lto-disabled-objs +="))
        .collect();
    assert_eq!(set, ["lto-disabled-objs += kernel/configs.o"]);

    dir.write("own.toml", entry("source", "kernel/o*.c"));
    let (code, stdout, stderr) = run(&dir, &["list", "linux", "--objects", "own.toml"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(
        stdout.ends_with(
            "lto-disabled-objs :=\n\n# kernel/o*.c: because of kernel/o*.c\n\
             lto-disabled-objs += kernel/other.o\n"
        ),
        "{stdout}"
    );
}

/// `lto-disable list linux | head` ended with a panic.
#[test]
fn an_output_that_is_closed_or_full_is_no_panic() {
    let dir = kernel_tree();
    let tool = env!("CARGO_BIN_EXE_lto-disable");
    let [closed, full] = dir.run_unheard(tool, &["list", "linux"]);
    assert_eq!(closed, (Some(0), String::new()));
    let message = "lto-disable: error: standard output cannot be written: No space left on device";
    assert!(full.0 == Some(2) && full.1.starts_with(message), "{full:?}");
}

#[test]
fn a_list_or_tree_that_cannot_be_used_ends_with_2() {
    let dir = kernel_tree();
    dir.write("bad.toml", "disable = 1\n");
    for (arguments, message) in [
        (
            &["list", "linux", "--objects", "bad.toml"][..],
            "the list of disabled objects: TOML parse error at line 1, column 11\n",
        ),
        (
            &["list", "linux", "--objects", "none.toml"],
            "none.toml cannot be read: No such file or directory (os error 2)\n",
        ),
        (&["list", "none"], "none is not a kernel tree: "),
    ] {
        let (code, stdout, stderr) = run(&dir, arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        let message = format!("lto-disable: error: {message}");
        assert!(stderr.starts_with(&message), "{stderr}");
    }
    assert_eq!(run(&dir, &["list"]).0, Some(2));
}

#[test]
fn what_only_our_links_need_is_not_asked_of_a_tree_with_links_of_its_own() {
    let dir = tree(&["a.c", "b.c"]);
    let list = entry("source", "a.c") + "only_ours = true\n" + &entry("source", "b.c");
    let list = List::parse(&list).unwrap();
    for (known, expected) in [
        (KnownLto::None, &["a.c", "b.c"][..]),
        (KnownLto::Native, &["b.c"]),
    ] {
        let entries = list.resolve(dir.path(), &known).unwrap();
        let found: Vec<_> = entries.iter().map(|entry| entry.pattern.as_str()).collect();
        assert_eq!(found, expected, "{known:?}");
    }
}

/// make would take such a name apart, or run it.
#[test]
fn files_whose_names_mean_something_else_to_make_are_refused() {
    for name in [
        "a/b c.c",
        "a/b\nx.c",
        "a/$(shell touch ran).c",
        "a/b#c.c",
        "a/b%.c",
        "a/b\\.c",
    ] {
        let dir = tree(&[name]);
        let list = List::parse(&entry("source", "a/*.c")).unwrap();
        let error = list.resolve(dir.path(), &KnownLto::None).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{name:?}, which a/*.c in the list of disabled objects matches, cannot be written in a Makefile: rename it, or write a pattern that leaves it out"
            )
        );
    }
}

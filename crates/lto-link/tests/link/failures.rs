// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Each kind of failure: the message, the exit code, and that no file is left.

use std::path::Path;

use lto_link::LinkPaths;
use test_support::{ARM64, TestDir};

use crate::support::{LTO, export, fake_linker, files, initcall, ld_lld, run};

const FLAGS: [&str; 3] = [ARM64, "-O2", "-flto=thin"];

/// Two objects that cannot be linked together, and the output of an earlier link.
fn clash(lto: &str) -> TestDir {
    let dir = TestDir::new();
    let source = "int clash(void) { return 1; }";
    dir.c("a.o", source, &[ARM64, lto]);
    dir.c("b.o", source, &[ARM64, lto]);
    dir.write("m.o", "the output of an earlier link");
    dir
}

const CLASH: [&str; 7] = ["module", "-o", "m.o", "--objs", "a.o", "b.o", "--"];

#[test]
fn a_failing_link_leaves_what_was_there() {
    for lto in LTO {
        let dir = clash(lto);
        let before = files(dir.path());
        let linker = ld_lld();
        let mut arguments = CLASH.to_vec();
        arguments.push(&linker);
        let (code, stdout, stderr) = run(&dir, &arguments);
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert!(stderr.contains("duplicate symbol: clash"), "{stderr}");
        let ours = stderr.find("lto-link: error: ").map(|at| &stderr[at..]);
        assert_eq!(
            ours.unwrap(),
            format!(
                "lto-link: error: m.o: {linker} failed (exit status: 1); LTO_CAPTURE=<directory> on \
                 make's command line saves the link with its inputs\n\
                 lto-link: error: a.o and b.o both define clash; rename one, or make it static or weak\n"
            )
        );
        assert_eq!(dir.read_text("m.o"), "the output of an earlier link");
        assert_eq!(files(dir.path()), before);
    }
}

#[test]
fn a_linker_that_dies_half_way_leaves_nothing_either() {
    let dir = clash("-flto=thin");
    let before = "while [ \"$1\" != -o ]; do shift; done\necho half > \"$2\"\nkill -9 $$";
    fake_linker(&dir, before);
    let before = files(dir.path());
    let mut arguments = CLASH.to_vec();
    arguments.extend(["sh", "fake-ld"]);
    let (code, stdout, stderr) = run(&dir, &arguments);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.starts_with("lto-link: error: m.o: sh failed (signal: 9 (SIGKILL))"),
        "{stderr}"
    );
    assert_eq!(dir.read_text("m.o"), "the output of an earlier link");
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_linker_that_does_nothing_is_found_out() {
    let dir = clash("-flto=thin");
    let mut arguments = CLASH.to_vec();
    arguments.push("true");
    let (code, _, stderr) = run(&dir, &arguments);
    assert_eq!(code, Some(2));
    assert_eq!(
        stderr,
        "lto-link: error: reading .tmp_m.o.lto, which the linker has to make: No such file or directory (os error 2)\n"
    );
}

#[test]
fn a_linker_that_is_not_there_is_named() {
    let dir = clash("-flto=thin");
    let mut arguments = CLASH.to_vec();
    arguments.push("no-such-ld");
    let (code, _, stderr) = run(&dir, &arguments);
    assert_eq!(code, Some(2));
    assert_eq!(
        stderr,
        "lto-link: error: running no-such-ld: No such file or directory (os error 2)\n"
    );
}

#[test]
fn inputs_that_cannot_be_read_are_all_named() {
    let dir = TestDir::new();
    dir.c("init/good.o", &initcall("good", 1, "good", "6"), &FLAGS);
    dir.c("init/gone.o", "int gone;", &FLAGS);
    dir.archive("cDPrST", "init/built-in.a", &["init/good.o", "init/gone.o"]);
    std::fs::remove_file(dir.join("init/gone.o")).unwrap();
    let whole = dir.read("init/good.o");
    dir.write("half.o", &whole[..whole.len() / 2]);
    dir.write("empty.o", "");
    dir.write("text.o", "text");
    let arguments = [
        "vmlinux",
        "-o",
        "vmlinux.o",
        "--objs",
        "init/built-in.a",
        "half.o",
        "empty.o",
        "--libs",
        "text.o",
        "missing.a",
        "--",
        "false",
    ];
    let before = files(dir.path());
    let (code, stdout, stderr) = run(&dir, &arguments);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(
        [lines[0], lines[2], lines[3], lines[4]],
        [
            "lto-link: error: init/gone.o in init/built-in.a: cannot be opened: \
             No such file or directory (os error 2)",
            "lto-link: error: empty.o: is empty; remove it and build it again",
            "lto-link: error: text.o: is neither ELF, LLVM bitcode nor an archive \
             (begins with 74 65 78 74)",
            "lto-link: error: missing.a: cannot be opened: No such file or directory (os error 2)",
        ]
    );
    assert!(
        lines[1].starts_with("lto-link: error: half.o: is damaged LLVM bitcode"),
        "{}",
        lines[1]
    );
    assert_eq!(lines.len(), 5);
    assert_eq!(files(dir.path()), before);
}

#[test]
fn every_export_without_a_crc_is_named_before_the_link() {
    let dir = TestDir::new();
    dir.c("lib/a.o", &(export("one") + &export("two")), &FLAGS);
    dir.c("b.o", &export("three"), &FLAGS);
    dir.write("b.o.symversions", "__crc_three = 0x00000000;\n");
    dir.c("c.o", &export("four"), &[ARM64]);
    let arguments = [
        "module",
        "-o",
        "m.o",
        "--modversions",
        "--objs",
        "lib/a.o",
        "b.o",
        "c.o",
        "--",
        "false",
    ];
    let before = files(dir.path());
    let (code, _, stderr) = run(&dir, &arguments);
    assert_eq!(code, Some(1));
    let missing = |object, symbol| {
        format!(
            "lto-link: error: {object}: exported symbol {symbol} has no CRC: remove the object \
             and run make again, and if that does not help look for genksyms' message about it"
        )
    };
    let mut lines: Vec<_> = stderr.lines().skip(1).collect();
    // The exports of one object come in the order of its symbol table.
    lines[..2].sort_unstable();
    assert_eq!(
        lines,
        [
            missing("lib/a.o", "one"),
            missing("lib/a.o", "two"),
            "lto-link: error: b.o: the CRC of exported symbol three is zero: does genksyms see \
             its declaration (for assembly: in asm/asm-prototypes.h)?"
                .into(),
            missing("c.o", "four"),
        ]
    );
    assert_eq!(
        stderr.lines().next(),
        Some("lto-link: error: the exported symbols cannot be versioned:")
    );
    assert_eq!(files(dir.path()), before);
}

#[test]
fn initcalls_without_an_order_stop_the_link() {
    let dir = TestDir::new();
    dir.c("a.o", &initcall("a", 1, "fn", "6"), &FLAGS);
    dir.c("b.o", "int b;", &FLAGS);
    let link = |objects: &[&str]| {
        let mut arguments = vec!["vmlinux", "-o", "vmlinux.o", "--objs"];
        arguments.extend(objects);
        arguments.extend(["--", "false"]);
        let (code, _, stderr) = run(&dir, &arguments);
        (code, stderr)
    };
    let head = "lto-link: error: the initcalls cannot be put in order:\nlto-link: error: ";
    assert_eq!(
        link(&["a.o", "a.o"]),
        (
            Some(1),
            format!(
                "{head}a.o: section .initcall6.init..kmod_a__1_1_fn is also in a.o; \
                 is one object linked twice?\n"
            )
        )
    );
    assert_eq!(
        link(&["b.o"]),
        (
            Some(1),
            format!(
                "{head}no initcalls in 1 objects; were they compiled with CONFIG_LTO_CLANG, \
                 and are they all of vmlinux's objects?\n"
            )
        )
    );
    assert_eq!(files(dir.path()), ["a.c", "a.o", "b.c", "b.o"]);
}

#[test]
fn roots_that_cannot_be_read_stop_the_link_before_it_writes() {
    let source = format!(
        "{}int kept(void) {{ return 1; }}",
        initcall("a", 1, "start", "6")
    );
    for lto in LTO {
        let dir = TestDir::new();
        dir.c("a.o", &source, &[ARM64, "-O2", lto]);
        let before = files(dir.path());
        let linker = ld_lld();
        let link = |keep| {
            let options = [
                "vmlinux",
                "-o",
                "vmlinux.o",
                "--internalize",
                "--keep",
                keep,
            ];
            run(
                &dir,
                &[&options[..], &["--objs", "a.o", "--", &linker]].concat(),
            )
        };
        let (code, _, stderr) = link("not-there");
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains("not-there"), "{stderr}");
        assert_eq!(files(dir.path()), before);
        // The lists of an earlier link stay.
        dir.write("keep", "kept # wanted\n");
        let (code, _, stderr) = link("keep");
        assert_eq!(code, Some(0), "{stderr}");
        let before = files(dir.path());
        assert!(
            before.iter().any(|file| file.ends_with(".lto-roots")),
            "{before:?}"
        );
        let (code, _, stderr) = link("not-there");
        assert_eq!(code, Some(1), "{stderr}");
        assert_eq!(files(dir.path()), before);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let dir = TestDir::new();
    dir.c("a.o", &initcall("a", 1, "fn", "6"), &FLAGS);
    let linker = ld_lld();
    let arguments = [
        "vmlinux",
        "-o",
        "no/vmlinux.o",
        "--objs",
        "a.o",
        "--",
        &linker,
    ];
    let (code, _, stderr) = run(&dir, &arguments);
    assert_eq!(code, Some(2));
    assert!(
        stderr.starts_with(
            "lto-link: error: no/.tmp_vmlinux.o.lock cannot be written: \
             No such file or directory"
        ),
        "{stderr}"
    );
    dir.write("no/vmlinux.o/is-a-folder", "");
    let (code, _, stderr) = run(&dir, &arguments);
    assert_eq!(code, Some(2));
    assert!(
        stderr.starts_with(
            "lto-link: error: no/vmlinux.o: is no regular file; name a file to write to"
        ),
        "{stderr}"
    );
    // A file must not replace a device.
    let null = ["module", "-o", "/dev/null", "--objs", "a.o", "--", &linker];
    let (code, _, stderr) = run(&dir, &null);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("/dev/null: is no regular file"), "{stderr}");
    assert!(!std::path::Path::new("/dev/null").is_file());
}

#[test]
fn wrong_arguments_end_with_2() {
    let dir = TestDir::new();
    for arguments in [
        &["module"][..],
        &["module", "-o", "m.o", "--objs", "a.o"],
        &["kernel", "-o", "m.o", "--objs", "a.o", "--", "ld.lld"],
        &[
            "module", "-o", "m.o", "--objs", "a.o", "--jobs", "0", "--", "x",
        ],
        &[
            "module", "-o", "m.o", "--objs", "a.o", "--cache", "d", "--", "x",
        ],
    ] {
        let (code, stdout, _) = run(&dir, arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
    }
}

/// lld makes an empty file for native code before it finds that objects do not go together.
#[test]
fn a_failing_link_leaves_no_folder_of_code() {
    let empty =
        "for word; do case $word in --lto-obj-path=*) : > \"${word#*=}\" ;; esac; done; exit 1";
    for command in [
        &["module", "-o", "x.o", "--internalize"][..],
        &["module", "-o", "x.o", "--distributed"],
        &["thin-link", "-o", "x.o"],
        &["thin-link", "-o", "x.o", "--internalize", "--module"],
    ] {
        for lto in LTO {
            let is_full = lto == "-flto=full";
            if is_full && command != ["module", "-o", "x.o", "--internalize"] {
                continue;
            }
            let dir = TestDir::new();
            let source = "int g(int); int init_module(void) { return g(1); }";
            dir.c("a.o", source, &[ARM64, "-O2", lto]);
            // Only native code is joined.
            let native = ["a.native.o", "b.native.o"];
            dir.c(native[0], source, &[ARM64, "-O2"]);
            dir.c("b.o", "int g(int x) { return x; }", &[ARM64, "-O2", lto]);
            dir.c(native[1], "int g(int x) { return x; }", &[ARM64, "-O2"]);
            fake_linker(&dir, empty);
            let objects = ["--objs", "a.o", "b.o", "--", "sh", "fake-ld"];
            let (code, _, errors) = run(&dir, &[command, &objects].concat());
            assert_eq!(code, Some(1), "{command:?} {lto}: {errors}");
            let paths = LinkPaths::new(Path::new("x.o"));
            for folder in [paths.code_dir(), paths.index_dir()] {
                let left = dir.join(&folder).exists();
                assert!(!left, "{command:?} {lto}: {}", folder.display());
            }
        }
    }
}

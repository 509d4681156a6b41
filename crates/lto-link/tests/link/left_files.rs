// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The files that links leave: `LinkPaths` names them all, and `make clean` removes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use globset::Glob;
use lto_link::LinkPaths;
use test_support::{ARM64, TestDir};

use crate::distributed::{generate, object};
use crate::support::{fake_linker, files, ld_lld, link, run};

const CLEAN: &str = include_str!("../../../../kconfig/lto-link/Makefile.clean");

/// Patterns by which the kernel's own `make clean` removes files. Source: its Makefile since 5.10.
const OF_KERNEL: [&str; 2] = ["*.[aios]", ".tmp_*.o.*"];

/// Patterns of files of modversions and this plugin's Makefiles, which lto-link does not write.
const OF_OTHERS: [&str; 7] = [
    "*.o.symversions",
    ".*.o.lto-native",
    ".lto-flags",
    ".lto-codegen",
    ".lto-launched",
    ".lto-compiler",
    ".lto-exports",
];

/// Returns every file of the link with its bitcode object `object`.
fn all_files(paths: LinkPaths, object: &Path) -> Vec<PathBuf> {
    vec![
        paths.output().to_owned(),
        paths.inputs(),
        paths.usage(),
        paths.names(),
        paths.roots(),
        paths.dropped(),
        paths.initcalls(),
        paths.symversions(),
        paths.codegen_list(),
        paths.completion(),
        paths.generated_roots(),
        paths.unfinished(),
        paths.response(),
        paths.lock(),
        paths.slot(),
        paths.trial(),
        paths.native(object),
        paths.index(object),
        paths.imports(object),
    ]
}

fn all_folders(paths: LinkPaths) -> [PathBuf; 3] {
    [paths.code_dir(), paths.index_dir(), paths.actions_dir()]
}

/// Returns the names in `Makefile.clean` that are removed with `-type KIND`.
fn patterns(kind: &str) -> Vec<&'static str> {
    let end = CLEAN.find(&format!("-type {kind}")).expect("such a find");
    let start = CLEAN[..end].rfind("@find").expect("a find");
    let words: Vec<&str> = CLEAN[start..end].split_whitespace().collect();
    let names = words.windows(2).filter(|pair| pair[0] == "-name");
    names.map(|pair| pair[1].trim_matches('\'')).collect()
}

fn matches(pattern: &str, path: &Path) -> bool {
    let glob = Glob::new(pattern).expect("a pattern").compile_matcher();
    glob.is_match(path.file_name().expect("a file name"))
}

#[test]
fn make_clean_knows_every_file_and_no_other() {
    let object = PathBuf::from("lib/crc32.o");
    let shared = [object.clone()];
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for output in ["vmlinux.o", "fs/ext4/ext4.o"] {
        for shared in [&shared[..], &[]] {
            let paths = LinkPaths::with_shared(Path::new(output), shared);
            files.extend(all_files(paths, &object));
            folders.extend(all_folders(paths));
        }
    }
    for (kind, paths, of_kernel) in [("f", &files, &OF_KERNEL[..]), ("d", &folders, &[])] {
        let ours = patterns(kind);
        for path in paths {
            let mut all = ours.iter().chain(of_kernel);
            let is_known = all.any(|pattern| matches(pattern, path));
            assert!(is_known, "{} stays after make clean", path.display());
        }
        let is_used = |pattern: &str| {
            OF_OTHERS.contains(&pattern) || paths.iter().any(|path| matches(pattern, path))
        };
        let unused: Vec<_> = ours.into_iter().filter(|name| !is_used(name)).collect();
        assert_eq!(unused, [""; 0], "no link leaves such files");
    }
}

/// Checks that `LinkPaths` names all files in `dir` besides `before`.
fn check_named(dir: &TestDir, before: &[String], what: &str) {
    let paths = LinkPaths::new(Path::new("x.o"));
    let mut named: BTreeSet<PathBuf> = all_folders(paths).into();
    for object in ["a.o", "b.o"] {
        named.extend(all_files(paths, Path::new(object)));
    }
    let left = files(dir.path());
    let unnamed = left
        .iter()
        .filter(|name| !before.contains(name) && !named.contains(Path::new(name)));
    assert_eq!(unnamed.collect::<Vec<_>>(), [""; 0], "{what}");
}

/// The linker succeeds, fails, or kills the process that waits for it.
#[test]
fn links_leave_only_files_that_have_names() {
    let entry = "int g(int); int init_module(void) { return g(1); }";
    for before in ["", "exit 1", "kill -9 $PPID"] {
        let dir = TestDir::new();
        object(&dir, ARM64, "a.o", entry);
        object(&dir, ARM64, "b.o", "int g(int x) { return x * 3; }");
        fake_linker(&dir, before);
        let first = files(dir.path());
        for command in [
            &["module", "-o", "x.o"][..],
            &["module", "-o", "x.o", "--internalize"],
            &["thin-link", "-o", "x.o"],
            &["thin-link", "-o", "x.o", "--internalize", "--module"],
        ] {
            let objects = ["--objs", "a.o", "b.o", "--", "sh", "fake-ld"];
            let (code, _, _) = run(&dir, &[command, &objects].concat());
            let expected = match before {
                "" => Some(0),
                "exit 1" => Some(1),
                _ => None,
            };
            assert_eq!(code, expected, "{before} {command:?}");
            check_named(&dir, &first, &format!("{before} {command:?}"));
        }
    }
    let dir = TestDir::new();
    object(&dir, ARM64, "a.o", entry);
    object(&dir, ARM64, "b.o", "int g(int x) { return x * 3; }");
    let first = files(dir.path());
    let thin_link = ["thin-link", "-o", "x.o", "--internalize", "--module"];
    link(&dir, &[&thin_link[..], &["--objs", "a.o", "b.o"]].concat());
    generate(&dir, ARM64, "a.o");
    generate(&dir, ARM64, "b.o");
    let complete = [&thin_link[..], &["--complete", "--objs", "a.o", "b.o"]].concat();
    assert_eq!(link(&dir, &complete), "");
    let distributed = ["vmlinux", "-o", "x.o", "--distributed", "--objs", "a.o"];
    let linker = ld_lld();
    let (code, _, errors) = run(&dir, &[&distributed[..], &["b.o", "--", &linker]].concat());
    // A vmlinux without initcalls is an error.
    assert_eq!(code, Some(1), "{errors}");
    link(
        &dir,
        &[
            "module",
            "-o",
            "x.o",
            "--distributed",
            "--objs",
            "a.o",
            "b.o",
        ],
    );
    check_named(&dir, &first, "distributed");
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The cache of generated code whose keys are the digests of actions: it never gives code of other inputs, and a build
//! does not fail because of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use test_support::{TestDir, texts};

use crate::actions::{SOURCES, linked};
use crate::codegen::{clang, compile, kbuild, make_with};
use crate::support::{link, run, without_make};

/// The code of each object, by its name.
type Code = BTreeMap<String, Vec<u8>>;

const ALL_MISSED: &str = "  LAUNCH  0 remote, 0 cached, 4 local (4: not in the cache)\n";
const ALL_CACHED: &str = "  LAUNCH  0 remote, 4 cached, 0 local\n";

fn code(dir: &TestDir) -> Code {
    let names = SOURCES.iter().map(|(name, _)| (*name).to_owned());
    names
        .map(|name| {
            let code = fs::read(dir.join(format!("{name}.native.o"))).unwrap_or_default();
            (name, code)
        })
        .collect()
}

/// The argument of make that names this cache.
fn named(cache: &TestDir) -> String {
    format!("LTO_LAUNCHER=cache:{}", cache.path().display())
}

/// Removes the native `objects`, and generates code again with these variables of make. Returns the messages, and the
/// line for the end.
fn make_again(dir: &TestDir, objects: &[&str], variables: &[&str]) -> (String, String) {
    make_again_by(dir, &clang(), objects, variables)
}

fn make_again_by(
    dir: &TestDir,
    cc: &str,
    objects: &[&str],
    variables: &[&str],
) -> (String, String) {
    for name in objects {
        fs::remove_file(dir.join(format!("{name}.native.o"))).expect("generated");
    }
    let _ = fs::remove_file(dir.join("record"));
    let variables = [&["LTO_LAUNCHED=record"], variables].concat();
    let (code, stderr) = make_with(dir, cc, &variables);
    assert_eq!(code, Some(0), "{variables:?}: {stderr}");
    let (code, line, _) = run(dir, &["launched", "record"]);
    assert_eq!(code, Some(0));
    (stderr, line)
}

/// Generates the code of all of [`SOURCES`] again; returns the line for the end.
fn again(dir: &TestDir, variables: &[&str]) -> String {
    let (stderr, line) = make_again(dir, &SOURCES.map(|(name, _)| name), variables);
    assert_eq!(stderr, "", "{variables:?}");
    line
}

/// Returns the files of the cache, without state and counters.
fn entries(cache: &TestDir) -> BTreeMap<String, PathBuf> {
    let mut entries = BTreeMap::new();
    for folder in fs::read_dir(cache.path()).expect("a cache") {
        let folder = folder.expect("an entry").path();
        if folder.is_dir() {
            for file in fs::read_dir(&folder).expect("a folder") {
                let file = file.expect("an entry").path();
                let name = file.file_name().expect("a name").display().to_string();
                entries.insert(name, file);
            }
        }
    }
    entries
}

/// Returns what `lto-link cache status` prints.
fn status(dir: &TestDir, cache: &TestDir) -> Value {
    let place = cache.path().display().to_string();
    let arguments = ["cache", "status", "--dir", &place, "--format", "json"];
    let (code, stdout, stderr) = run(dir, &arguments);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&stdout).expect("JSON")
}

#[test]
fn another_directory_takes_the_code_by_the_digests_of_its_actions() {
    let cache = TestDir::new();
    let [one, two] = [linked(""), linked("")];
    let local = code(&one);
    assert_eq!(again(&one, &[&named(&cache)]), ALL_MISSED);
    assert!(code(&one) == local);
    assert_eq!(again(&two, &[&named(&cache)]), ALL_CACHED);
    assert!(code(&two) == local);
    let (_, listed, _) = run(&two, &["actions", "-o", "all.o", "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let actions = listed["actions"].as_array().expect("actions").iter();
    let digests = actions.map(|action| action["digest"]["hash"].as_str().expect("text").to_owned());
    let keys: BTreeSet<String> = entries(&cache).into_keys().collect();
    assert_eq!(keys, digests.collect());

    let numbers = status(&two, &cache);
    for (name, expected) in [("entries", 4), ("hits", 4), ("misses", 4)] {
        assert_eq!(numbers[name], expected, "{name}");
    }
    let sizes = entries(&cache).into_values();
    let sizes = sizes.map(|path| fs::metadata(path).expect("a file").len());
    assert_eq!(numbers["size_bytes"], sizes.sum::<u64>());
    assert_eq!(numbers["limit_bytes"], 5_u64 << 30);

    // Other flags are another action.
    let other = linked("-O1");
    assert_eq!(again(&other, &[&named(&cache)]), ALL_MISSED);

    let place = cache.path().display().to_string();
    let (code, stdout, stderr) = run(&two, &["cache", "status", "--dir", &place]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let end = "of 5120.0 MiB\nentries    8\nhits       4 (33 %)\nmisses     8\n";
    assert!(stdout.ends_with(end), "{stdout}");
    let (code, _, stderr) = run(&two, &["cache", "clear", "--dir", &place]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let numbers = status(&two, &cache);
    for name in ["size_bytes", "entries", "hits", "misses"] {
        assert_eq!(numbers[name], 0, "{name}");
    }
    assert_eq!(again(&two, &[&named(&cache)]), ALL_MISSED);
}

/// Each damage is that of one entry, by its place in the list: the others are taken.
#[test]
fn a_damaged_entry_is_made_again() {
    type Damage = fn(&mut Vec<u8>);
    let cache = TestDir::new();
    let dir = linked("");
    let local = code(&dir);
    again(&dir, &[&named(&cache)]);
    let damages: [(&str, Damage); 4] = [
        ("truncated", |bytes| bytes.truncate(bytes.len() - 1)),
        ("changed", |bytes| *bytes.last_mut().expect("bytes") ^= 1),
        ("empty", Vec::clear),
        ("longer", |bytes| bytes.push(0)),
    ];
    for ((what, damage), path) in damages.into_iter().zip(entries(&cache).into_values()) {
        let mut bytes = fs::read(&path).expect("an entry");
        damage(&mut bytes);
        fs::write(&path, bytes).expect("written");
        let line = again(&dir, &[&named(&cache)]);
        let expected = "  LAUNCH  0 remote, 3 cached, 1 local (1: the cache had a damaged entry)\n";
        assert_eq!(line, expected, "{what}");
        assert!(code(&dir) == local, "{what}");
        assert_eq!(again(&dir, &[&named(&cache)]), ALL_CACHED, "{what}");
    }
    // An entry under another key is not the code of that key.
    let paths: Vec<PathBuf> = entries(&cache).into_values().collect();
    fs::copy(&paths[0], &paths[1]).expect("copied");
    let line = again(&dir, &[&named(&cache)]);
    assert!(line.contains("3 cached, 1 local"), "{line}");
    assert!(code(&dir) == local);
}

/// A limit of the size of files stands for a full disk: the object just fits, and the entry does not.
#[test]
fn a_full_disk_costs_only_the_entry() {
    let cache = TestDir::new();
    let dir = linked("");
    let local = dir.read("a.native.o");
    let launch = |limit: usize| {
        fs::remove_file(dir.join("a.native.o")).expect("generated");
        let _ = fs::remove_file(dir.join("record"));
        let mut launch = Command::new("prlimit");
        without_make(&mut launch);
        launch
            .current_dir(dir.path())
            .env("LTO_LAUNCHER", format!("cache:{}", cache.path().display()))
            .env("LTO_LAUNCHED", "record")
            .arg(format!("--fsize={limit}"))
            .args([env!("CARGO_BIN_EXE_lto-link"), "launch", "--", &clang()])
            .args(
                "--target=aarch64-linux-gnu -O2 -flto=thin -fvisibility=hidden -fno-lto".split(' '),
            )
            .args("-fthinlto-index=a.o.thinlto.bc -c -o a.native.o -x ir a.o".split(' '));
        let (code, stdout, stderr) = texts(test_support::output(&mut launch));
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
        assert!(dir.read("a.native.o") == local);
        dir.read_text("record")
    };
    let full = "local not in the cache, and not kept: File too large (os error 27)\n";
    assert_eq!(launch(local.len()), full);
    assert_eq!(entries(&cache), BTreeMap::new());
    assert_eq!(launch(local.len() + 4000), "local not in the cache\n");
    assert_eq!(launch(local.len()), "cached\n");
}

#[test]
fn a_cache_that_cannot_be_used_changes_nothing() {
    let dir = linked("");
    let local = code(&dir);
    let file = dir.write("file", "");
    dir.write("script", "exec \"$@\"\n");
    let of_file = format!("LTO_LAUNCHER=cache:{}", file.display());
    for (variables, reason) in [
        (
            vec![of_file.as_str()],
            "not in the cache, and not kept: Not a directory (os error 20)",
        ),
        (
            vec!["LTO_LAUNCHER=cache:relative"],
            "relative: the directory of the cache must be an absolute path",
        ),
        (
            vec!["LTO_LAUNCHER=cache", "HOME=", "XDG_CACHE_HOME="],
            "neither XDG_CACHE_HOME nor HOME says where the cache is",
        ),
        (
            vec![of_file.as_str(), "CCC_OVERRIDE_OPTIONS=# x-no-such-option"],
            "CCC_OVERRIDE_OPTIONS is set, which changes clang's options",
        ),
    ] {
        let line = again(&dir, &variables);
        let expected = format!("  LAUNCH  0 remote, 0 cached, 4 local (4: {reason}");
        assert!(line.starts_with(&expected), "{variables:?}: {line}");
        assert!(code(&dir) == local, "{variables:?}");
    }
    assert!(!dir.join("relative").exists());
    let cache = TestDir::new();
    let size = ["LTO_LAUNCHER=cache", "LTO_CACHE_SIZE=much"];
    fs::remove_file(dir.join("a.native.o")).expect("generated");
    let (code, stderr) = make_with(&dir, &clang(), &size);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("LTO_CACHE_SIZE: much is no size"),
        "{stderr}"
    );
    assert_eq!(
        make_with(&dir, &clang(), &[&named(&cache)]),
        (Some(0), String::new())
    );
}

/// Nobody knows what a program does before it runs clang; ccache in front of clang is known.
#[test]
fn a_program_that_only_runs_clang_is_no_key() {
    let cache = TestDir::new();
    let dir = linked("");
    let local = code(&dir);
    let names = SOURCES.map(|(name, _)| name);
    let clang = clang();
    dir.write("script", format!("#!/bin/sh\nexec {clang} \"$@\"\n"));
    // Another process writes the program: a file that this one has open for writing cannot be run.
    let mut copy = Command::new("install");
    let copy = copy.current_dir(dir.path());
    test_support::stdout(copy.args(["-m", "755", "script", "clang"]));
    let (_, line) = make_again_by(&dir, "./clang", &names, &[&named(&cache)]);
    assert!(line.contains("4 local (4: "), "{line}");
    assert!(line.contains("clang is not clang, but runs it"), "{line}");
    assert!(code(&dir) == local);
    assert_eq!(entries(&cache), BTreeMap::new());
    // The words in front of the compiler do not decide what the code is.
    let (_, line) = make_again_by(&dir, &format!("nice {clang}"), &names, &[&named(&cache)]);
    assert_eq!(line, ALL_MISSED);
    assert_eq!(again(&dir, &[&named(&cache)]), ALL_CACHED);
}

/// The assembler reads the file when code is generated, so the object and its index do not decide alone what the code is.
/// `user` imports the function whose assembly includes the file.
#[test]
fn code_with_a_file_that_assembly_includes_is_not_kept() {
    let cache = TestDir::new();
    let dir = kbuild();
    dir.write("blob", "1");
    dir.write("macros.s", "nop\n");
    let names = ["module", "user", "small"];
    for (name, source) in [
        (
            "module",
            "asm(\".data\\n.incbin \\\"blob\\\"\\n\"); int module;",
        ),
        ("user", "void small(void); void user(void) { small(); }"),
        (
            "small",
            "void small(void) { asm volatile(\".include \\\"macros.s\\\"\"); }",
        ),
    ] {
        compile(&dir, name, "", source);
    }
    let arguments = [
        "thin-link",
        "-o",
        "all.o",
        "--objs",
        "module.o",
        "user.o",
        "small.o",
    ];
    link(&dir, &arguments);
    assert_eq!(dir.read_text("user.o.imports"), "small.o\n");
    let all = |dir: &TestDir| names.map(|name| dir.read(format!("{name}.native.o")));
    let make = |removed: &[&str]| make_again(&dir, removed, &[&named(&cache)]).1;
    let expected = "  LAUNCH  0 remote, 0 cached, 3 local (2: not in the cache, and not kept: assembly includes a file \
                    (.include); 1: not in the cache, and not kept: assembly includes a file (.incbin))\n";
    assert_eq!(make(&[]), expected);
    let first = all(&dir);
    dir.write("blob", "2");
    dir.write("macros.s", "nop\nnop\n");
    assert_eq!(make(&names), expected);
    for ((name, one), two) in names.iter().zip(first).zip(all(&dir)) {
        assert!(one != two, "{name}");
    }
    assert_eq!(entries(&cache), BTreeMap::new());
}

/// A file that an option names is read whenever code is generated.
#[test]
fn an_option_with_another_file_is_no_key() {
    let cache = TestDir::new();
    let dir = linked("");
    dir.write("list", "");
    let flags = "LTO_CODEGEN_FLAGS=-fsanitize-system-ignorelist=list";
    let line = again(&dir, &[&named(&cache), flags]);
    assert!(
        line.contains("4 local (4: an argument names list, which is no input of an action)"),
        "{line}"
    );
}

#[test]
fn warnings_are_shown_again() {
    let cache = TestDir::new();
    let dir = kbuild();
    let source = "void use(char *); void user(void) { char large[999]; use(large); }";
    compile(&dir, "user", "-Wframe-larger-than=9", source);
    link(&dir, &["thin-link", "-o", "all.o", "--objs", "user.o"]);
    let (first, line) = make_again(&dir, &[], &[&named(&cache)]);
    assert!(line.contains("1 local (1: not in the cache)"), "{line}");
    assert!(first.contains("stack frame size"), "{first}");
    let (second, line) = make_again(&dir, &["user"], &[&named(&cache)]);
    assert!(line.contains("1 cached, 0 local"), "{line}");
    assert_eq!(second, first);
}

/// The limit has room for three of the four entries.
#[test]
fn the_size_is_bounded() {
    let cache = TestDir::new();
    let dir = linked("");
    again(&dir, &[&named(&cache)]);
    let total = status(&dir, &cache)["size_bytes"]
        .as_u64()
        .expect("a number");
    let place = cache.path().display().to_string();
    run(&dir, &["cache", "clear", "--dir", &place]);
    let limit = total * 7 / 8;
    let size = format!("LTO_CACHE_SIZE={limit}");
    let local = code(&dir);
    for _ in 0..3 {
        again(&dir, &[&named(&cache), &size]);
        assert!(code(&dir) == local);
        let numbers = status(&dir, &cache);
        let bytes = numbers["size_bytes"].as_u64().expect("a number");
        assert!(bytes > 0 && bytes <= limit, "{numbers}");
        assert_eq!(numbers["limit_bytes"], limit);
    }
}

/// Two directories have the same keys, and write them at the same time.
#[test]
fn several_builds_at_once_get_the_same_code() {
    let cache = TestDir::new();
    let dirs = [linked(""), linked("")];
    let local = code(&dirs[0]);
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for dir in &dirs {
                scope.spawn(|| again(dir, &["-j4", &named(&cache)]));
            }
        });
        for dir in &dirs {
            assert!(code(dir) == local);
        }
    }
    assert_eq!(entries(&cache).len(), 4);
    assert_eq!(status(&dirs[0], &cache)["entries"], 4);
    assert_eq!(again(&dirs[0], &[&named(&cache)]), ALL_CACHED);
}

/// Code that the cache does not have waits for the slots of the make around it, as with any launcher.
#[test]
fn hits_need_no_slot() {
    let cache = TestDir::new();
    let dir = linked("");
    let variables = [&named(&cache), "-j1", "LTO_REMOTE_JOBS=8"];
    assert_eq!(again(&dir, &variables), ALL_MISSED);
    assert_eq!(again(&dir, &variables), ALL_CACHED);
}

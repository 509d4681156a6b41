// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Estimates before a link: the line, the refusal, and the command that prints them.

use std::process::Command;

use test_support::{ARM64, TestDir};

use crate::support::{fake_linker, lto_link, without_make};

/// A link of one object.
const LINK: [&str; 5] = ["module", "-o", "m.o", "--objs", "a.o"];
/// A linker that fails, and leaves a file that says that it ran.
const LINKER: [&str; 3] = ["--", "sh", "fake-ld"];
/// A list with so many objects that their link takes minutes. It names one object again and again.
const MANY: [&str; 5] = ["module", "-o", "m.o", "--objs", "@many"];

fn object() -> TestDir {
    let dir = TestDir::new();
    dir.c(
        "a.o",
        "int f(int a) { return a + 1; }",
        &[ARM64, "-flto=thin"],
    );
    dir.write("many", "a.o\n".repeat(8000));
    fake_linker(&dir, "touch ran");
    dir
}

/// Runs a link with `LTO_MEMORY`, and returns exit code, standard output and standard error.
fn link(dir: &TestDir, arguments: &[&str], memory: &str) -> (Option<i32>, String, String) {
    let mut command = lto_link(dir, &[arguments, &LINKER[..]].concat());
    test_support::texts(test_support::output(command.env("LTO_MEMORY", memory)))
}

#[test]
fn without_enough_memory_the_linker_does_not_run() {
    let dir = object();
    dir.write("m.o", "old");
    let (code, _, stderr) = link(&dir, &LINK, "1M");
    assert_eq!(code, Some(1), "{stderr}");
    for part in [
        "m.o: thin LTO needs about ",
        " of memory, and 1 MiB are free by LTO_MEMORY",
        "or more memory; LTO_MEMORY=any on make's command line links all the same",
    ] {
        assert!(stderr.contains(part), "{stderr}");
    }
    assert!(!dir.join("ran").exists() && dir.read("m.o") == b"old");
    // The way to go on, an amount that is enough, and the memory of this machine.
    for memory in ["any", "900G", ""] {
        assert_eq!(link(&dir, &LINK, memory).0, Some(0), "{memory}");
        assert!(dir.join("ran").exists(), "{memory}");
        std::fs::remove_file(dir.join("ran")).unwrap();
    }
}

#[test]
fn an_amount_that_cannot_be_read_is_named() {
    let dir = object();
    let (code, _, stderr) = link(&dir, &LINK, "lots");
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("LTO_MEMORY: expected an amount of memory such as 16G, or any, found lots"),
        "{stderr}"
    );
}

#[test]
fn the_variable_on_the_command_line_of_make_reaches_the_link() {
    let dir = object();
    let tool = env!("CARGO_BIN_EXE_lto-link");
    dir.write(
        "Makefile",
        format!("all:\n\t{tool} module -o m.o --objs a.o -- sh fake-ld\n"),
    );
    let make = |variable: &str| {
        let mut command = Command::new("make");
        without_make(&mut command);
        command.args(["-s", variable]).current_dir(dir.path());
        test_support::output(&mut command).status.success()
    };
    assert!(!make("LTO_MEMORY=1M") && make("LTO_MEMORY=any"));
}

#[test]
fn a_thin_link_and_a_join_are_checked_too() {
    let dir = object();
    let thin_link = ["thin-link", "-o", "m.o", "--objs", "a.o"];
    for arguments in [
        &thin_link[..],
        &["module", "-o", "m.o", "--distributed", "--objs", "a.o"],
    ] {
        let (code, _, stderr) = link(&dir, arguments, "1M");
        assert_eq!(code, Some(1), "{stderr}");
        assert!(
            stderr.contains(" of memory, and 1 MiB are free"),
            "{stderr}"
        );
    }
    // Another program generates the code, perhaps elsewhere.
    let mut command = lto_link(&dir, &[&thin_link[..], &LINKER[..]].concat());
    command
        .env("LTO_MEMORY", "1M")
        .env("LTO_LAUNCHER", "ccache");
    let (_, _, stderr) = test_support::texts(test_support::output(&mut command));
    assert!(!stderr.contains(" of memory"), "{stderr}");
}

#[test]
fn a_long_link_is_announced_unless_make_is_silent() {
    let dir = object();
    let announced = |arguments: &[&str], quiet: &str| {
        let mut command = lto_link(&dir, &[arguments, &LINKER[..]].concat());
        // Without memory, the linker does not run.
        command.env("quiet", quiet).env("LTO_MEMORY", "1M");
        let (_, stdout, _) = test_support::texts(test_support::output(&mut command));
        stdout
    };
    let line = announced(&MANY, "quiet_");
    assert!(
        line.starts_with("  LTO     m.o: thin LTO takes about "),
        "{line}"
    );
    assert!(
        line.contains(" minutes (") && line.ends_with(" of memory\n"),
        "{line}"
    );
    assert_eq!(announced(&MANY, "silent_"), "");
    assert_eq!(announced(&LINK, "quiet_"), "");
}

#[test]
fn with_a_cache_only_objects_that_are_newer_than_the_last_link_count() {
    let dir = object();
    let mut arguments = MANY.to_vec();
    arguments.extend(["--cache", "cache", "--cache-policy", "prune_after=1h"]);
    // Without memory, the linker does not run.
    let announced = || !link(&dir, &arguments, "1M").1.is_empty();
    assert!(announced(), "the cache is missing");
    std::fs::create_dir_all(dir.join("cache")).unwrap();
    let record = dir.write(".m.o.lto-usage.json", "{}");
    let set = |path: &std::path::Path, seconds| {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(time).unwrap();
    };
    set(&dir.join("a.o"), 1_000_000);
    set(&record, 2_000_000);
    assert!(!announced(), "everything is in the cache");
    set(&dir.join("a.o"), 3_000_000);
    assert!(announced(), "the object has changed");
}

#[test]
fn the_command_prints_every_mode() {
    let dir = object();
    let estimate = |arguments: &[&str]| {
        let arguments = [&["estimate", "--jobs", "2"], arguments].concat();
        test_support::stdout(lto_link(&dir, &arguments).env("LTO_MEMORY", "3G"))
    };
    let text = estimate(&["--objs", "a.o"]);
    for part in [
        "\nthin LTO ",
        "\ndistributed thin LTO ",
        "\nfull LTO ",
        "free memory: 3.0 GiB by LTO_MEMORY",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let json = estimate(&["--objs", "a.o", "a.o", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["sizes"]["bitcode_objects"], 2);
    assert_eq!(json["sizes"]["functions"], 2);
    assert_eq!(json["free_bytes"], 3_u64 << 30);
    assert_eq!(json["modes"].as_array().map(Vec::len), Some(3));
    // Without --objs, the record of a link names the inputs.
    dir.write(".m.o.lto-inputs", "bitcode\ta.o\n");
    assert!(estimate(&["-o", "m.o"]).starts_with("bitcode: 1 objects, "));
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The commands that install: their output and their exit codes.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use test_support::TestDir;

/// Makes a tree with the files that every kernel tree has, and without any plugin's anchor.
fn kernel_tree() -> TestDir {
    let dir = TestDir::new();
    dir.write(
        "Makefile",
        "VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 262\nEXTRAVERSION = -x\n",
    );
    dir.write("Kconfig", "");
    dir.write(
        "arch/Kconfig",
        "config HAVE_ARCH_WITHIN_STACK_FRAME\n\tbool\n",
    );
    dir.write("scripts/Makefile.build", "");
    dir
}

fn xtask(arguments: &[&str], tree: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments)
        .arg("--tree")
        .arg(tree)
        .output()
        .expect("xtask runs")
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, said: &[&str]) {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in said {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// Returns the names of all files in a directory.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

#[test]
fn the_version_names_the_commit() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("--version")
        .output()
        .expect("xtask runs");
    let version = format!("kbuild-lto {} (commit ", env!("CARGO_PKG_VERSION"));
    assert_ends(&output, 0, &[&version]);
}

#[test]
fn what_is_no_kernel_tree_is_refused_by_every_command() {
    let dir = TestDir::new();
    for command in [
        &["install"][..],
        &["install", "--dry-run"],
        &["install", "--check"],
        &["uninstall"],
        &["status"],
        &[
            "series",
            "--author",
            "A <a@example.org>",
            "--into",
            "/dev/null/no",
        ],
    ] {
        let output = xtask(command, dir.path());
        assert_ends(&output, 2, &["is not a kernel tree", "it has no Makefile"]);
    }
    assert!(files(dir.path()).is_empty());
}

#[test]
fn a_tree_that_the_plugins_do_not_know_is_refused_and_not_changed() {
    let dir = kernel_tree();
    let before = files(dir.path());
    for option in [
        &["install"][..],
        &["install", "--dry-run"],
        &["install", "--check"],
    ] {
        let output = xtask(option, dir.path());
        assert_ends(
            &output,
            2,
            &[
                "the tree was not changed",
                "lto-link: arch/Kconfig: the text that begins `config HAVE_ARCH_WITHIN_STACK_FRAMES` \
                 is not there; nearest is line 1, which has `config HAVE_ARCH_WITHIN_STACK_FRAME`",
                "lto-link: scripts/link-vmlinux.sh: the file to be edited is not there",
            ],
        );
    }
    assert_eq!(files(dir.path()), before);
}

#[test]
fn wrong_choices_of_plugins_are_named() {
    let dir = kernel_tree();
    let output = xtask(&["install", "--plugins", "lto-link,lto-lnk"], dir.path());
    assert_ends(
        &output,
        2,
        &["there is no plugin lto-lnk; there are lto-link, "],
    );
    let output = xtask(&["install", "--plugins", "modversions"], dir.path());
    assert_ends(
        &output,
        2,
        &["modversions requires lto-link: also name the plugins it requires"],
    );
    let output = xtask(&["install", "--dry-run", "--check"], dir.path());
    assert_ends(&output, 2, &["cannot be used with"]);
}

#[test]
fn an_llvm_that_is_not_there_is_named() {
    let dir = kernel_tree();
    let output = xtask(&["install", "--llvm", "/nowhere/bin"], dir.path());
    assert_ends(&output, 2, &["--llvm /nowhere/bin", "no clang"]);
}

#[test]
fn a_tree_without_plugins_has_a_status_and_nothing_to_uninstall() {
    let dir = kernel_tree();
    let output = xtask(&["status"], dir.path());
    assert_ends(&output, 0, &["linux 5.10.262-x", "installed: nothing"]);
    let output = xtask(&["status", "--format", "json"], dir.path());
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["kernel"], "5.10.262-x");
    assert_eq!(json["installed"], Value::Null);
    let output = xtask(&["uninstall"], dir.path());
    assert_ends(&output, 2, &["nothing is installed there"]);
}

/// Makes a tree with one edited and one new file, as after an install of another version.
fn installed_tree() -> TestDir {
    // The SHA-256 of nothing, of `new` and of `edited`.
    let [nothing, new, edited] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437",
        "1fb9f4097256db2d7b1e13aff79cee44339891a31c556b9cf6093885773b3618",
    ];
    let dir = kernel_tree();
    dir.write("Kconfig", "edited");
    dir.write("scripts/lto/VERSION", "new");
    dir.write(format!("scripts/lto/.install/originals/{nothing}"), "");
    let manifest = format!(
        r#"{{"format": 1, "version": "0.0.9", "plugins": ["lto-link"],
        "edited": {{"Kconfig": {{"original": {{"sha256": "{nothing}", "mode": 420,
            "modified": {{"seconds": 1, "nanoseconds": 2}}}},
            "installed": "{edited}", "plugins": ["lto-link"]}}}},
        "created": {{"scripts/lto/VERSION": {{"installed": "{new}", "plugins": ["lto-link"]}}}},
        "directories": ["scripts/lto"]}}"#
    );
    dir.write("scripts/lto/.install/manifest.json", &manifest);
    dir
}

#[test]
fn the_status_fails_where_installed_files_were_changed() {
    let dir = installed_tree();
    let output = xtask(&["status"], dir.path());
    assert_ends(
        &output,
        0,
        &["version: 0.0.9", "plugin: lto-link", "edited: Kconfig"],
    );
    dir.write("Kconfig", "mine");
    let output = xtask(&["status"], dir.path());
    assert_ends(
        &output,
        1,
        &["CHANGED since the install: Kconfig", "1 installed files"],
    );
    let output = xtask(&["status", "--format", "json"], dir.path());
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["installed"]["changed"][0], "Kconfig");
}

#[test]
fn an_uninstall_asks_before_it_overwrites_changes() {
    let dir = installed_tree();
    dir.write("Kconfig", "mine");
    let output = xtask(&["uninstall"], dir.path());
    assert_ends(
        &output,
        2,
        &["Kconfig was changed after the install", "--discard-changes"],
    );
    assert_eq!(fs::read(dir.path().join("Kconfig")).unwrap(), b"mine");
    let output = xtask(&["uninstall", "--discard-changes"], dir.path());
    assert_ends(
        &output,
        0,
        &[
            "these changes are given up",
            "\n+mine",
            "1 files restored, 1 removed",
        ],
    );
    assert_eq!(fs::read(dir.path().join("Kconfig")).unwrap(), b"");
    assert!(!dir.path().join("scripts/lto").exists());
}

/// A full disk behind standard output is told; the exit code is that of the work.
#[test]
fn work_that_is_done_is_done_though_nobody_can_be_told() {
    let dir = installed_tree();
    let run = |command: &str| {
        let full = File::options().write(true).open("/dev/full");
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.args([command, "--tree"]).arg(dir.path());
        let output = xtask
            .stdout(full.expect("this test needs /dev/full"))
            .output();
        output.expect("xtask runs")
    };
    // It has nothing to say but the answer.
    assert_ends(&run("status"), 2, &["standard output cannot be written"]);
    assert_ends(
        &run("uninstall"),
        0,
        &["the work is done, but the result could not be printed: "],
    );
    assert!(!dir.path().join("scripts/lto").exists());
}

#[test]
fn an_interrupted_command_is_finished_by_the_next_and_only_told_of_by_a_look() {
    let dir = installed_tree();
    let record = "scripts/lto/.install";
    // An uninstall that is decided on but has changed nothing yet.
    let manifest = format!("{record}/manifest.json");
    let staged = fs::read(dir.path().join(&manifest)).unwrap();
    let hash = |path: &str| {
        let output = Command::new("sha256sum")
            .arg(dir.path().join(path))
            .output();
        let text = String::from_utf8(output.expect("sha256sum").stdout).unwrap();
        text[..64].to_owned()
    };
    let original = files(&dir.path().join(record).join("originals"));
    let [original] = &original[..] else {
        panic!("{original:?}")
    };
    let original = original
        .strip_prefix(&format!("{}/", dir.path().display()))
        .unwrap();
    let steps = ["scripts/lto/VERSION", original, &manifest].map(|path| {
        format!(
            r#"{{"path": "{path}", "old": "{}", "new": null}}"#,
            hash(path)
        )
    });
    let journal = format!(
        r#"{{"format": 1, "command": "uninstall", "direction": "forward",
        "steps": [{}], "made_directories": [], "dropped_directories": []}}"#,
        steps.join(", ")
    );
    dir.write(format!("{record}/old/0"), "new");
    dir.write(format!("{record}/old/1"), "");
    fs::write(dir.path().join(record).join("old/2"), staged).unwrap();
    dir.write(format!("{record}/journal"), &journal);

    for option in ["--dry-run", "--check"] {
        let output = xtask(&["install", option], dir.path());
        assert_ends(&output, 2, &["was interrupted; `cargo xtask status --tree"]);
    }
    assert!(dir.path().join(record).join("journal").exists());
    let output = xtask(&["status"], dir.path());
    assert_ends(
        &output,
        0,
        &["finished an interrupted uninstall", "installed: nothing"],
    );
    assert!(!dir.path().join("scripts/lto/VERSION").exists());
    assert!(!dir.path().join(record).join("journal").exists());
}

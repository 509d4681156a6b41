// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Code generation by a launcher: whatever it does, the code is the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use test_support::{KERNEL_TARGETS, TestDir};

use crate::actions::{SOURCES, linked};
use crate::codegen::{clang, make_with};
use crate::support::run;

/// A launcher in shell. Its arguments end with `--`, and the command of code generation follows.
const FARM: &str = "while [ \"$1\" != -- ]; do echo \"$1\" >> said; shift; done; shift\n";

/// Returns the native objects and the saved commands.
fn made(dir: &TestDir) -> BTreeMap<String, (Vec<u8>, String)> {
    let names = SOURCES.iter().map(|(name, _)| {
        let (folder, file) = name.rsplit_once('/').unwrap_or((".", name));
        let code = fs::read(dir.join(format!("{name}.native.o"))).unwrap_or_default();
        let command = fs::read_to_string(dir.join(format!("{folder}/.{file}.native.o.cmd")));
        ((*name).to_owned(), (code, command.unwrap_or_default()))
    });
    names.collect()
}

fn forget(dir: &TestDir) {
    for (name, _) in SOURCES {
        fs::remove_file(dir.join(format!("{name}.native.o"))).expect("generated");
    }
    let _ = fs::remove_file(dir.join("record"));
}

/// Generates all code again with these variables of make. Returns the messages, and the line for the end.
fn again(dir: &TestDir, cc: &str, variables: &[&str]) -> (String, String) {
    forget(dir);
    let variables = [&["LTO_LAUNCHED=record"], variables].concat();
    let (code, stderr) = make_with(dir, cc, &variables);
    assert_eq!(code, Some(0), "{variables:?}: {stderr}");
    (stderr, line(dir))
}

fn line(dir: &TestDir) -> String {
    let (code, stdout, stderr) = run(dir, &["launched", "record"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    stdout
}

#[test]
fn a_launcher_gets_the_inputs_and_generates_all_code() {
    let dir = linked("");
    let local = made(&dir);
    let clang = clang();
    dir.write("farm", format!("{FARM}shift\nexec {clang} \"$@\"\n"));
    let launcher = "LTO_LAUNCHER=sh farm --in={inputs} '--out of=a b' {output} --";
    // clang on this machine would fail.
    let (stderr, line) = again(&dir, "false", &[launcher]);
    assert_eq!(
        (stderr.as_str(), line.as_str()),
        ("", "  LAUNCH  4 remote, 0 cached, 0 local\n")
    );
    let code = |made: &BTreeMap<_, (Vec<u8>, String)>| {
        made.values()
            .map(|(code, _)| code.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(code(&made(&dir)), code(&local));
    let said = dir.read_text("said");
    let of_c =
        "--in=m/c.o\n--in=m/c.o.thinlto.bc\n--in=a.o\n--in=m/b.o\n--out of=a b\nm/c.native.o\n";
    let other_order = of_c.replace("a.o\n--in=m/b.o", "m/b.o\n--in=a.o");
    assert!(said.contains(of_c) || said.contains(&other_order), "{said}");
}

#[test]
fn a_launcher_that_does_not_work_changes_nothing() {
    let dir = linked("");
    let local = made(&dir);
    let clang = clang();
    dir.c("x86.o", "int x;", &[KERNEL_TARGETS[1]]);
    dir.write("partial", &local["m/c"].0[..900]);
    let farm = |what: &str| {
        dir.write("farm", format!("{FARM}{what}\n"));
        "LTO_LAUNCHER=sh farm {output} --"
    };
    let long = "LTO_LAUNCHER_TIMEOUT=1";
    for (launcher, reason) in [
        (
            "LTO_LAUNCHER=/no/such/farm",
            "/no/such/farm cannot be run: No such file or directory (os error 2)",
        ),
        ("LTO_LAUNCHER=false", "the launcher failed (exit status: 1)"),
        (
            "LTO_LAUNCHER='farm",
            "LTO_LAUNCHER is no command: its quotes do not end",
        ),
        ("LTO_LAUNCHER=true", "the launcher left no file"),
        (
            farm("echo wrong >&2; exit 3"),
            "the launcher failed (exit status: 3): wrong",
        ),
    ] {
        let (stderr, line) = again(&dir, &clang, &[launcher, long]);
        let expected = format!("  LAUNCH  0 remote, 0 cached, 4 local (4: {reason})\n");
        assert_eq!((stderr.as_str(), line), ("", expected), "{launcher}");
        assert!(made(&dir) == local, "{launcher}");
    }
    for (what, reason) in [
        (": > $(tail -n 1 said)", "left an empty file"),
        (
            "cp partial $(tail -n 1 said)",
            "left a file that is no whole object",
        ),
        (
            "cp a.o $(tail -n 1 said)",
            "left a file that is no native object",
        ),
        ("cp x86.o $(tail -n 1 said)", "left an object for"),
        ("sleep 60", "took longer than 1 s"),
    ] {
        let launcher = farm(what);
        let (stderr, line) = again(&dir, &clang, &[launcher, long]);
        assert_eq!(stderr, "", "{what}");
        let start = format!("  LAUNCH  0 remote, 0 cached, 4 local (4: the launcher {reason}");
        assert!(line.starts_with(&start), "{what}: {line}");
        assert!(made(&dir) == local, "{what}");
    }
}

/// The command that make saves is the same, so nothing is made again when a launcher is switched on or off.
#[test]
fn a_launcher_makes_nothing_again() {
    let dir = linked("");
    let local = made(&dir);
    let clang = clang();
    let variables = ["LTO_LAUNCHER=false", "LTO_LAUNCHED=record"];
    assert_eq!(
        make_with(&dir, &clang, &variables),
        (Some(0), String::new())
    );
    assert!(!dir.join("record").exists());
    assert_eq!(line(&dir), "  LAUNCH  0 remote, 0 cached, 0 local\n");
    assert!(made(&dir) == local);
    again(&dir, &clang, &variables[..1]);
    assert!(made(&dir) == local);
}

/// A compiler that fails here, after a launcher that failed, is told as without a launcher.
#[test]
fn the_failure_of_the_compiler_is_told() {
    let dir = linked("");
    forget(&dir);
    dir.write("cc", "echo wrong >&2; exit 7\n");
    let variables = ["LTO_LAUNCHER=false"];
    let (code, stderr) = make_with(&dir, "sh cc", &variables);
    assert_eq!(code, Some(2));
    let said = "wrong\n*** a.o: clang generated no code (exit code 7), see its message above.\n";
    assert!(stderr.starts_with(said), "{stderr}");
}

/// trexe is not needed for this: a script does what it and a server do.
#[test]
fn a_server_gets_exactly_the_inputs() {
    let dir = linked("-resource-dir folder");
    let local = made(&dir);
    let clang = PathBuf::from(clang());
    let bin = clang.parent().expect("a folder").display();
    let trexe = |how: &str| {
        let script = format!(
            "PATH={bin}:$PATH; dir=$(mktemp -d); echo \"$*\" >> asked\n\
             while :; do value=${{1#*=}}; case $1 in\n\
             --input-path=*) to=$dir/${{value#*:}}; mkdir -p $(dirname $to); cp -r ${{value%%:*}} $to;;\n\
             --output-path=*) out=$value; mkdir -p $dir/$(dirname $out);;\n\
             --d=*) d=$value;; --result-metadata-file=*) meta=$value;; --action-result-json=*) result=$value;;\n\
             --*) ;; *) break;; esac; shift; done\n\
             (cd $dir; \"$@\") || exit\n\
             mkdir -p $d/$(dirname $out); mv $dir/$out $d/$out; rm -r $dir; cached=false\n\
             set -- $(sha256sum $d/$out) $(wc -c < $d/$out)\n{how}\n\
             echo '{{\"actionResultMetadata\":{{\"exitCode\":0,\"cachedResult\":'$cached'}}}}' > $meta\n\
             echo '{{\"outputFiles\":[{{\"digest\":{{\"hash\":\"'$1'\",\"sizeBytes\":\"'$3'\"}}}}]}}' > $result\n"
        );
        dir.write("trexe", script);
    };
    let variables = ["LTO_LAUNCHER=remote:farm:50051", "LTO_TREXE=sh trexe"];
    for (how, said) in [
        ("", "4 remote, 0 cached, 0 local\n"),
        ("cached=true", "0 remote, 4 cached, 0 local\n"),
        (
            "echo more >> $d/$out",
            "0 remote, 0 cached, 4 local (4: the launcher left a file with another digest than the server's \
             result)\n",
        ),
        (
            "exit 1",
            "0 remote, 0 cached, 4 local (4: the launcher failed (exit status: 1))\n",
        ),
    ] {
        trexe(how);
        let (stderr, line) = again(&dir, &clang.display().to_string(), &variables);
        assert_eq!(stderr, "", "{how}");
        assert_eq!(line, format!("  LAUNCH  {said}"), "{how}");
        assert!(made(&dir).values().eq(local.values()), "{how}");
    }
    let asked = dir.read_text("asked");
    assert!(
        asked.contains("--remote=http://farm:50051 --env=LTO_COMPILER="),
        "{asked}"
    );
    assert!(dir.join(".lto-compiler").exists());
    // Nobody listens: the real client fails, or is not installed.
    let (_, line) = again(
        &dir,
        &clang.display().to_string(),
        &["LTO_LAUNCHER=remote:127.0.0.1:1", "LTO_TREXE=false"],
    );
    assert!(line.contains("4 local"), "{line}");
}

/// ccache is not needed for this: a script writes its counters.
#[test]
fn ccache_says_what_it_had() {
    let dir = linked("");
    let local = made(&dir);
    let clang = clang();
    let counter = "case $* in *m/c.o) echo direct_cache_hit;; *a.o) echo unsupported_source_language;; \
                   *) echo cache_miss;; esac > \"$CCACHE_STATSLOG\"";
    dir.write("script", format!("#!/bin/sh\n{counter}\nexec \"$@\"\n"));
    // Another process writes the program: a file that this one has open for writing cannot be run.
    let mut copy = Command::new("install");
    test_support::stdout(
        copy.current_dir(dir.path())
            .args(["-m", "755", "script", "ccache"]),
    );
    let (stderr, line) = again(&dir, &clang, &["LTO_LAUNCHER=./ccache"]);
    assert_eq!(stderr, "");
    let expected = "  LAUNCH  0 remote, 1 cached, 3 local (2: not in ccache's cache; 1: this ccache refuses bitcode, \
                    4.14.2 takes it)\n";
    assert_eq!(line, expected);
    assert!(made(&dir) == local);
}

/// Each launcher waits until all of them run; with fewer jobs they would take too long.
#[test]
fn more_jobs_than_those_of_make_run_elsewhere() {
    let dir = linked("");
    let local = made(&dir);
    let clang = clang();
    dir.write("started/.keep", "");
    let wait =
        ": > started/$$\nwhile [ $(ls started | wc -l) -lt 4 ]; do sleep 0.05; done\nexec \"$@\"\n";
    dir.write("farm", format!("{FARM}{wait}"));
    let variables = ["-j2", "LTO_LAUNCHER=sh farm --", "LTO_REMOTE_JOBS=4"];
    let (stderr, line) = again(&dir, &clang, &variables);
    assert_eq!(
        (stderr.as_str(), line.as_str()),
        ("", "  LAUNCH  4 remote, 0 cached, 0 local\n")
    );
    assert!(made(&dir) == local);
    assert!(!dir.join(".tmp_all.o.slot").exists());
}

/// Code that is generated here after all waits for the slots of the make around it.
#[test]
fn code_that_is_generated_here_takes_the_slots_of_make() {
    let dir = linked("");
    let clang = clang();
    // The shell counts the names itself: another job may take its own away while `ls` looks.
    let busy = "mkdir $$.busy; printf '%s\\n' *.busy | wc -l >> busy; sleep 0.2; ";
    dir.write(
        "cc",
        format!("{busy}{clang} \"$@\"; code=$?; rmdir $$.busy; exit $code\n"),
    );
    for (jobs, most) in [("-j1", 1), ("-j3", 3)] {
        let _ = fs::remove_file(dir.join("busy"));
        let variables = [jobs, "LTO_LAUNCHER=false", "LTO_REMOTE_JOBS=8"];
        let (stderr, _) = again(&dir, "sh cc", &variables);
        assert_eq!(stderr, "");
        let busy = dir.read_text("busy");
        let counts = busy
            .lines()
            .map(|line| line.trim().parse::<usize>().expect("a number"));
        assert_eq!(counts.max(), Some(most), "{jobs}: {busy}");
    }
}

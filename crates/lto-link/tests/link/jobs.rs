// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Job slots: from a real make, and from a jobserver of the test.

use std::io::{Read as _, Write as _};
use std::process::Command;

use test_support::{ARM64, TestDir};

use crate::support::{fake_linker, ld_lld, logged, logging_linker, lto_link, run, without_make};

/// Makes an object to link, and a linker that logs its arguments.
fn object() -> TestDir {
    let dir = TestDir::new();
    dir.c("a.o", "int a;", &[ARM64, "-flto=thin"]);
    logging_linker(&dir);
    dir
}

const LINK: [&str; 7] = ["module", "-o", "m.o", "--objs", "a.o", "--jobs", "8"];
const LINKER: [&str; 3] = ["--", "sh", "fake-ld"];

/// Returns a Makefile line that runs `lto-link` with at most 8 jobs.
fn recipe(output: &str) -> String {
    let tool = env!("CARGO_BIN_EXE_lto-link");
    format!("\t+{tool} module -o {output} --objs a.o --jobs 8 -- sh fake-ld\n")
}

/// Runs make with `option` on `makefile`; it must succeed without missing tokens.
fn make(dir: &TestDir, option: &str, makefile: &str) {
    dir.write("Makefile", makefile);
    let mut command = Command::new("make");
    without_make(&mut command);
    command.args(["-s", option]).current_dir(dir.path());
    let output = test_support::output(&mut command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // At its end, make reports missing and surplus tokens on standard error.
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
}

#[test]
fn under_make_a_link_uses_the_slots_that_are_free() {
    for (option, jobs) in [("-j1", "1"), ("-j2", "2"), ("-j3", "3"), ("-j20", "8")] {
        let dir = object();
        make(&dir, option, &format!("all:\n{}", recipe("m.o")));
        assert_eq!(logged(&dir, "--thinlto-jobs"), [jobs], "{option}");
        // lld's other work also counts.
        assert_eq!(logged(&dir, "--threads"), [jobs], "{option}");
        let usage = dir.read_text(".m.o.lto-usage.json");
        assert!(usage.contains(&format!("\"jobs\":{jobs}")), "{usage}");
    }
}

#[test]
fn slots_are_given_back_for_the_next_recipe() {
    let dir = object();
    let (first, second) = (recipe("first.o"), recipe("second.o"));
    make(
        &dir,
        "-j2",
        &format!("second.o: first.o\n{second}\nfirst.o:\n{first}"),
    );
    assert_eq!(logged(&dir, "--thinlto-jobs"), ["2", "2"]);
}

#[test]
fn without_a_jobserver_a_link_has_the_one_slot_it_runs_in() {
    let dir = object();
    test_support::stdout(&mut lto_link(&dir, &[&LINK[..], &LINKER].concat()));
    // make closes the descriptors in a recipe that it does not count as a sub-make.
    for flags in [
        " -j8 --jobserver-auth=98,99",
        " -j8 --jobserver-auth=-2,-2",
        "-j",
        "n",
    ] {
        let mut command = lto_link(&dir, &[&LINK[..], &LINKER].concat());
        test_support::stdout(command.env("MAKEFLAGS", flags));
    }
    assert_eq!(logged(&dir, "--thinlto-jobs"), ["1"; 5]);
}

/// A jobserver in the named pipe `jobs` of a directory, with two tokens.
struct Server {
    pipe: std::fs::File,
}

impl Server {
    fn new(dir: &TestDir) -> Self {
        test_support::stdout(Command::new("mkfifo").arg(dir.join("jobs")));
        // Open for reading and writing, so that the pipe keeps its content.
        let mut options = std::fs::File::options();
        let mut pipe = options
            .read(true)
            .write(true)
            .open(dir.join("jobs"))
            .unwrap();
        pipe.write_all(b"++").unwrap();
        Self { pipe }
    }

    /// Takes all tokens, and returns how many there were.
    fn tokens(mut self) -> usize {
        self.pipe.write_all(b"E").unwrap();
        let mut count = 0;
        let mut byte = [0];
        loop {
            self.pipe.read_exact(&mut byte).unwrap();
            if byte == *b"E" {
                return count;
            }
            count += 1;
        }
    }
}

#[test]
fn every_form_in_which_make_names_its_jobserver_is_understood() {
    let form = |flags: &str, jobs: &str| {
        let dir = object();
        let server = Server::new(&dir);
        let tool = env!("CARGO_BIN_EXE_lto-link");
        let script = format!("exec 7<>jobs; exec {tool} \"$@\"");
        let mut command = Command::new("sh");
        without_make(&mut command);
        command
            .args(["-c", &script, "sh"])
            .args(LINK)
            .args(LINKER)
            .env(
                "MAKEFLAGS",
                flags.replace("DIR", &dir.path().display().to_string()),
            )
            .current_dir(dir.path());
        test_support::stdout(&mut command);
        assert_eq!(logged(&dir, "--thinlto-jobs"), [jobs], "{flags}");
        assert_eq!(server.tokens(), 2, "{flags}");
    };
    form(" -j3 --jobserver-auth=7,7", "3");
    form(" -j3 --jobserver-fds=7,7", "3");
    form(" -j3 --jobserver-auth=fifo:DIR/jobs", "3");
    // The last option counts, because a sub-make appends its own.
    form(" -j3 --jobserver-auth=98,99 --jobserver-auth=7,7", "3");
    form(" -j1", "1");
}

#[test]
fn slots_are_given_back_by_a_link_that_fails() {
    let dir = object();
    fake_linker(&dir, "exit 1");
    let server = Server::new(&dir);
    let mut command = lto_link(&dir, &[&LINK[..], &LINKER].concat());
    let flags = format!(" -j3 --jobserver-auth=fifo:{}", dir.join("jobs").display());
    let output = test_support::output(command.env("MAKEFLAGS", flags));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(server.tokens(), 2);
}

#[test]
fn jobs_bounds_what_is_taken() {
    for (bound, jobs) in [("1", "1"), ("2", "2"), ("3", "3"), ("4", "3")] {
        let dir = object();
        let server = Server::new(&dir);
        let arguments = [
            &["module", "-o", "m.o", "--objs", "a.o", "--jobs", bound][..],
            &LINKER,
        ]
        .concat();
        let flags = format!(" -j3 --jobserver-auth=fifo:{}", dir.join("jobs").display());
        test_support::stdout(lto_link(&dir, &arguments).env("MAKEFLAGS", flags));
        assert_eq!(logged(&dir, "--thinlto-jobs"), [jobs], "--jobs {bound}");
        assert_eq!(server.tokens(), 2);
    }
}

#[test]
fn a_link_never_takes_more_slots_than_there_are_cpus() {
    let dir = object();
    let server = Server::new(&dir);
    let arguments = [&["module", "-o", "m.o", "--objs", "a.o"][..], &LINKER].concat();
    let flags = format!(" -j3 --jobserver-auth=fifo:{}", dir.join("jobs").display());
    test_support::stdout(lto_link(&dir, &arguments).env("MAKEFLAGS", flags));
    let jobs = tool_io::cpus().get().min(3);
    assert_eq!(logged(&dir, "--thinlto-jobs"), [jobs.to_string()]);
    assert_eq!(server.tokens(), 2);
}

/// A link takes the slots that are free, and never waits for others.
#[test]
fn a_jobserver_without_free_slots_is_not_waited_for() {
    let dir = object();
    let mut server = Server::new(&dir);
    server.pipe.read_exact(&mut [0; 2]).unwrap();
    let flags = format!(" -j3 --jobserver-auth=fifo:{}", dir.join("jobs").display());
    let mut command = lto_link(&dir, &[&LINK[..], &LINKER].concat());
    test_support::stdout(command.env("MAKEFLAGS", flags));
    assert_eq!(logged(&dir, "--thinlto-jobs"), ["1"]);
    assert_eq!(server.tokens(), 0);
}

#[test]
fn the_number_of_jobs_does_not_change_the_output() {
    let dir = TestDir::new();
    let part = |n| {
        let next = (n + 1) % 4;
        format!("int f{next}(int); int f{n}(int x) {{ return x ? f{next}(x - 1) + {n} : 0; }}")
    };
    let names: Vec<_> = (0..4).map(|n| format!("f{n}.o")).collect();
    for (n, name) in (0..4).zip(&names) {
        dir.c(name, &part(n), &[ARM64, "-O2", "-flto=thin"]);
    }
    let outputs = ["0", "1", "7"].map(|tokens| {
        let mut server = Server::new(&dir);
        server.pipe.read_exact(&mut [0; 2]).unwrap();
        server
            .pipe
            .write_all(&b"+++++++"[..tokens.parse().unwrap()])
            .unwrap();
        let linker = ld_lld();
        let mut arguments = vec!["module", "-o", "m.o", "--jobs", "8", "--objs"];
        arguments.extend(names.iter().map(String::as_str));
        arguments.extend(["--", &linker]);
        let flags = format!(" -j8 --jobserver-auth=fifo:{}", dir.join("jobs").display());
        test_support::stdout(lto_link(&dir, &arguments).env("MAKEFLAGS", flags));
        std::fs::remove_file(dir.join("jobs")).unwrap();
        dir.read("m.o")
    });
    assert!(outputs[0] == outputs[1] && outputs[1] == outputs[2]);
}

#[test]
fn the_help_has_examples() {
    let dir = TestDir::new();
    let (code, stdout, _) = run(&dir, &["--help"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("lto-link vmlinux -o vmlinux.o"), "{stdout}");
    assert!(stdout.contains("Exit codes: 0"), "{stdout}");
}

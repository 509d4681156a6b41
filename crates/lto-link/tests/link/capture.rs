// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Failing links are saved, and fail in the same way when they are run from the saved files.

use std::process::Command;

use test_support::{ARM64, TestDir};

use crate::support::{LTO, export, files, initcall, ld_lld, link, run};

/// Makes a link of vmlinux.o that fails at its last object, with all kinds of files that a link
/// reads: thin and regular archives, libraries, scripts, a cache.
fn failing(lto: &str) -> TestDir {
    let dir = TestDir::new();
    let flags = [ARM64, "-O2", lto];
    dir.c("init/a.o", &initcall("a", 1, "fn", "6"), &flags);
    dir.c("lib/b.o", &export("api"), &flags);
    dir.write("lib/b.o.symversions", "__crc_api = 0x1;\n");
    dir.c("lib/c.o", "int clash(void) { return 1; }", &[ARM64]);
    dir.c("d.o", "int clash(void) { return 1; }", &flags);
    dir.archive("cDPrST", "init/built-in.a", &["init/a.o"]);
    dir.archive("cDPrST", "lib/built-in.a", &["lib/b.o"]);
    dir.archive("cr", "lib/regular.a", &["lib/c.o"]);
    dir
}

/// The arguments of that link, with the inputs before and after the last object.
const FAILING: [&str; 15] = [
    "vmlinux",
    "-o",
    "vmlinux.o",
    "--modversions",
    "--capture",
    "saved/here",
    "--cache",
    "cache",
    "--cache-policy",
    "cache_size_bytes=1g",
    "--objs",
    "init/built-in.a",
    "lib/built-in.a",
    "lib/regular.a",
    "d.o",
];

#[test]
fn a_failing_link_can_be_run_again_elsewhere() {
    for lto in LTO {
        let dir = failing(lto);
        let linker = ld_lld();
        let mut arguments = FAILING.to_vec();
        arguments.extend(["--", &linker, "-mllvm", "-import-instr-limit=5"]);
        let (code, _, stderr) = run(&dir, &arguments);
        assert_eq!(code, Some(1));
        let mut ours = stderr.lines().filter(|line| line.starts_with("lto-link"));
        assert_eq!(
            ours.next().unwrap(),
            format!(
                "lto-link: error: vmlinux.o: {linker} failed (exit status: 1); the link is saved with its \
                 inputs: saved/here/vmlinux.o.sh"
            )
        );
        assert_eq!(
            files(&dir.join("saved/here")),
            ["vmlinux.o.sh", "vmlinux.o.tar"]
        );

        // Run it in another directory, without the object tree.
        let elsewhere = TestDir::new();
        for name in ["vmlinux.o.sh", "vmlinux.o.tar"] {
            elsewhere.write(name, dir.read(format!("saved/here/{name}")));
        }
        drop(dir);
        let relink = |arguments: &[&str]| {
            let mut command = Command::new("sh");
            command
                .arg(elsewhere.join("vmlinux.o.sh"))
                .args(arguments)
                .env("LD", &linker);
            test_support::output(&mut command)
        };
        let output = relink(&[]);
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("duplicate symbol: clash"), "{stderr}");
        // Without its fault the link succeeds, so nothing else is missing.
        let output = relink(&["--allow-multiple-definition"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn the_script_can_be_executed() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = failing("-flto=thin");
    let linker = ld_lld();
    let mut arguments = FAILING.to_vec();
    arguments.extend(["--", &linker]);
    run(&dir, &arguments);
    let script = dir.join("saved/here/vmlinux.o.sh");
    let mode = script.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "{mode:o}");
}

#[test]
fn a_link_that_succeeds_leaves_nothing_to_run_again() {
    let dir = failing("-flto=thin");
    let arguments = &FAILING[..FAILING.len() - 1];
    link(&dir, arguments);
    assert_eq!(files(&dir.join("saved/here")), [""; 0]);
}

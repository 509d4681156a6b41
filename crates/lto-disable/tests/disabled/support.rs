// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Helpers for the tests of this crate.

use kernel_facts::KnownLto;
use lto_disable::{DisabledEntry, List};
use test_support::TestDir;

/// Makes a tree of empty files.
pub fn tree(files: &[&str]) -> TestDir {
    let dir = TestDir::new();
    for file in files {
        dir.write(file, "");
    }
    dir
}

/// Returns the entries of `list` resolved for `dir`.
pub fn resolve(list: &str, dir: &TestDir) -> Vec<DisabledEntry> {
    let list = List::parse(list).unwrap_or_else(|error| panic!("{error:?}"));
    list.resolve(dir.path(), &KnownLto::None).unwrap()
}

/// Returns the text of one entry of a list.
pub fn entry(kind: &str, pattern: &str) -> String {
    format!("[[disable]]\n{kind} = \"{pattern}\"\nreason = \"because of {pattern}\"\n")
}

/// Runs the tool; returns exit code, standard output and standard error.
pub fn run(dir: &TestDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    dir.run_tool(env!("CARGO_BIN_EXE_lto-disable"), arguments)
}

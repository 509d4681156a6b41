// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Helpers for the tests of this crate.

use kernel_facts::KnownLto;
use lto_disable::{DisabledEntry, List};
use test_support::TestDir;

/// A tree of empty files.
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

/// The text of one entry of a list.
pub fn entry(kind: &str, pattern: &str) -> String {
    format!("[[disable]]\n{kind} = \"{pattern}\"\nreason = \"because of {pattern}\"\n")
}

/// Exit code, standard output and standard error of the tool.
pub fn run(dir: &TestDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    dir.run_tool(env!("CARGO_BIN_EXE_lto-disable"), arguments)
}

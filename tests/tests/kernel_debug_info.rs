// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares the debug information and BTF of a built arm64 kernel with what debuggers, bpftool and pahole read.

use std::env;
use std::path::PathBuf;

use kernel_checks::Request;
use kernel_lab::{setup, workspace};
use kernel_tests::{btf_types, debuggers};
use tool_io::Files;

/// The variables with the object trees (`O=`) of the built kernel and of the same kernel without LTO.
const OBJTREE_VARIABLE: &str = "KBUILD_LTO_OBJTREE";
const AGAINST_VARIABLE: &str = "KBUILD_LTO_AGAINST";

fn objtree(variable: &str) -> PathBuf {
    let objtree = env::var_os(variable);
    objtree.map_or_else(
        || panic!("this test needs a built kernel: set {variable}"),
        PathBuf::from,
    )
}

#[test]
fn verify_finds_no_fault_in_debug_information() {
    let against = env::var_os(AGAINST_VARIABLE).map(PathBuf::from);
    let files = Files::new();
    let report = Request {
        objtree: &objtree(OBJTREE_VARIABLE),
        against: against.as_deref(),
        only: &["debug-info".to_owned()],
        map: None,
    }
    .run(&files)
    .unwrap();
    for checked in &report.checks {
        println!("{}: {}", checked.name, checked.finding.figure);
    }
    assert_eq!(report.faults(), [""; 0]);
    assert_eq!(report.could_not_run(), [""; 0]);
}

#[test]
fn debuggers_agree_with_the_debug_information() {
    let drgn = setup::ensure_debuggers(&workspace::root().join("target/drgn")).unwrap();
    let compared = debuggers::compare(&objtree(OBJTREE_VARIABLE), Some(&drgn)).unwrap();
    println!("{} answers", compared.n_answers);
    assert!(compared.n_answers > 0);
    assert_eq!(compared.differences, [""; 0]);
}

#[test]
fn types_of_exported_functions_are_those_without_lto() {
    let compared =
        btf_types::compare(&objtree(OBJTREE_VARIABLE), &objtree(AGAINST_VARIABLE)).unwrap();
    println!(
        "{} functions, {} types",
        compared.n_functions, compared.n_types
    );
    assert!(compared.n_functions > 0);
    assert_eq!(compared.differences, [""; 0]);
}

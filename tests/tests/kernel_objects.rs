// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares object-model with llvm-nm and goblin, over all objects of a built kernel.

use std::env;
use std::path::PathBuf;

use kernel_tests::object_differential::{against_goblin, against_llvm_nm, object_files};

/// The variable with the object tree (`O=`) of the built kernel.
const OBJTREE_VARIABLE: &str = "KBUILD_LTO_OBJTREE";

fn kernel_objects() -> Vec<PathBuf> {
    let objtree = env::var_os(OBJTREE_VARIABLE)
        .unwrap_or_else(|| panic!("this test needs a built kernel: set {OBJTREE_VARIABLE}"));
    let files = object_files(objtree.as_ref());
    assert!(
        files.iter().any(|file| file.ends_with("vmlinux")),
        "{OBJTREE_VARIABLE} is {}, where no vmlinux was built",
        objtree.display()
    );
    files
}

#[test]
fn every_symbol_is_what_llvm_nm_shows() {
    assert_eq!(against_llvm_nm(&kernel_objects()), [""; 0]);
}

#[test]
fn headers_sections_symbols_and_relocations_are_what_goblin_reads() {
    let mut differences = Vec::new();
    for file in kernel_objects() {
        let data = std::fs::read(&file).unwrap();
        if data.starts_with(b"\x7fELF") {
            let of_file = against_goblin(&data).into_iter();
            differences.extend(of_file.map(|text| format!("{}: {text}", file.display())));
        }
    }
    assert_eq!(differences, [""; 0]);
}

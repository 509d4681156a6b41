// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The cases in `tests/link/`, one test for each and each architecture: lto-link links them in every
//! way, and they must mean what they mean after `ld.lld -r`.
//!
//! `LTO_LINK` names another lto-link to be tried, such as an older one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use link_lab::{Arch, Case, Lab, Tools};

fn main() -> ExitCode {
    let lto_link = std::env::var_os("LTO_LINK");
    let lto_link = lto_link.unwrap_or_else(|| env!("CARGO_BIN_EXE_lto-link").into());
    let tools = Tools {
        llvm: test_support::llvm_bin(),
        lto_link: lto_link.into(),
    };
    let lab = Arc::new(Lab::new(tools).unwrap_or_else(|error| panic!("{error}")));
    let mut trials = Vec::new();
    for folder in folders() {
        let case = Case::read(&folder).unwrap_or_else(|error| panic!("{error}"));
        let case = Arc::new(case);
        for arch in case.spec.architectures.clone() {
            let (lab, case) = (Arc::clone(&lab), Arc::clone(&case));
            trials.push(Trial::test(format!("{}::{arch}", case.name), move || {
                try_case(&lab, &case, arch)
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The folders of all cases, by name.
fn folders() -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/link");
    let entries = fs::read_dir(&cases);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", cases.display()));
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "{}: no cases", cases.display());
    folders
}

fn try_case(lab: &Lab, case: &Case, arch: Arch) -> Result<(), Failed> {
    let verdict = lab.judge(case, arch)?;
    if verdict.is_same() {
        return Ok(());
    }
    Err(format!("{}\n{verdict}", case.spec.about).into())
}

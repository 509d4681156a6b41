// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The kernel's own extra checks: they give no new warnings for an installed tree.

use std::path::Path;

use kernel_lab::config::{self, Lto, Profile};
use kernel_lab::{Failure, Outcome, build, files, llvm, make};

use super::{ARCH, ended, expect, fetch_into, kernel_tree};

/// The warnings of the compiler that are off by default, and those of sparse.
const CHECKS: [&str; 2] = ["W=1", "C=1"];

/// Returns the output of make for the kernel of `tree` with [`CHECKS`].
fn said(tree: &Path, objtree: &Path, lto: Lto) -> Result<String, Failure> {
    files::remove_dir(objtree)?;
    config::configure(config::Options {
        tree,
        arch: ARCH,
        objtree,
        profile: Profile::Tiny,
        lto,
        set: &[],
    })?;
    let mut make = make(tree, ARCH, objtree, &llvm::bin_dir()?)?;
    // Compilers that write at once would break each other's lines.
    make.arg("--output-sync=target");
    make.arg(format!("-j{}", tool_io::cpus())).args(CHECKS);
    let (is_good, said) = ended(make.arg("all"))?;
    expect(is_good, || {
        format!(
            "{}: {}",
            objtree.display(),
            kernel_lab::process::last_lines(&said)
        )
    })?;
    Ok(said)
}

pub fn none_is_new(workdir: &Path) -> Outcome {
    let pristine = fetch_into(&workdir.join("pristine"))?;
    let tree = kernel_tree(workdir)?;
    let before = workdir.join("warnings-before");
    let known = said(&pristine, &before, Lto::None)?;
    expect(known.contains("  CHECK   "), || {
        "sparse was not run".to_owned()
    })?;
    for lto in [Lto::None, Lto::Thin, Lto::ThinDist] {
        let objtree = workdir.join(format!("warnings-{}", lto.name()));
        let found = said(&tree, &objtree, lto)?;
        let new = build::new_in(
            (&found, &[&tree, &objtree]),
            (&known, &[&pristine, &before]),
        );
        expect(new.is_empty(), || {
            format!(
                "{} with {}: {}",
                lto.name(),
                CHECKS.join(" "),
                new.join("\n")
            )
        })?;
    }
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Kernels that count, and kernels that are built by a profile.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use kernel_bench::profile;
use kernel_lab::config::{Lto, Setting};
use kernel_lab::runtime::{self, Set, rows};
use kernel_lab::{Failure, Outcome, llvm, make, process};
use lto_lab::Lab;

use super::rebuild::made;
use super::{ARCH, boots, built, configure, ended, expect, fault, fetch_into, verified};

/// A kernel counts without LTO only, and does not also use a profile; one with a profile may have any kind of
/// LTO. A missing profile stops the build before anything is compiled.
pub fn options(workdir: &Path) -> Outcome {
    let tree = fetch_into(&workdir.join("second"))?;
    let objtree = workdir.join("gates");
    super::tree::install(&tree, &[])?;
    let count = Setting::on("LTO_PROFILE_GENERATE");
    let missing = objtree.join("missing.profdata");
    let using = format!("LTO_PROFILE_USE=\"{}\"", missing.display());
    let using: Setting = using.parse()?;
    configure(&tree, &objtree, Lto::None, std::slice::from_ref(&count))?;
    let refused = |lto, set: &[Setting]| match configure(&tree, &objtree, lto, set) {
        Err(Failure::Fault(error)) if error.to_string().contains("LTO_PROFILE_") => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(fault(format!("{set:?} is offered with {}", lto.name()))),
    };
    refused(Lto::ThinDist, std::slice::from_ref(&count))?;
    refused(Lto::None, &[count.clone(), using.clone()])?;
    refused(Lto::None, &[count, Setting::on("GCOV_KERNEL")])?;
    for lto in [Lto::None, Lto::Thin, Lto::Full, Lto::ThinDist] {
        configure(&tree, &objtree, lto, std::slice::from_ref(&using))?;
    }
    let mut make = make(&tree, ARCH, &objtree, &llvm::bin_dir()?)?;
    let (succeeded, said) = ended(make.arg("vmlinux"))?;
    let text = format!("CONFIG_LTO_PROFILE_USE: cannot read {}", missing.display());
    expect(!succeeded && said.contains(&text), || {
        format!("make does not say that the profile is missing: {said}")
    })?;
    expect(!said.contains("  CC      kernel/"), || {
        format!("make compiled before it looked for the profile: {said}")
    })
}

/// A kernel by the profile of the training set boots, is right, and does the same work with fewer
/// instructions. Another profile at the same path compiles again; the same one with a new time stamp does not.
pub fn less_work(workdir: &Path) -> Outcome {
    const AT_MOST: f64 = 0.95;
    let lab = Lab::new(workdir);
    let mut rows = rows::rows(ARCH).into_iter();
    let row = rows.find(|row| row.name == "thin-dist-drop-profile");
    let row = row.context("no such row")?;
    let profile = profile::of_training(&lab, &row, Duration::from_secs(runtime::TIME))?;
    let objtree = lab.row(&row, Some(&profile))?;
    boots(ARCH, &objtree)?;
    verified(&kernel_checks::verify(&objtree, None)?)?;
    let base = runtime::measure(ARCH, &built(workdir, Lto::None)?, &[Set::Training])?;
    let runtime = runtime::measure(ARCH, &objtree, &[Set::Training])?;
    let of = |runtime: runtime::Runtime| runtime.sets.into_values().next().context("no result");
    let (measured, base) = (of(runtime)?, of(base)?);
    let ratio = measured.ratios(&base, |counts| counts.kernel)?.mean();
    expect(ratio.is_some_and(|ratio| ratio < AT_MOST), || {
        format!("instructions by a profile: {ratio:?} of those without")
    })?;
    recompiles_when_changed(&lab, &objtree, &profile)
}

fn recompiles_when_changed(lab: &Lab, objtree: &Path, profile: &Path) -> Outcome {
    let object = "kernel/fork.o";
    let tree = lab.tree(ARCH)?;
    let compiled = || -> anyhow::Result<bool> {
        let mut make = make(&tree, ARCH, objtree, &llvm::bin_dir()?)?;
        let said = process::output(make.arg(object))?;
        let lines: Vec<_> = said.lines().map(str::to_owned).collect();
        Ok(made(&lines, "CC").contains(&object))
    };
    let content = fs::read(profile).with_context(|| profile.display().to_string())?;
    let write =
        |content: &[u8]| fs::write(profile, content).with_context(|| profile.display().to_string());
    write(&content)?;
    expect(!compiled()?, || {
        format!("{object} was compiled again by the same profile")
    })?;
    // A profile may have more bytes than its parts take.
    write(&[&content[..], &[0; 8]].concat())?;
    let again = compiled()?;
    write(&content)?;
    expect(again, || {
        format!("{object} was not compiled by another profile")
    })
}

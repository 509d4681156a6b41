// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Kernels that count, and kernels that are built by a profile.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use kernel_bench::profile::{self, Trained};
use kernel_lab::config::{Lto, Profile, Setting};
use kernel_lab::runtime::{self, Set, rows};
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, Failure, KERNEL, Outcome, llvm, make, process};
use lto_lab::Lab;

use super::rebuild::made;
use super::{ARCH, boots, configure, ended, expect, fault, fetch_into, verified};

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
    let lab = Lab::new(workdir);
    let (objtree, profile) = does_less_work(&lab, ARCH)?;
    recompiles_when_changed(&lab, &objtree, &profile)
}

/// The same on `x86_64`, with objtool and all mitigations.
pub fn less_work_x86_64(workdir: &Path) -> Outcome {
    does_less_work(&Lab::new(workdir), Arch::X86_64).map(drop)
}

/// Makes the profile of the training set, builds the kernel by it, and compares it with the kernel without LTO. The
/// training set loads modules, and unloads one. Returns the object tree and the profile.
fn does_less_work(lab: &Lab, arch: Arch) -> Result<(PathBuf, PathBuf), Failure> {
    const AT_MOST: f64 = 0.95;
    let mut rows = rows::rows(KERNEL, arch).into_iter();
    let row = rows.find(|row| row.name == "thin-dist-drop-profile");
    let row = row.context("no such row")?;
    let trained = profile::of_training(lab, &row, Duration::from_secs(runtime::TIME))?;
    let Trained { profile, executed } = trained;
    let mut in_modules = executed.iter().filter_map(|work| work.in_modules);
    expect(in_modules.any(|(n_executed, _)| n_executed > 0), || {
        format!("no function of a module was executed: {executed:?}")
    })?;
    let objtree = lab.row(&row, Some(&profile))?;
    boots(arch, &objtree)?;
    verified(&kernel_checks::verify(&objtree, None)?)?;
    let base = lab.kernel(Variant::new(arch, Profile::Ci, Lto::None))?;
    let base = runtime::measure(arch, &base, &[Set::Training])?;
    let runtime = runtime::measure(arch, &objtree, &[Set::Training])?;
    let of = |runtime: runtime::Runtime| runtime.sets.into_values().next().context("no result");
    let (measured, base) = (of(runtime)?, of(base)?);
    let ratio = measured.ratios(&base, |counts| counts.kernel)?.mean();
    expect(ratio.is_some_and(|ratio| ratio < AT_MOST), || {
        format!("instructions by a profile: {ratio:?} of those without")
    })?;
    Ok((objtree, profile))
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

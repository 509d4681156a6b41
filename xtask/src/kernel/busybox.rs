// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The shell of a guest: busybox, linked statically, for the guest's architecture.

use super::arch::Arch;
use crate::process;
use crate::progress::Step;
use anyhow::Context as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// The Debian package that has it.
const PACKAGE: &str = "busybox-static";

/// Gives the path of a static busybox for `arch`, after fetching it into `cache` if it is not there.
///
/// It comes from the mirrors and suites that the machine's apt is configured with, whatever the
/// machine's own architecture is; nothing of that configuration is changed.
///
/// # Errors
/// apt cannot get the package, or it has no busybox.
pub fn fetch(arch: Arch, cache: &Path) -> anyhow::Result<PathBuf> {
    let busybox = cache.join(format!("busybox-{}", arch.name()));
    if busybox.is_file() {
        return Ok(busybox);
    }
    let step = Step::start(format!("fetching {PACKAGE} for {}", arch.name()));
    std::fs::create_dir_all(cache).with_context(|| cache.display().to_string())?;
    // In the same file system, so that the program can be moved to its place at once.
    let work = tempfile::Builder::new().prefix(".fetch-").tempdir_in(cache);
    let work = work.with_context(|| format!("a directory in {}", cache.display()))?;
    let work = std::path::absolute(work.path()).context("the directory of a download")?;
    for part in ["lists/partial", "cache/archives/partial", "root"] {
        let part = work.join(part);
        std::fs::create_dir_all(&part).with_context(|| part.display().to_string())?;
    }
    step.at("reading the package lists");
    process::output(apt(arch, &work).arg("update"))?;
    step.at("downloading");
    process::output(apt(arch, &work).args(["download", PACKAGE]))?;
    let package = downloaded(&work)?;
    let root = work.join("root");
    process::output(Command::new("dpkg-deb").arg("-x").args([&package, &root]))?;
    let unpacked = ["bin/busybox", "usr/bin/busybox"]
        .iter()
        .map(|path| root.join(path))
        .find(|path| path.is_file())
        .with_context(|| format!("{}: has no busybox", package.display()))?;
    std::fs::rename(&unpacked, &busybox)
        .with_context(|| format!("moving busybox to {}", busybox.display()))?;
    step.done(&busybox.display().to_string());
    Ok(busybox)
}

/// apt-get for packages of another architecture, with lists of its own in `dir`.
fn apt(arch: Arch, dir: &Path) -> Command {
    let shown = dir.display();
    let mut command = Command::new("apt-get");
    command.env("LC_ALL", "C").current_dir(dir).arg("-q");
    for option in [
        format!("APT::Architecture={}", arch.debian()),
        format!("APT::Architectures={}", arch.debian()),
        format!("Dir::State={shown}"),
        // What is installed here is of no matter there.
        "Dir::State::Status=/dev/null".to_owned(),
        format!("Dir::Cache={shown}/cache"),
        // Only the lists of packages, and by us: the user _apt cannot write here.
        "Acquire::Languages=none".to_owned(),
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
    ] {
        command.args(["-o", &option]);
    }
    command
}

/// The package that `apt-get download` left in `dir`.
fn downloaded(dir: &Path) -> anyhow::Result<PathBuf> {
    let entries = std::fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .with_context(|| format!("{}: apt-get left no {PACKAGE}_*.deb", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busybox_that_is_there_is_used_without_apt() {
        let cache = tempfile::tempdir().unwrap();
        let there = cache.path().join("busybox-arm64");
        std::fs::write(&there, "").unwrap();
        assert_eq!(fetch(Arch::Arm64, cache.path()).unwrap(), there);
    }
}

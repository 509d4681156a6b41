// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Debian packages for a guest, unpacked and not installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use xshell::cmd;

use super::arch::Arch;
use crate::process;
use crate::progress::Step;

/// Packages that were unpacked into one directory, which goes away with this.
pub struct Unpacked {
    /// Where it stands, in the file system of the cache.
    _work: tempfile::TempDir,
    /// What would be `/` if they were installed.
    pub root: PathBuf,
}

/// Fetches packages for `arch` and unpacks them in a directory below `cache`; if `dependencies`, with
/// all that they depend on.
///
/// They come from the mirrors and suites that the machine's apt is configured with, whatever the
/// machine's own architecture is; nothing of that configuration is changed.
///
/// # Errors
/// apt cannot get a package.
pub fn unpack(
    arch: Arch,
    packages: &[&str],
    dependencies: bool,
    cache: &Path,
) -> anyhow::Result<Unpacked> {
    let named = packages.join(", ");
    let step = Step::start(format!("fetching {named} for {}", arch.name()));
    std::fs::create_dir_all(cache).with_context(|| cache.display().to_string())?;
    // In the same file system, so that what is wanted can be moved to its place at once.
    let temporary = tempfile::Builder::new().prefix(".fetch-").tempdir_in(cache);
    let temporary = temporary.with_context(|| format!("a directory in {}", cache.display()))?;
    let work = std::path::absolute(temporary.path()).context("the directory of a download")?;
    let archives = "cache/archives";
    for part in ["lists/partial", "cache/archives/partial", "root"] {
        let part = work.join(part);
        std::fs::create_dir_all(&part).with_context(|| part.display().to_string())?;
    }
    step.at("reading the package lists");
    process::output(apt(arch, &work).arg("update"))?;
    step.at("downloading");
    let (mut download, from) = if dependencies {
        let mut install = apt(arch, &work);
        install.args([
            "install",
            "--download-only",
            "--yes",
            "--no-install-recommends",
        ]);
        (install, work.join(archives))
    } else {
        let mut download = apt(arch, &work);
        download.arg("download");
        (download, work.clone())
    };
    process::output(download.args(packages))?;
    let downloaded = downloaded(&from)?;
    anyhow::ensure!(
        !downloaded.is_empty(),
        "{}: apt-get left no package of {named}",
        from.display()
    );
    let root = work.join("root");
    let sh = process::shell()?;
    for package in &downloaded {
        process::read(cmd!(sh, "dpkg-deb -x {package} {root}"))?;
    }
    step.done(&format!("{} packages", downloaded.len()));
    Ok(Unpacked {
        _work: temporary,
        root,
    })
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
        // No lock of the machine's own is of concern.
        "Debug::NoLocking=true".to_owned(),
    ] {
        command.args(["-o", &option]);
    }
    command
}

/// The packages that apt-get left in `dir`.
fn downloaded(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let mut packages: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "deb"))
        .collect();
    packages.sort();
    Ok(packages)
}

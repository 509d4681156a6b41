// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Unpacks Debian packages without installing them, for a guest or from another suite.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use xshell::cmd;

use super::arch::Arch;
use crate::apt::Suites;
use crate::progress::Step;
use crate::{apt, process};

/// Packages unpacked into one directory, which is removed on drop.
pub struct Unpacked {
    /// The temporary directory, in the file system of the cache.
    _work: tempfile::TempDir,
    /// The directory that would be `/` if the packages were installed.
    pub root: PathBuf,
}

/// Downloads packages for `arch`, and unpacks them in a directory below `cache`; with
/// `dependencies`, also the packages that they depend on.
///
/// The packages come from the mirrors and suites of the machine's apt, also if the machine has
/// another architecture. The configuration of apt is not changed.
///
/// # Errors
/// apt cannot download a package.
pub fn unpack(
    arch: Arch,
    packages: &[&str],
    dependencies: bool,
    cache: &Path,
) -> anyhow::Result<Unpacked> {
    let named = packages.join(", ");
    let step = Step::start(format!("fetching {named} for {}", arch.name()));
    std::fs::create_dir_all(cache).with_context(|| cache.display().to_string())?;
    // In the same file system, so that the unpacked files can be moved by a rename.
    let temporary = tempfile::Builder::new().prefix(".fetch-").tempdir_in(cache);
    let temporary =
        temporary.with_context(|| format!("cannot create a directory in {}", cache.display()))?;
    let work =
        std::path::absolute(temporary.path()).context("cannot find the directory of a download")?;
    let archives = "cache/archives";
    for part in ["lists/partial", "cache/archives/partial", "root"] {
        let part = work.join(part);
        std::fs::create_dir_all(&part).with_context(|| part.display().to_string())?;
    }
    step.at("reading the package lists");
    let sh = apt::shell()?;
    sh.change_dir(&work);
    let options = &apt_options(arch, &work);
    process::read(cmd!(sh, "apt-get -q {options...} update"))?;
    step.at("downloading");
    let (download, from) = if dependencies {
        let whole = ["--download-only", "--yes", "--no-install-recommends"];
        let install = cmd!(sh, "apt-get -q {options...} install {whole...}");
        (install, work.join(archives))
    } else {
        let download = cmd!(sh, "apt-get -q {options...} download");
        (download, work.clone())
    };
    process::read(download.args(packages))?;
    let root = work.join("root");
    let n_packages = unpack_all(&from, &named, &root)?;
    step.finish(&format!("{n_packages} packages"));
    Ok(Unpacked {
        _work: temporary,
        root,
    })
}

/// Downloads packages of `suites` and all packages that they depend on, and unpacks them below the existing directory
/// `root`. `dir` is the directory that the suites were read into.
///
/// # Errors
/// apt cannot download a package.
pub fn unpack_from(
    suites: &Suites,
    packages: &[&str],
    dir: &Path,
    root: &Path,
) -> anyhow::Result<()> {
    let (sh, options) = (apt::shell()?, suites.options());
    // The packages installed on this machine do not matter.
    let whole = ["-o", "Dir::State::Status=/dev/null", "--download-only"];
    let install = ["install", "--yes", "--no-install-recommends"];
    let download = cmd!(sh, "apt-get -q {options...} {whole...} {install...}");
    process::read(download.args(packages))?;
    let from = dir.join("cache/archives");
    unpack_all(&from, &packages.join(", "), root).map(|_| ())
}

/// Unpacks all packages in `from`, which were downloaded for `named`, below `root`. Returns their number.
fn unpack_all(from: &Path, named: &str, root: &Path) -> anyhow::Result<usize> {
    let downloaded = downloaded(from)?;
    anyhow::ensure!(
        !downloaded.is_empty(),
        "{}: apt-get left no package of {named}",
        from.display()
    );
    let sh = process::shell()?;
    for package in &downloaded {
        process::read(cmd!(sh, "dpkg-deb -x {package} {root}"))?;
    }
    Ok(downloaded.len())
}

/// Returns the options of apt-get for packages of another architecture, with separate lists in `dir`.
fn apt_options(arch: Arch, dir: &Path) -> Vec<String> {
    let shown = dir.display();
    let options = [
        format!("APT::Architecture={}", arch.debian()),
        format!("APT::Architectures={}", arch.debian()),
        format!("Dir::State={shown}"),
        // The packages installed on this machine do not matter.
        "Dir::State::Status=/dev/null".to_owned(),
        format!("Dir::Cache={shown}/cache"),
        // Fetch only the package lists, as the current user: the user _apt cannot write here.
        "Acquire::Languages=none".to_owned(),
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
        // The machine's locks do not matter.
        "Debug::NoLocking=true".to_owned(),
    ];
    options.map(|option| ["-o".to_owned(), option]).concat()
}

/// Returns the packages that apt-get left in `dir`.
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

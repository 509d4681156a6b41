// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Fetches the source of a kernel from its Debian package.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use xshell::cmd;

use crate::apt::Suites;
use crate::process;
use crate::progress::Step;

/// The source to fetch, and its destination.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The version of the kernel, such as 5.10.
    pub version: &'a str,
    /// The version of the package. By default an already fetched one, else the newest.
    pub package_version: Option<&'a str>,
    /// The directory that the tree is put into.
    pub into: &'a Path,
}

/// Returns the path of the tree, `<into>/linux-source-<version>_<package version>`; fetches it if
/// it is missing.
///
/// # Errors
/// No suite is known for the version, apt cannot download the package, or it cannot be unpacked.
pub fn fetch(options: Options<'_>) -> anyhow::Result<PathBuf> {
    let Options {
        version,
        package_version,
        into,
    } = options;
    let suites = suites_of(version)?;
    let package = format!("linux-source-{version}");
    std::fs::create_dir_all(into).with_context(|| into.display().to_string())?;
    let there = match package_version {
        Some(wanted) => Some(into.join(format!("{package}_{wanted}"))).filter(|tree| tree.is_dir()),
        None => newest_there(into, &package)?,
    };
    if let Some(tree) = there {
        return Ok(tree);
    }

    let step = Step::start(format!("fetching {package}"));
    // In the same file system, so that the finished tree can be moved to its place by one rename.
    let work = tempfile::Builder::new().prefix(".fetch-").tempdir_in(into);
    let work = work.with_context(|| format!("a directory in {}", into.display()))?;
    step.at("reading the package lists");
    let suites = Suites::read(suites, work.path())?;
    let versions = suites.versions(&package)?;
    let chosen = match package_version {
        None => versions.first(),
        Some(wanted) => versions.iter().find(|version| *version == wanted),
    };
    let chosen = chosen.with_context(|| {
        let wanted = package_version.unwrap_or_default();
        format!(
            "{package} has no version {wanted}; it has {}",
            versions.join(", ")
        )
    })?;
    step.at(&format!("downloading {chosen}"));
    let deb = suites.download(&package, chosen, work.path())?;
    step.at(&format!("unpacking {chosen}"));
    unpack(&deb, &package, work.path())?;
    let tree = into.join(format!("{package}_{chosen}"));
    std::fs::rename(work.path().join(&package), &tree)
        .with_context(|| format!("moving the new tree to {}", tree.display()))?;
    step.finish(chosen);
    Ok(tree)
}

/// Returns the suites that contain a kernel's source.
fn suites_of(version: &str) -> anyhow::Result<&'static [&'static str]> {
    match version {
        "5.10" => Ok(&["bullseye", "bullseye-security"]),
        "6.1" | "6.12" => Ok(&["bookworm", "bookworm-security"]),
        newer if newer.starts_with("7.") => Ok(&["trixie-backports", "sid"]),
        other => anyhow::bail!(
            "no suite is known that has linux-source-{other}; known are 5.10, 6.1, 6.12 and 7.x"
        ),
    }
}

/// Returns the newest already fetched tree of a package.
fn newest_there(into: &Path, package: &str) -> anyhow::Result<Option<PathBuf>> {
    let mut newest: Option<(String, PathBuf)> = None;
    for entry in std::fs::read_dir(into).with_context(|| into.display().to_string())? {
        let entry = entry.with_context(|| into.display().to_string())?;
        let name = entry.file_name();
        let Some(version) = name
            .to_str()
            .and_then(|name| name.strip_prefix(package)?.strip_prefix('_'))
        else {
            continue;
        };
        if match &newest {
            None => true,
            Some((best, _)) => is_newer(version, best)?,
        } {
            newest = Some((version.to_owned(), entry.path()));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// Returns whether one package version is newer than another, by Debian's rules.
fn is_newer(one: &str, other: &str) -> anyhow::Result<bool> {
    let sh = process::shell()?;
    process::answer(cmd!(sh, "dpkg --compare-versions {one} gt {other}"))
}

/// Unpacks the kernel tree from the compressed archive in a package.
fn unpack(deb: &Path, package: &str, into: &Path) -> anyhow::Result<()> {
    let sh = process::shell()?;
    process::pipeline([
        cmd!(sh, "dpkg-deb --fsys-tarfile {deb}").into(),
        cmd!(sh, "tar --extract --to-stdout ./usr/src/{package}.tar.xz").into(),
        cmd!(sh, "tar --extract --xz --directory {into}").into(),
    ])
    .context("unpacking failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_that_is_there_is_used_without_apt() {
        let into = tempfile::tempdir().unwrap();
        for version in ["5.10.99-1", "5.10.262-1", "5.10.218-1"] {
            std::fs::create_dir(into.path().join(format!("linux-source-5.10_{version}"))).unwrap();
        }
        std::fs::create_dir(into.path().join("linux-source-5.100_9-1")).unwrap();
        let mut options = Options {
            version: "5.10",
            package_version: None,
            into: into.path(),
        };
        assert!(
            fetch(options)
                .unwrap()
                .ends_with("linux-source-5.10_5.10.262-1")
        );
        options.package_version = Some("5.10.99-1");
        assert!(
            fetch(options)
                .unwrap()
                .ends_with("linux-source-5.10_5.10.99-1")
        );
    }

    #[test]
    fn a_version_without_a_suite_is_named() {
        let error = suites_of("4.19").unwrap_err().to_string();
        assert!(
            error.contains("linux-source-4.19; known are 5.10"),
            "{error}"
        );
    }

    #[test]
    fn a_package_is_unpacked_and_one_that_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("package");
        let source = root.join("usr/src");
        std::fs::create_dir_all(source.join("linux-source-5.10")).unwrap();
        std::fs::create_dir(root.join("DEBIAN")).unwrap();
        std::fs::write(source.join("linux-source-5.10/Makefile"), "VERSION = 5\n").unwrap();
        std::fs::write(
            root.join("DEBIAN/control"),
            "Package: linux-source-5.10\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: test\n",
        )
        .unwrap();
        let sh = process::shell_in(&source).unwrap();
        let name = "linux-source-5.10";
        let pack = cmd!(
            sh,
            "tar --create --xz --remove-files --file={name}.tar.xz {name}"
        );
        process::read(pack).unwrap();
        let deb = dir.path().join("linux.deb");
        process::read(cmd!(sh, "dpkg-deb --build {root} {deb}")).unwrap();
        let into = dir.path().join("into");
        std::fs::create_dir(&into).unwrap();
        unpack(&deb, "linux-source-5.10", &into).unwrap();
        assert!(into.join("linux-source-5.10/Makefile").is_file());

        let error = unpack(&dir.path().join("absent.deb"), "linux-source-5.10", &into).unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("absent.deb` failed (exit status: 2): dpkg-deb: error"),
            "{error}"
        );
    }
}

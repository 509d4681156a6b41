// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Debian packages: checks, installs, and downloads them, also from suites that are not configured
//! on this machine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use xshell::{Shell, cmd};

use crate::process;

/// The keys that sign the archive, from the package debian-archive-keyring.
pub const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Updates the package lists of the machine.
///
/// # Errors
/// apt cannot download them, or this process is not root and there is no sudo.
pub fn update() -> anyhow::Result<()> {
    let (sh, (program, arguments)) = (shell()?, as_root());
    let update = cmd!(sh, "{program} {arguments...} apt-get -q update");
    process::read(update).map(|_| ())
}

/// Returns whether the machine's package lists contain a package.
pub fn has(package: &str) -> bool {
    let shown = shell().and_then(|sh| process::read(cmd!(sh, "apt-cache -q show {package}")));
    shown.is_ok()
}

/// Installs packages without their recommended ones.
///
/// # Errors
/// apt cannot install them, or this process is not root and there is no sudo.
pub fn install(packages: &[String]) -> anyhow::Result<()> {
    let (sh, (program, arguments)) = (shell()?, as_root());
    let options = ["--yes", "--no-install-recommends"];
    let install = cmd!(
        sh,
        "{program} {arguments...} DEBIAN_FRONTEND=noninteractive apt-get -q install {options...} {packages...}"
    );
    process::read(install).map(|_| ())
}

/// Returns the start of a command line that root runs: `env`, or `sudo env`, with untranslated messages.
fn as_root() -> (&'static str, &'static [&'static str]) {
    if nix::unistd::geteuid().is_root() {
        ("env", &["LC_ALL=C"])
    } else {
        ("sudo", &["env", "LC_ALL=C"])
    }
}

/// Returns a shell in which programs of apt have untranslated messages.
pub(crate) fn shell() -> anyhow::Result<Shell> {
    let sh = process::shell()?;
    sh.set_var("LC_ALL", "C");
    Ok(sh)
}

/// Package lists of chosen suites, kept apart from the machine's lists.
pub struct Suites {
    names: Vec<String>,
    options: Vec<String>,
}

impl Suites {
    /// Downloads the package lists of `names` (such as `bullseye`, `bullseye-security`) into `dir`,
    /// from the mirrors that this machine is configured with.
    ///
    /// # Errors
    /// The machine has no Debian mirror, or apt cannot download the lists.
    pub fn read(names: &[&str], dir: &Path) -> anyhow::Result<Self> {
        anyhow::ensure!(
            Path::new(KEYRING).is_file(),
            "{KEYRING}: not there; install debian-archive-keyring"
        );
        let sh = shell()?;
        let targets = cmd!(sh, "apt-get -q indextargets --format {TARGET}");
        let targets = process::read(targets)?;
        let list = source_list(names, &targets)?;
        let file = dir.join("sources.list");
        std::fs::write(&file, list).with_context(|| file.display().to_string())?;
        for part in ["lists/partial", "cache/archives/partial"] {
            let part = dir.join(part);
            std::fs::create_dir_all(&part).with_context(|| part.display().to_string())?;
        }
        let dir = std::path::absolute(dir).with_context(|| dir.display().to_string())?;
        let dir = dir.display();
        let suites = Self {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            options: vec![
                format!("Dir::Etc::SourceList={dir}/sources.list"),
                "Dir::Etc::SourceParts=/dev/null".to_owned(),
                format!("Dir::State={dir}"),
                "Dir::State::Status=/var/lib/dpkg/status".to_owned(),
                format!("Dir::Cache={dir}/cache"),
                // Fetch only the package lists, as the current user: the user _apt cannot write here.
                "Acquire::Languages=none".to_owned(),
                "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
                "APT::Sandbox::User=root".to_owned(),
            ],
        };
        let options = suites.options();
        process::read(cmd!(sh, "apt-get -q {options...} update"))?;
        Ok(suites)
    }

    /// Returns the versions of a package, newest first.
    ///
    /// # Errors
    /// The suites do not have the package.
    pub fn versions(&self, package: &str) -> anyhow::Result<Vec<String>> {
        let (sh, options) = (shell()?, self.options());
        let table = process::read(cmd!(sh, "apt-cache -q {options...} madison {package}"))?;
        let versions = madison_versions(&table);
        let suites = self.names.join(", ");
        anyhow::ensure!(!versions.is_empty(), "{suites}: no package {package}");
        Ok(versions)
    }

    /// Downloads a package into `dir` and returns its path.
    ///
    /// # Errors
    /// apt cannot download it.
    pub fn download(&self, package: &str, version: &str, dir: &Path) -> anyhow::Result<PathBuf> {
        let (sh, options) = (shell()?, self.options());
        sh.change_dir(dir);
        let download = cmd!(sh, "apt-get -q {options...} download {package}={version}");
        process::read(download)?;
        let mut entries = std::fs::read_dir(dir)
            .with_context(|| dir.display().to_string())?
            .flatten();
        entries
            .find(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with(&format!("{package}_")) && name.ends_with(".deb")
            })
            .map(|entry| entry.path())
            .with_context(|| format!("{}: apt-get left no {package}_*.deb", dir.display()))
    }

    /// Returns the options as words of a command.
    pub(crate) fn options(&self) -> impl Iterator<Item = &str> {
        self.options.iter().flat_map(|option| ["-o", option])
    }
}

/// The fields to print for each list of the machine: its kind, origin, label and address.
const TARGET: &str = "$(CREATED_BY) $(ORIGIN) $(LABEL) $(REPO_URI)";

/// Returns a source list for `suites`, from the mirrors in `targets`, whose lines have the format
/// [`TARGET`].
fn source_list(suites: &[&str], targets: &str) -> anyhow::Result<String> {
    let mirror = |label: &str| {
        targets
            .lines()
            .find_map(|line| line.strip_prefix(&format!("Packages Debian {label} ")))
            .with_context(|| {
                format!(
                    "apt knows no mirror labelled {label}; run `apt-get update` on a Debian machine"
                )
            })
    };
    let mut list = String::new();
    for suite in suites {
        let label = if suite.ends_with("-security") {
            "Debian-Security"
        } else {
            "Debian"
        };
        let _ = writeln!(
            list,
            "deb [signed-by={KEYRING}] {} {suite} main",
            mirror(label)?
        );
    }
    Ok(list)
}

/// Returns the versions in a table of `apt-cache madison`, `package | version | source`, newest first.
fn madison_versions(table: &str) -> Vec<String> {
    let mut versions: Vec<String> = table
        .lines()
        .filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned()))
        .collect();
    versions.dedup();
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str = "\
        Packages Other Other http://other.example/\n\
        DEP-11 Debian Debian http://wrong.example/debian/\n\
        Packages Debian Debian http://mirror.example/debian/\n\
        Packages Debian Debian-Security http://mirror.example/security/\n";

    #[test]
    fn a_suite_is_read_from_the_mirror_of_its_kind() {
        let list = source_list(&["bullseye", "bullseye-security"], TARGETS).unwrap();
        assert_eq!(
            list,
            format!(
                "deb [signed-by={KEYRING}] http://mirror.example/debian/ bullseye main\n\
                 deb [signed-by={KEYRING}] http://mirror.example/security/ bullseye-security main\n"
            )
        );
    }

    #[test]
    fn a_machine_without_a_mirror_is_told_what_to_do() {
        let error = source_list(
            &["bullseye-security"],
            "Packages Other Other http://other.example/\n",
        );
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("Debian-Security; run `apt-get update`"),
            "{error}"
        );
    }

    #[test]
    fn versions_are_taken_from_the_table_once_each() {
        let table = "linux-source-6.1 |  6.1.192-2 | http://one.example bookworm-security/main amd64 Packages\n\
                     linux-source-6.1 |  6.1.192-2 | http://two.example bookworm/main amd64 Packages\n\
                     linux-source-6.1 |  6.1.176-1 | http://two.example bookworm/main amd64 Packages\n";
        assert_eq!(madison_versions(table), ["6.1.192-2", "6.1.176-1"]);
        assert!(madison_versions("").is_empty());
    }
}

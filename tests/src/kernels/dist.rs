// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Makes a release, and installs from it where there is neither a network nor Rust.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use kernel_lab::{Outcome, files, process};
use xshell::cmd;

use super::tree::is_restored;
use super::{expect, fetch_into};

/// The directories of programs in the search path of the release. No cargo is there.
const PATH: &str = "/usr/bin:/bin";

pub fn installs_alone(workdir: &Path) -> Outcome {
    let pristine = fetch_into(&workdir.join("pristine"))?;
    let dir = std::path::absolute(workdir.join("dist")).context("the directory")?;
    files::remove_dir(&dir)?;
    fs::create_dir_all(&dir).context("the directory")?;
    for program in PATH.split(':').map(|dir| Path::new(dir).join("cargo")) {
        expect(!program.exists(), || {
            format!("{}: the test needs a path without cargo", program.display())
        })?;
    }
    let archive = installer::dist(&dir, &[installer::HOST.to_owned()])?;
    let tree = fetch_into(&dir.join("trees"))?;
    let sh = process::shell_in(&dir)?;
    process::read(cmd!(sh, "tar --extract --file={archive}"))?;
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let release = dir.join(name.trim_end_matches(".tar.xz"));
    let xtask = release.join("bin").join(installer::HOST).join("xtask");
    // A new network has no connection, not even to this machine.
    let alone = |arguments: &[&str]| {
        let alone = cmd!(
            sh,
            "unshare --map-root-user --net env -i PATH={PATH} {xtask} {arguments...}"
        );
        process::read(alone)
    };
    let version = alone(&["--version"])?;
    let commit = version
        .split_once("(commit ")
        .map(|(_, rest)| rest.trim_end());
    let commit = commit.context("xtask --version names no commit")?;
    let tree_name = tree.display().to_string();
    alone(&["install", "--tree", &tree_name])?;
    let status = alone(&["status", "--tree", &tree_name])?;
    expect(status.contains(commit), || {
        format!("status does not name the commit of the release, {version}: {status}")
    })?;
    let tool = tree.join("scripts/lto/bin/lto-link");
    let said = process::read(cmd!(sh, "env -i {tool} --version"))?;
    expect(said.starts_with("lto-link "), || {
        format!("lto-link --version says {said}")
    })?;
    alone(&["install", "--tree", &tree_name, "--check"])?;
    alone(&["uninstall", "--tree", &tree_name])?;
    is_restored(&pristine, &tree, "uninstall by a release")?;
    Ok(files::remove_dir(&dir)?)
}

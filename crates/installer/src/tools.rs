// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The plugins' tools, built by cargo, or taken from the release that this program belongs to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::{process, progress, workspace};
use kernel_tree::Tool;
use serde::Deserialize;
use xshell::{Cmd, cmd};

/// One line of what cargo writes about a build; the others have no such `reason`.
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds the tools, or takes them from the release, and reads them.
pub(crate) fn build(tools: &[Tool]) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    if tools.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let executables = match workspace::release_tools() {
        Some(dir) => of_release(&dir, &names)?,
        None => built(&names)?,
    };
    tools
        .iter()
        .map(|Tool { name, plugin }| {
            let path = executables.get(name).with_context(|| {
                format!("{plugin}: the package {name} builds no binary of that name")
            })?;
            let content = fs::read(path).with_context(|| path.display().to_string())?;
            Ok((name.clone(), content))
        })
        .collect()
}

/// Returns the paths of the tools in the directory of a release's programs.
fn of_release(dir: &Path, names: &[&str]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let paths = names.iter().map(|name| (*name, dir.join(name)));
    let (there, missing): (Vec<_>, Vec<_>) = paths.partition(|(_, path)| path.is_file());
    anyhow::ensure!(
        missing.is_empty(),
        "{}: no {}: unpack the release again, or take the sources in it with `cargo xtask`",
        dir.display(),
        missing
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", no ")
    );
    progress::note(&format!("taking the tools from {}", dir.display()));
    Ok(there
        .into_iter()
        .map(|(name, path)| (name.to_owned(), path))
        .collect())
}

/// Builds one tool, and gives its path.
///
/// # Errors
/// It cannot be built.
pub fn built_tool(name: &str) -> anyhow::Result<PathBuf> {
    let mut paths = match workspace::release_tools() {
        Some(dir) => of_release(&dir, &[name])?,
        None => built(&[name])?,
    };
    let path = paths.remove(name);
    path.with_context(|| format!("the package {name} builds no binary of that name"))
}

/// Builds packages, and gives the paths of their executables by name.
fn built(packages: &[&str]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let sh = process::shell_in(workspace::root())?;
    let cargo = process::cargo();
    executables_of(cmd!(sh, "{cargo} build --release --quiet"), packages)
}

/// Runs a command of cargo that builds packages, and gives the paths of their executables by name.
pub(crate) fn executables_of(
    build: Cmd<'_>,
    packages: &[&str],
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let packages = packages.iter().flat_map(|package| ["--package", package]);
    let build = build
        .arg("--message-format=json-render-diagnostics")
        .args(packages);
    let shown = build.to_string();
    progress::note(&format!("building the tools: {shown}"));
    // cargo reports errors of the compiler itself, on stderr.
    let said = build.quiet().read()?;
    executables(&said).with_context(|| format!("what `{shown}` wrote"))
}

/// The executables that cargo says it built, by name.
fn executables(said: &str) -> serde_json::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for line in said.lines() {
        let Artifact {
            reason,
            target,
            executable,
        } = serde_json::from_str(line)?;
        if reason == "compiler-artifact"
            && let (Some(Target { name }), Some(path)) = (target, executable)
        {
            found.insert(name, path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_built_is_read_from_what_it_says() {
        let said = r#"{"reason":"compiler-artifact","target":{"name":"a-lib"},"executable":null}
{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","target":{"name":"a-tool","kind":["bin"]},"executable":"/t/a-tool"}
{"reason":"build-finished","success":true}
"#;
        let found = executables(said).unwrap();
        assert_eq!(found, [("a-tool".into(), "/t/a-tool".into())].into());
        assert!(executables("Compiling").is_err());
    }

    #[test]
    fn the_tools_of_a_release_are_taken_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let error = of_release(dir.path(), &["a", "b"]).unwrap_err().to_string();
        assert!(error.contains("no a, no b"), "{error}");
        for name in ["a", "b"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let found = of_release(dir.path(), &["b"]).unwrap();
        assert_eq!(found, [("b".into(), dir.path().join("b"))].into());
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The plugins' tools, built by cargo.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use kernel_lab::{process, progress, workspace};
use kernel_tree::Tool;
use serde::Deserialize;
use xshell::cmd;

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

/// Builds the tools, and reads them.
pub(crate) fn build(tools: &[Tool]) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    if tools.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let executables = built(&names)?;
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

/// Builds one tool, and gives its path.
///
/// # Errors
/// It cannot be built.
pub fn built_tool(name: &str) -> anyhow::Result<PathBuf> {
    let path = built(&[name])?.remove(name);
    path.with_context(|| format!("the package {name} builds no binary of that name"))
}

/// Builds packages, and gives the paths of their executables by name.
fn built(packages: &[&str]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let sh = process::shell_in(workspace::root())?;
    let packages = packages.iter().flat_map(|package| ["--package", package]);
    let build = cmd!(
        sh,
        "{cargo} build --release --quiet --message-format=json-render-diagnostics {packages...}"
    );
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
}

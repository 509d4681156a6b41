// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Builds kernels without LTO from trees with a part of the plugins, and compares them with the kernel of the
//! untouched tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_bench::page;
use kernel_lab::config::{self, Lto, Profile};
use kernel_lab::files::{self, read, write};
use kernel_lab::{Arch, Failure, KERNEL, Outcome, llvm, make, process, workspace};
use kernel_tree::{Plugin, Table};
use walkdir::WalkDir;

use super::tree::install;
use super::{REPRODUCIBLE, expect, fetch_into};

pub fn arm64(workdir: &Path) -> Outcome {
    of(workdir, Arch::Arm64)
}

pub fn x86_64(workdir: &Path) -> Outcome {
    of(workdir, Arch::X86_64)
}

/// A part of the plugins.
#[derive(Debug, PartialEq, Eq)]
struct Subset {
    /// Its name in the table.
    name: String,
    plugins: BTreeSet<String>,
}

/// Returns each plugin alone, with those that it requires, then all plugins without one and those that require
/// it, then all. Equal subsets are built once.
fn subsets(table: &Table) -> Vec<Subset> {
    let plugins: Vec<&Plugin> = table.plugins().collect();
    let mut found: Vec<Subset> = Vec::new();
    let mut add = |name: String, plugins: BTreeSet<String>| {
        if !found.iter().any(|known| known.plugins == plugins) {
            found.push(Subset { name, plugins });
        }
    };
    for plugin in &plugins {
        let mut chosen = BTreeSet::from([plugin.name.to_owned()]);
        // Required plugins precede those that require them.
        for other in plugins.iter().rev() {
            if chosen.contains(other.name) {
                chosen.extend(other.requires.iter().cloned());
            }
        }
        let name = chosen.iter().cloned().collect::<Vec<_>>().join(", ");
        add(name, chosen);
    }
    for plugin in &plugins {
        let mut left_out = BTreeSet::from([plugin.name.to_owned()]);
        for other in &plugins {
            if other.requires.iter().any(|name| left_out.contains(name)) {
                left_out.insert(other.name.to_owned());
            }
        }
        let names = left_out.iter().cloned().collect::<Vec<_>>().join(", ");
        let kept = plugins.iter().map(|plugin| plugin.name.to_owned());
        let kept = kept.filter(|name| !left_out.contains(name)).collect();
        add(format!("all but {names}"), kept);
    }
    let all = plugins.iter().map(|plugin| plugin.name.to_owned());
    add("all".to_owned(), all.collect());
    found
}

/// The built files of a kernel, by their paths in the object tree.
type Kernel = BTreeMap<PathBuf, Vec<u8>>;

/// Builds a small kernel without LTO and returns vmlinux and the modules.
fn built(arch: Arch, tree: &Path, objtree: &Path) -> Result<Kernel, Failure> {
    files::remove_dir(objtree)?;
    config::configure(config::Options {
        tree,
        arch,
        objtree,
        profile: Profile::Tiny,
        lto: Lto::None,
        set: &[],
    })?;
    let mut make = make(tree, arch, objtree, &llvm::bin_dir()?)?;
    make.args(["-s", &format!("-j{}", tool_io::cpus()), "all"]);
    process::output(make.args(REPRODUCIBLE))?;
    let mut kernel = Kernel::new();
    for entry in WalkDir::new(objtree).sort_by_file_name() {
        let path = entry.context("the object tree")?.into_path();
        let is_module = path.extension().is_some_and(|end| end == "ko");
        if is_module || path == objtree.join("vmlinux") {
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            let relative = path.strip_prefix(objtree).unwrap_or(&path).to_owned();
            kernel.insert(relative, bytes);
        }
    }
    expect(kernel.len() >= 2, || {
        format!("{}: vmlinux and a module are not there", objtree.display())
    })?;
    Ok(kernel)
}

/// Returns whether Kconfig offered LTO when it wrote the configuration.
fn offers_lto(objtree: &Path) -> anyhow::Result<bool> {
    Ok(read(&objtree.join(".config"))?.contains("CONFIG_LTO_CLANG_THIN"))
}

/// Returns whether the plugins are all that LTO needs for the configuration.
fn suffice(plugins: &BTreeSet<String>, objtree: &Path) -> anyhow::Result<bool> {
    let config = read(&objtree.join(".config"))?;
    let is_set = |option: &str| config.contains(&format!("\nCONFIG_{option}=y\n"));
    let mut needed = plugin_table::needed_for_lto().into_iter();
    Ok(needed.all(|needed| {
        let applies = needed.with.as_deref().is_none_or(is_set);
        !applies || plugins.contains(&needed.plugin)
    }))
}

/// Returns the files that differ between two kernels.
fn differing(one: &Kernel, other: &Kernel) -> Vec<String> {
    let paths: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differing = paths
        .into_iter()
        .filter(|path| one.get(*path) != other.get(*path));
    differing.map(|path| path.display().to_string()).collect()
}

fn of(workdir: &Path, arch: Arch) -> Outcome {
    let table = plugin_table::table().context("the plugins")?;
    let pristine = fetch_into(&workdir.join("pristine"))?;
    let tree = fetch_into(&workdir.join("second"))?;
    let objtree = workdir.join(format!("subsets-{}", arch.name()));
    let untouched = built(arch, &pristine, &objtree)?;
    // The declared changes of a subset, and the first kernel that was built with these changes.
    let mut changed: Vec<(Vec<&str>, Kernel)> = vec![(Vec::new(), untouched)];
    let mut rows = String::new();
    let mut wrong = Vec::new();
    for Subset { name, plugins } in subsets(&table) {
        let names: Vec<String> = plugins.iter().cloned().collect();
        install(&tree, &names)?;
        let kernel = built(arch, &tree, &objtree)?;
        let (offered, whole) = (offers_lto(&objtree)?, suffice(&plugins, &objtree)?);
        if offered != whole {
            wrong.push(format!(
                "{name}: LTO is offered: {offered}, and its plugins are there: {whole}"
            ));
        }
        let says = table
            .plugins()
            .filter(|plugin| plugins.contains(plugin.name));
        let says: Vec<&str> = says
            .filter_map(|plugin| plugin.without_lto.as_deref())
            .collect();
        let known = changed.iter().find(|(said, _)| *said == says);
        let differing = if let Some((_, expected)) = known {
            differing(expected, &kernel)
        } else {
            let found = differing(&changed[0].1, &kernel);
            changed.push((says.clone(), kernel));
            // A module has nothing of what plugins change.
            found.into_iter().filter(|path| path != "vmlinux").collect()
        };
        if !differing.is_empty() {
            wrong.push(format!("{name}: differs: {}", differing.join(", ")));
        }
        let offered = if offered { "yes" } else { "no" };
        let same = match (differing.is_empty(), says.as_slice()) {
            (false, _) => format!("**differs**: {}", differing.join(", ")),
            (true, []) => "the same bytes".to_owned(),
            (true, says) => says.join("; "),
        };
        // Writing to a String does not fail.
        let _ = writeln!(rows, "| {name} | {offered} | {same} |");
    }
    install(&tree, &[])?;
    files::remove_dir(&objtree)?;
    let title = format!(
        "Subsets of the plugins in Linux {KERNEL}, {}, without LTO",
        page::kernel_name(KERNEL, arch, Profile::Tiny)
    );
    let mut text = page::head(&title, "test --wide --only \"subset of plugins\"")?;
    text += "A kernel without LTO is built from a tree with each subset, and vmlinux and the modules are compared\n\
             with those of the untouched tree, byte by byte. LTO is offered if the subset has every plugin that\n\
             this configuration needs.\n\n\
             | plugins | LTO is offered | vmlinux and modules |\n|---|---|---|\n";
    text += &rows;
    let page = format!("subsets-{}", page::page_name(KERNEL, arch, Profile::Tiny));
    write(&workspace::root().join("docs/results").join(page), &text)?;
    expect(wrong.is_empty(), || wrong.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plugin_is_alone_once_and_missing_once() {
        let table = plugin_table::table().unwrap();
        let subsets = subsets(&table);
        for plugin in table.plugins() {
            let requires: BTreeSet<String> = plugin.requires.iter().cloned().collect();
            let mut alone = requires.clone();
            alone.insert(plugin.name.to_owned());
            assert!(
                subsets.iter().any(|one| one.plugins == alone),
                "{}",
                plugin.name
            );
            let without = subsets
                .iter()
                .filter(|one| one.name.starts_with("all but "));
            let without: Vec<_> = without
                .filter(|one| !one.plugins.contains(plugin.name))
                .collect();
            assert!(!without.is_empty(), "{}", plugin.name);
        }
        for one in &subsets {
            let names: Vec<_> = one.plugins.iter().collect();
            table
                .select(&names)
                .unwrap_or_else(|error| panic!("{}: {error}", one.name));
        }
        // The untouched tree is the first kernel, and every name is clear.
        let names: BTreeSet<_> = subsets.iter().map(|one| &one.name).collect();
        assert_eq!(names.len(), subsets.len());
    }

    #[test]
    fn a_changed_and_a_lost_file_differ() {
        let kernel = |files: &[(&str, &str)]| -> Kernel {
            let files = files.iter();
            files
                .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
                .collect()
        };
        let one = kernel(&[("vmlinux", "a"), ("a.ko", "b"), ("b.ko", "c")]);
        assert_eq!(differing(&one, &one), [""; 0]);
        let other = kernel(&[("vmlinux", "a"), ("a.ko", "x")]);
        assert_eq!(differing(&one, &other), ["a.ko", "b.ko"]);
    }
}

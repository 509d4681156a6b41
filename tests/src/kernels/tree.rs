// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Installs plugins into a real tree, and checks that they can be removed.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use kernel_lab::Arch;
use kernel_lab::config::{self, Lto, Setting};
use kernel_lab::files::read;
use kernel_lab::process;
use kernel_lab::{Failure, Outcome};
use kernel_tree::OnChange;
use xshell::cmd;

use super::{PROFILE, configure, expect, fault, fetch_into};

/// Installs these plugins, or all if none is named.
pub(super) fn install(tree: &Path, plugins: &[String]) -> Outcome {
    installer::install(&installer::Options::new(tree, plugins))?;
    Ok(())
}

pub fn uninstall(workdir: &Path) -> Outcome {
    let pristine = fetch_into(&workdir.join("pristine"))?;
    let tree = fetch_into(&workdir.join("second"))?;
    install(&tree, &[])?;
    let sh = process::shell()?;
    let diff = cmd!(sh, "diff -rq --no-dereference {pristine} {tree}");
    expect(process::read(diff).is_err(), || {
        "install changed nothing".into()
    })?;
    headers_have_the_tools_alone(&tree)?;
    installer::uninstall(&tree, OnChange::Refuse)?;
    is_restored(&pristine, &tree, "uninstall")?;
    install(&tree, &[])?;
    fs::remove_dir_all(tree.join("scripts/lto/.install")).context("the record")?;
    installer::uninstall_by_text(&tree)?;
    is_restored(&pristine, &tree, "uninstall by text")?;
    install(&tree, &[])
}

/// Checks that a package of headers has the tools, and not the record.
fn headers_have_the_tools_alone(tree: &Path) -> Outcome {
    let tool = "scripts/lto/bin/lto-link";
    for (list, listed) in headers(tree)? {
        expect(listed.lines().any(|file| file == tool), || {
            format!("packages of headers lack {tool}, by {list}")
        })?;
    }
    headers_lack_the_record(tree)
}

/// Checks that no package of headers has a file of the record.
pub(super) fn headers_lack_the_record(tree: &Path) -> Outcome {
    for (list, listed) in headers(tree)? {
        let in_record = listed.lines().find(|file| file.contains("/.install/"));
        expect(in_record.is_none(), || {
            format!("packages of headers have {in_record:?}, by {list}")
        })?;
    }
    Ok(())
}

/// Returns the commands by which the tree lists the files below scripts/ for packages of headers, and what they
/// print. A kernel may be built in its source tree, so the list of built files counts, too.
fn headers(tree: &Path) -> anyhow::Result<Vec<(String, String)>> {
    // Since Linux 6.5, packages for Debian and RPM share a script.
    let shared = tree.join("scripts/package/install-extmod-build");
    let (script, n_lists) = if shared.exists() {
        (read(&shared)?, 1)
    } else {
        (read(&tree.join("scripts/package/builddeb"))?, 2)
    };
    let function = "find_in_scripts() {";
    let lists: Vec<String> = if let Some((_, after)) = script.split_once(function) {
        let (body, _) = after.split_once("\n}").context("a function without end")?;
        vec![body.to_owned()]
    } else {
        let lists = script.lines().map(str::trim_start);
        let lists =
            lists.filter(|line| line.starts_with("find ") && line.contains(" include scripts "));
        lists.map(str::to_owned).collect()
    };
    anyhow::ensure!(lists.len() == n_lists, "headers are listed by {lists:?}");
    let sh = process::shell_in(tree)?;
    sh.set_var("SRCARCH", "arm64");
    let mut listed = Vec::new();
    for list in lists {
        // Files of a build are missing, which is no fault of the tree.
        let command = format!("{list}\n:");
        let files = process::read(cmd!(sh, "sh -c {command}"))?;
        listed.push((list, files));
    }
    Ok(listed)
}

/// Checks that a tree is as it was before the install.
pub(super) fn is_restored(pristine: &Path, tree: &Path, how: &str) -> Outcome {
    let sh = process::shell()?;
    let diff = cmd!(sh, "diff -r --no-dereference {pristine} {tree}");
    process::read(diff).map_err(|error| fault(format!("{how} left: {error:#}")))?;
    Ok(())
}

/// All plugins except mcount-loc, which 64-bit Arm does not need.
const PLUGINS: [&str; 7] = [
    "lto-link",
    "initcall-order",
    "modversions",
    "section-merge",
    "mod-dedup",
    "prel32-fix",
    "lto-disable",
];

/// LTO cannot be chosen if a plugin that this configuration needs is missing.
pub fn gates(workdir: &Path) -> Outcome {
    let tree = fetch_into(&workdir.join("second"))?;
    let objtree = workdir.join("gates");
    for missing in ["modversions", "section-merge", "prel32-fix", "lto-disable"] {
        let plugins: Vec<String> = PLUGINS
            .iter()
            .filter(|name| **name != missing)
            .map(|name| (*name).to_owned())
            .collect();
        install(&tree, &plugins)?;
        configure(&tree, &objtree, Lto::None, &[])?;
        refused(&tree, &objtree, &[], &format!("without {missing}"))?;
    }
    for plugins in WITHOUT_OPTION {
        let plugins: Vec<String> = plugins.iter().map(|name| (*name).to_owned()).collect();
        install(&tree, &plugins)?;
        refused(&tree, &objtree, &[], &format!("with {plugins:?} alone"))?;
    }
    install(&tree, &[])?;
    configure(&tree, &objtree, Lto::Thin, &[])
}

/// Subsets of the plugins that have no option for LTO, or lack the initcalls' order.
const WITHOUT_OPTION: [&[&str]; 2] = [
    &["initcall-order", "section-merge", "prel32-fix", "profile"],
    &["lto-link", "section-merge", "lto-disable"],
];

/// Checks that thin LTO cannot be chosen with these settings.
fn refused(tree: &Path, objtree: &Path, set: &[Setting], how: &str) -> Outcome {
    match configure(tree, objtree, Lto::Thin, set) {
        Err(Failure::Fault(error)) if error.to_string().contains("LTO_CLANG_THIN") => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(fault(format!("LTO is offered {how}"))),
    }
}

/// Kconfig determines the program that makes the table of traced calls; without one, there is no LTO.
pub fn recorders(workdir: &Path) -> Outcome {
    let tree = fetch_into(&workdir.join("second"))?;
    let configured = |arch, lto, recorder: &str| {
        let set = RECORDERS.map(|name| {
            let value = if name == recorder { "y" } else { "n" };
            format!("FTRACE_MCOUNT_USE_{name}={value}").parse::<Setting>()
        });
        config::configure(config::Options {
            tree: &tree,
            arch,
            objtree: &workdir.join(format!("recorders-{}", arch.name())),
            profile: PROFILE,
            lto,
            set: &set.into_iter().collect::<anyhow::Result<Vec<_>>>()?,
        })
    };
    install(&tree, &[])?;
    configured(Arch::Arm64, Lto::Thin, "PATCHABLE_FUNCTION_ENTRY")?;
    configured(Arch::Arm64, Lto::None, "PATCHABLE_FUNCTION_ENTRY")?;
    configured(Arch::X86_64, Lto::Thin, "MCOUNT_LOC")?;
    let plugins: Vec<String> = PLUGINS.map(str::to_owned).into();
    install(&tree, &plugins)?;
    configured(Arch::X86_64, Lto::None, "RECORDMCOUNT")?;
    match configured(Arch::X86_64, Lto::Thin, "RECORDMCOUNT") {
        Err(Failure::Fault(error)) if error.to_string().contains("LTO_CLANG_THIN") => {}
        Err(error) => return Err(error),
        Ok(()) => return Err(fault("LTO is offered without mcount-loc")),
    }
    install(&tree, &[])
}

/// The ends of the options that name the program.
const RECORDERS: [&str; 4] = [
    "PATCHABLE_FUNCTION_ENTRY",
    "CC",
    "MCOUNT_LOC",
    "RECORDMCOUNT",
];

/// Options that do not work with LTO and can be chosen without it, and the options that exclude them.
const CONFLICTS: [&[&str]; 5] = [
    &["DEBUG_INFO_SPLIT=y", "DEBUG_INFO=y"],
    &["KASAN=y"],
    &["KCOV=y"],
    &["GCOV_KERNEL=y"],
    &["CPU_BIG_ENDIAN=y", "EFI=n"],
];

pub fn refusals(workdir: &Path) -> Outcome {
    let tree = fetch_into(&workdir.join("second"))?;
    let objtree = workdir.join("gates");
    install(&tree, &[])?;
    for options in CONFLICTS {
        let set = options.iter().map(|option| option.parse::<Setting>());
        let set = set.collect::<anyhow::Result<Vec<_>>>()?;
        configure(&tree, &objtree, Lto::None, &set)?;
        refused(&tree, &objtree, &set, &format!("with {}", options[0]))?;
    }
    Ok(())
}

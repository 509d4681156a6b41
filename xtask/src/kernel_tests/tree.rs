// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What an install does to a real tree, and that it can be taken back.

use std::path::Path;
use std::process::Command;

use super::{configure, expect, fault, fetch_into};
use crate::install;
use crate::kernel::config::{Lto, Setting};
use crate::outcome::{Failure, Outcome};
use crate::{process, uninstall};

/// Installs these plugins, all if none is named.
fn install(tree: &Path, plugins: &[String]) -> Outcome {
    install::install(&install::Options {
        tree,
        plugins,
        discard_changes: false,
    })?;
    Ok(())
}

pub fn uninstall(workdir: &Path) -> Outcome {
    let pristine = fetch_into(&workdir.join("pristine"))?;
    let tree = fetch_into(&workdir.join("second"))?;
    install(&tree, &[])?;
    let mut diff = Command::new("diff");
    diff.args(["-rq", "--no-dereference"])
        .args([&pristine, &tree]);
    expect(process::output(&mut diff).is_err(), || {
        "install changed nothing".into()
    })?;
    uninstall::uninstall(&tree, false)?;
    let mut diff = Command::new("diff");
    diff.args(["-r", "--no-dereference"])
        .args([&pristine, &tree]);
    process::output(&mut diff).map_err(|error| fault(format!("uninstall left: {error:#}")))?;
    install(&tree, &[])
}

/// Each choice of plugins without one that this configuration takes.
pub fn gates(workdir: &Path) -> Outcome {
    let tree = fetch_into(&workdir.join("second"))?;
    let objtree = workdir.join("gates");
    let all = [
        "lto-link",
        "initcall-order",
        "modversions",
        "section-merge",
        "mod-dedup",
        "prel32-fix",
        "lto-disable",
    ];
    for missing in ["modversions", "section-merge", "prel32-fix", "lto-disable"] {
        let plugins: Vec<String> = all
            .iter()
            .filter(|name| **name != missing)
            .map(|name| (*name).to_owned())
            .collect();
        install(&tree, &plugins)?;
        configure(&tree, &objtree, Lto::None, &[])?;
        refused(&tree, &objtree, &[], &format!("without {missing}"))?;
    }
    install(&tree, &[])?;
    configure(&tree, &objtree, Lto::Thin, &[])
}

/// Thin LTO must not be had with these settings.
fn refused(tree: &Path, objtree: &Path, set: &[Setting], how: &str) -> Outcome {
    match configure(tree, objtree, Lto::Thin, set) {
        Err(Failure::Fault(error)) if error.to_string().contains("LTO_CLANG_THIN") => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(fault(format!("LTO is offered {how}"))),
    }
}

/// What does not work with LTO, each of which can be had without.
const CONFLICTS: [&str; 4] = ["KASAN", "KCOV", "GCOV_KERNEL", "CPU_BIG_ENDIAN"];

pub fn refusals(workdir: &Path) -> Outcome {
    let tree = fetch_into(&workdir.join("second"))?;
    let objtree = workdir.join("gates");
    install(&tree, &[])?;
    for option in CONFLICTS {
        let set = [format!("{option}=y").parse::<Setting>()?];
        configure(&tree, &objtree, Lto::None, &set)?;
        refused(&tree, &objtree, &set, &format!("with {option}"))?;
    }
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What an install does to a real tree, and that it can be taken back.

use std::path::Path;
use std::process::Command;

use super::{configure, expect, fault, fetch_into};
use crate::install;
use crate::kernel::config::Lto;
use crate::outcome::{Failure, Outcome};
use crate::{process, uninstall};

pub fn uninstall(workdir: &Path) -> Outcome {
    let pristine = fetch_into(&workdir.join("pristine"))?;
    let tree = fetch_into(&workdir.join("second"))?;
    install::install(&install::Options {
        tree: &tree,
        plugins: &[],
        discard_changes: false,
    })?;
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
    install::install(&install::Options {
        tree: &tree,
        plugins: &[],
        discard_changes: false,
    })?;
    Ok(())
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
        install::install(&install::Options {
            tree: &tree,
            plugins: &plugins,
            discard_changes: false,
        })?;
        configure(&tree, &objtree, Lto::None, &[])?;
        match configure(&tree, &objtree, Lto::Thin, &[]) {
            Err(Failure::Fault(error)) if error.to_string().contains("LTO_CLANG_THIN") => {}
            Err(error) => return Err(error),
            Ok(()) => return Err(fault(format!("LTO is offered without {missing}"))),
        }
    }
    install::install(&install::Options {
        tree: &tree,
        plugins: &[],
        discard_changes: false,
    })?;
    configure(&tree, &objtree, Lto::Thin, &[])
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A module of our own, `guest/smash`, that overwrites its stack.

use crate::arch::Arch;
use crate::llvm;
use crate::make;
use crate::modules::Module;
use crate::process;
use anyhow::Context as _;
use std::path::Path;
use tempfile::TempDir;

const KBUILD: &str = include_str!("../../guest/smash/Kbuild");
const SOURCE: &str = include_str!("../../guest/smash/smash.c");

/// What lkdtm's `CORRUPT_STACK` is for, as a module that every compiler leaves alone.
pub struct Smasher {
    /// The module.
    pub module: Module,
    /// Where it is.
    _dir: TempDir,
}

/// Builds the module for the kernel in `objtree`, as any external module is built. Nothing is
/// written there.
///
/// # Errors
/// The kernel tree that `objtree` was built from is gone, or the module does not build.
pub fn build(arch: Arch, objtree: &Path) -> anyhow::Result<Smasher> {
    let dir = tempfile::tempdir().context("a directory for a module")?;
    for (name, text) in [("Kbuild", KBUILD), ("smash.c", SOURCE)] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    // An object tree that is not the kernel tree itself has a link to it.
    let link = objtree.join("source");
    let tree = if link.is_symlink() {
        std::fs::canonicalize(&link)
            .with_context(|| format!("{}: the kernel tree is gone", link.display()))?
    } else {
        objtree.to_owned()
    };
    let mut make = make(&tree, arch, objtree, &llvm::bin_dir()?)?;
    process::output(
        make.arg(format!("M={}", dir.path().display()))
            .arg("modules"),
    )?;
    Ok(Smasher {
        module: Module::read(&dir.path().join("smash.ko"))?,
        _dir: dir,
    })
}

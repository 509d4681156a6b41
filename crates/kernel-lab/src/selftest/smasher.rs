// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A module of this crate, `guest/smash`, that overwrites its stack.

use std::path::Path;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::arch::Arch;
use crate::modules::Module;
use crate::{llvm, make, process};

const KBUILD: &str = include_str!("../../guest/smash/Kbuild");
const SOURCE: &str = include_str!("../../guest/smash/smash.c");

/// The built module. It does the same as lkdtm's `CORRUPT_STACK`, in a way that no compiler
/// optimizes away.
pub struct Smasher {
    /// The module.
    pub module: Module,
    /// Its temporary directory.
    _dir: TempDir,
}

/// Builds the module against the kernel in `objtree`, as an external module. Nothing is written to
/// `objtree`.
///
/// # Errors
/// The source tree of `objtree` does not exist any more, or the module does not build.
pub fn build(arch: Arch, objtree: &Path) -> anyhow::Result<Smasher> {
    let dir = tempfile::tempdir().context("a directory for a module")?;
    for (name, text) in [("Kbuild", KBUILD), ("smash.c", SOURCE)] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    // An object tree outside the kernel tree contains a link to the kernel tree.
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

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs make for a kernel.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::Arch;

/// Variables that an outer make or kernel build may have left in the environment, and that would
/// change the kernel.
const NOT_INHERITED: [&str; 9] = [
    "GNUMAKEFLAGS",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "KBUILD_EXTMOD",
    "KBUILD_OUTPUT",
    "KCONFIG_ALLCONFIG",
    "KCONFIG_CONFIG",
    "LOCALVERSION",
];

/// Returns the command `make` for a kernel tree, an object tree and an architecture, with the LLVM
/// tools in `llvm`.
///
/// # Errors
/// `tree` is not a kernel tree, or a path contains a character that make cannot handle.
pub fn make(tree: &Path, arch: Arch, objtree: &Path, llvm: &Path) -> anyhow::Result<Command> {
    for file in ["Makefile", "Kconfig"] {
        let tree = tree.display();
        anyhow::ensure!(
            Path::new(&format!("{tree}/{file}")).is_file(),
            "{tree}: not a kernel tree: no {file}"
        );
    }
    let mut make = Command::new("make");
    for variable in NOT_INHERITED {
        make.env_remove(variable);
    }
    make.arg("-C")
        .arg(for_make(tree)?)
        .arg(assigned("O", &for_make(objtree)?))
        .arg(format!("ARCH={}", arch.name()))
        .arg(format!("CROSS_COMPILE={}", arch.cross_compile()))
        .args(["LLVM=1", "LLVM_IAS=1"])
        .env("PATH", path_with(llvm)?)
        .env("LC_ALL", "C");
    Ok(make)
}

/// Returns the absolute path, which must contain no space and no colon.
fn for_make(path: &Path) -> anyhow::Result<OsString> {
    let absolute = std::path::absolute(path).with_context(|| path.display().to_string())?;
    let shown = absolute.to_string_lossy();
    let fits = !shown.contains([' ', ':']);
    anyhow::ensure!(
        fits,
        "{shown}: the kernel's Makefile takes no path with a space or a colon"
    );
    Ok(absolute.into_os_string())
}

fn assigned(variable: &str, value: &OsString) -> OsString {
    let mut text = OsString::from(variable);
    text.push("=");
    text.push(value);
    text
}

/// Returns the search path with `first` in front: trees before 5.18 know only `LLVM=1`.
///
/// # Errors
/// `first` cannot be a part of a search path.
pub fn path_with(first: &Path) -> anyhow::Result<OsString> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(first.to_owned()).chain(std::env::split_paths(&rest));
    std::env::join_paths(dirs).with_context(|| format!("{} in PATH", first.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_no_kernel_tree_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("Makefile"), "").unwrap();
        let error = make(dir.path(), Arch::Arm64, dir.path(), dir.path()).unwrap_err();
        assert!(
            error.to_string().ends_with("not a kernel tree: no Kconfig"),
            "{error}"
        );
    }

    #[test]
    fn a_path_that_make_would_split_is_refused() {
        let error = for_make(Path::new("/build/a b")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("/build/a b: the kernel's Makefile"),
            "{error}"
        );
        assert!(for_make(Path::new("/build/a:b")).is_err());
        assert_eq!(for_make(Path::new("/build/a")).unwrap(), "/build/a");
    }

    #[test]
    fn the_llvm_directory_comes_first_in_the_path() {
        let path = path_with(Path::new("/opt/llvm/bin")).unwrap();
        assert_eq!(
            std::env::split_paths(&path).next().unwrap(),
            Path::new("/opt/llvm/bin")
        );
    }
}

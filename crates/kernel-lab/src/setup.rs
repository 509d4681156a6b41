// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The system packages that building and booting a kernel needs.

use crate::apt;
use crate::arch::Arch;
use crate::llvm;
use crate::progress;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// What must be there, and whether it may be installed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The architecture that kernels will be built for.
    pub arch: Arch,
    /// Whether missing packages are installed.
    pub install: bool,
}

/// A thing that a kernel build, or what is done around it, calls or reads.
#[derive(Clone, Copy, Debug)]
struct Need {
    /// A program of the search path, or an absolute path.
    thing: &'static str,
    /// The Debian package that has it.
    package: &'static str,
}

const fn need(thing: &'static str, package: &'static str) -> Need {
    Need { thing, package }
}

/// What kernels of every architecture need. With `LLVM=1` the programs of the host are compiled by
/// clang, whose package brings the C library and the linker that takes.
const ALWAYS: [Need; 7] = [
    need("make", "make"),
    // kernel/time/timeconst.bc
    need("bc", "bc"),
    // The parsers of Kconfig, of device trees and of genksyms.
    need("bison", "bison"),
    need("flex", "flex"),
    // The file system of a guest that is measured.
    need("/sbin/mke2fs", "e2fsprogs"),
    // The kernel's source in its package.
    need("xz", "xz-utils"),
    need(apt::KEYRING, "debian-archive-keyring"),
];

/// What objtool is linked with.
const X86_64: [Need; 1] = [need("/usr/include/libelf.h", "libelf-dev")];

/// What only the tests of this repository call.
const TESTS: [Need; 3] = [
    // What `make C=1` runs.
    need("sparse", "sparse"),
    // The pages of `cargo xtask report` are drawn in it.
    need("chromium", "chromium"),
    USER_MODE_EMULATION,
];

/// What runs small programs that are linked for both architectures. The package has both.
const USER_MODE_EMULATION: Need = need("qemu-aarch64-static", "qemu-user-static");

/// The LLVM versions that kernels were built with, newest first.
const LLVM_VERSIONS: [u32; 2] = [22, llvm::OLDEST];

/// Sees to it that everything that a kernel build needs is there.
///
/// # Errors
/// Something is missing and may not or could not be installed; the error names the packages.
pub fn ensure(options: Options) -> anyhow::Result<()> {
    let Options { arch, install } = options;
    let mut packages = missing(arch, in_search_path);
    let needs_llvm = needs_llvm()?;
    if packages.is_empty() && !needs_llvm {
        return Ok(());
    }
    let mut named = packages.clone();
    if needs_llvm {
        named.extend(llvm_packages(packaged_llvm().unwrap_or(LLVM_VERSIONS[0])));
    }
    let named = format!("missing packages: {}", named.join(" "));
    anyhow::ensure!(install, named);

    apt::update().context(named)?;
    if needs_llvm {
        let version = packaged_llvm().with_context(|| {
            let variable = llvm::VARIABLE;
            format!("apt has no clang of version {LLVM_VERSIONS:?}; set {variable} to the bin directory of one")
        })?;
        packages.extend(llvm_packages(version));
    }
    progress::note(&format!("installing {}", packages.join(" ")));
    apt::install(&packages)?;
    found(&missing(arch, in_search_path))?;
    llvm::bin_dir().map(|_| ())
}

/// Sees to it that what only the tests of this repository call is there; if `install`, what is missing
/// is installed.
///
/// # Errors
/// As those of [`ensure`].
pub fn ensure_for_tests(install: bool) -> anyhow::Result<()> {
    let packages = absent(&TESTS, in_search_path);
    if packages.is_empty() {
        return Ok(());
    }
    let named = format!("missing packages: {}", packages.join(" "));
    anyhow::ensure!(install, named);
    install_packages(&packages)?;
    found(&absent(&TESTS, in_search_path))
}

/// Sees to it that QEMU's user mode is there, which runs programs of another architecture.
///
/// # Errors
/// As those of [`ensure`].
pub fn ensure_user_mode_emulation() -> anyhow::Result<()> {
    let packages = absent(&[USER_MODE_EMULATION], in_search_path);
    if packages.is_empty() {
        return Ok(());
    }
    install_packages(&packages)?;
    found(&absent(&[USER_MODE_EMULATION], in_search_path))
}

/// Sees to it that LLVM of this version is there, beside the one that is used by default, and gives the
/// directory of its tools.
///
/// # Errors
/// It cannot be installed, or lacks a tool then.
pub fn ensure_llvm(version: u32) -> anyhow::Result<PathBuf> {
    let dir = PathBuf::from(format!("/usr/lib/llvm-{version}/bin"));
    if llvm::complete(&dir).is_err() {
        install_packages(&llvm_packages(version))?;
        llvm::complete(&dir)?;
    }
    Ok(dir)
}

fn install_packages(packages: &[String]) -> anyhow::Result<()> {
    let named = packages.join(" ");
    apt::update().with_context(|| format!("missing packages: {named}"))?;
    progress::note(&format!("installing {named}"));
    apt::install(packages)
}

/// Nothing that was installed is still missing.
fn found(left: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(
        left.is_empty(),
        "installed, but what they are for is not found: {}",
        left.join(" ")
    );
    Ok(())
}

fn in_search_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Whether LLVM is to be installed. If a directory was named, that is the one that counts, whatever
/// is installed.
fn needs_llvm() -> anyhow::Result<bool> {
    match llvm::bin_dir() {
        Ok(_) => Ok(false),
        Err(error) if std::env::var_os(llvm::VARIABLE).is_some() => Err(error),
        Err(_) => Ok(true),
    }
}

/// The packages of the things that are not there. `in_path` says whether a program is found.
fn missing(arch: Arch, in_path: impl Fn(&str) -> bool) -> Vec<String> {
    let for_arch: &[Need] = match arch {
        Arch::Arm64 => &[],
        Arch::X86_64 => &X86_64,
    };
    let qemu = need(arch.qemu(), arch.qemu_package());
    let needs = ALWAYS.iter().chain(for_arch).chain(std::iter::once(&qemu));
    absent(needs, in_path)
}

/// The packages of those of `needs` that are not there.
fn absent<'need>(
    needs: impl IntoIterator<Item = &'need Need>,
    in_path: impl Fn(&str) -> bool,
) -> Vec<String> {
    let there = |thing: &str| {
        if thing.starts_with('/') {
            Path::new(thing).exists()
        } else {
            in_path(thing)
        }
    };
    needs
        .into_iter()
        .filter(|need| !there(need.thing))
        .map(|need| need.package.to_owned())
        .collect()
}

/// The newest LLVM that kernels were built with and that apt has.
fn packaged_llvm() -> Option<u32> {
    LLVM_VERSIONS.into_iter().find(|version| {
        llvm_packages(*version)
            .iter()
            .all(|package| apt::has(package))
    })
}

fn llvm_packages(version: u32) -> [String; 3] {
    ["clang", "lld", "llvm"].map(|tool| format!("{tool}-{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_found_is_named_by_its_package() {
        assert_eq!(
            missing(Arch::Arm64, |thing| thing != "xz"
                && thing != "qemu-system-aarch64"),
            ["xz-utils", "qemu-system-arm"]
        );
        assert!(missing(Arch::X86_64, |_| false).contains(&"qemu-system-x86".to_owned()));
        assert!(missing(Arch::Arm64, |_| true).is_empty());
    }

    #[test]
    fn a_browser_and_user_mode_emulation_are_for_tests_only() {
        let packages = absent(&TESTS, |_| false);
        assert!(packages.contains(&"chromium".to_owned()));
        assert!(packages.contains(&"qemu-user-static".to_owned()));
        for arch in [Arch::Arm64, Arch::X86_64] {
            let of_kernels = missing(arch, |_| false);
            assert!(packages.iter().all(|package| !of_kernels.contains(package)));
        }
    }
}

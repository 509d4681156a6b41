// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The system packages that building and booting a kernel needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use xshell::cmd;

use crate::arch::Arch;
use crate::{apt, llvm, process, progress, workspace};

/// The packages to check for, and whether to install them.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The architecture that kernels will be built for.
    pub arch: Arch,
    /// Whether to install missing packages.
    pub install: bool,
}

/// A program or file that building, booting or testing a kernel needs.
#[derive(Clone, Copy, Debug)]
struct Need {
    /// A program in the search path, or an absolute path.
    thing: &'static str,
    /// The Debian package that contains it.
    package: &'static str,
}

const fn need(thing: &'static str, package: &'static str) -> Need {
    Need { thing, package }
}

/// Needs of kernels of every architecture. With `LLVM=1`, clang compiles the programs of the host;
/// its package brings the C library and the linker.
const ALWAYS: [Need; 7] = [
    need("make", "make"),
    // kernel/time/timeconst.bc
    need("bc", "bc"),
    // The parsers of Kconfig, of device trees and of genksyms.
    need("bison", "bison"),
    need("flex", "flex"),
    // The file system of a measured guest.
    need("/sbin/mke2fs", "e2fsprogs"),
    // The archive of the kernel's source in its package.
    need("xz", "xz-utils"),
    need(apt::KEYRING, "debian-archive-keyring"),
];

/// Needs of kernels for `x86_64`: objtool is linked with libelf.
const X86_64: [Need; 1] = [need("/usr/include/libelf.h", "libelf-dev")];

/// Needs of this repository's tests only.
const TESTS: [Need; 3] = [
    // `make C=1` runs it.
    need("sparse", "sparse"),
    // It renders the pages of `cargo xtask report`.
    need("chromium", "chromium"),
    USER_MODE_EMULATION,
];

/// Programs that read debug information and BTF of kernels, for one of the tests.
const DEBUGGERS: [Need; 4] = [
    need("gdb-multiarch", "gdb-multiarch"),
    need("aarch64-linux-gnu-addr2line", "binutils-aarch64-linux-gnu"),
    need("pahole", "dwarves"),
    need(BPFTOOL, "bpftool"),
];

/// The program that reads BTF. Debian has it outside of the search path of users.
pub const BPFTOOL: &str = "/usr/sbin/bpftool";

/// Runs small programs linked for either architecture. The package contains both emulators.
const USER_MODE_EMULATION: Need = need("qemu-aarch64-static", "qemu-user-static");

/// The LLVM versions that kernels were built with, newest first.
const LLVM_VERSIONS: [u32; 2] = [22, llvm::OLDEST];

/// Checks that every need of a kernel build is met, and installs missing packages if asked to.
///
/// # Errors
/// A package is missing and may not or could not be installed; the error names the packages.
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

/// Checks that the needs of this repository's tests are met; with `install`, installs missing packages.
///
/// # Errors
/// Same as [`ensure`].
pub fn ensure_for_tests(install: bool) -> anyhow::Result<()> {
    let packages = absent(&TESTS, in_search_path);
    if packages.is_empty() {
        return Ok(());
    }
    let named = format!("missing packages: {}", packages.join(" "));
    anyhow::ensure!(install, named);
    provide(&TESTS)
}

/// Checks that QEMU's user mode emulation is available, which runs programs of another architecture.
///
/// # Errors
/// Same as [`ensure`].
pub fn ensure_user_mode_emulation() -> anyhow::Result<()> {
    provide(&[USER_MODE_EMULATION])
}

/// Makes programs that read debug information and BTF available, and drgn in the directory `dir`. Returns the Python that
/// has drgn.
///
/// # Errors
/// Same as [`ensure`]; Python or its package index cannot be used.
pub fn ensure_debuggers(dir: &Path) -> anyhow::Result<PathBuf> {
    provide(&DEBUGGERS)?;
    let python = dir.join("bin/python");
    if !dir.join("bin/drgn").exists() {
        progress::note("installing drgn");
        let mut venv = Command::new("python3");
        process::output(venv.args(["-m", "venv"]).arg(dir))
            .context("this needs python3 and Debian's package python3-venv")?;
        let mut pip = Command::new(&python);
        process::output(pip.args(["-m", "pip", "install", "--quiet", "drgn"]))?;
    }
    Ok(python)
}

/// Makes LLVM of this version available beside the default one, and returns the directory of its tools.
///
/// # Errors
/// It cannot be installed, or lacks a tool after that.
pub fn ensure_llvm(version: u32) -> anyhow::Result<PathBuf> {
    let dir = PathBuf::from(format!("/usr/lib/llvm-{version}/bin"));
    if llvm::complete(&dir).is_err() {
        install_packages(&llvm_packages(version))?;
        llvm::complete(&dir)?;
    }
    Ok(dir)
}

/// The version of cargo-fuzz that is installed.
const CARGO_FUZZ: &str = "0.13.2";

/// Makes cargo-fuzz available below `target/tools`, and returns its program.
///
/// # Errors
/// cargo cannot install it.
pub fn ensure_cargo_fuzz() -> anyhow::Result<PathBuf> {
    let tools = workspace::root().join("target/tools");
    let program = tools.join("bin/cargo-fuzz");
    if !program.is_file() {
        let step = progress::Step::start("installing cargo-fuzz");
        let sh = process::shell()?;
        let cargo = process::cargo();
        process::read(cmd!(
            sh,
            "{cargo} install cargo-fuzz --locked --version {CARGO_FUZZ} --root {tools}"
        ))?;
        anyhow::ensure!(
            program.is_file(),
            "{}: cargo left no such file",
            program.display()
        );
        step.finish("installed");
    }
    Ok(program)
}

/// Installs the packages of those needs that are not met.
fn provide(needs: &[Need]) -> anyhow::Result<()> {
    let packages = absent(needs, in_search_path);
    if packages.is_empty() {
        return Ok(());
    }
    install_packages(&packages)?;
    found(&absent(needs, in_search_path))
}

fn install_packages(packages: &[String]) -> anyhow::Result<()> {
    let named = packages.join(" ");
    apt::update().with_context(|| format!("missing packages: {named}"))?;
    progress::note(&format!("installing {named}"));
    apt::install(packages)
}

/// Checks that installing has left no package missing.
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

/// Returns whether LLVM must be installed. If the variable names a directory, that one counts, and
/// an installed LLVM does not.
fn needs_llvm() -> anyhow::Result<bool> {
    match llvm::bin_dir() {
        Ok(_) => Ok(false),
        Err(error) if std::env::var_os(llvm::VARIABLE).is_some() => Err(error),
        Err(_) => Ok(true),
    }
}

/// Returns the packages of missing needs. `in_path` returns whether a program is in the search path.
fn missing(arch: Arch, in_path: impl Fn(&str) -> bool) -> Vec<String> {
    let for_arch: &[Need] = match arch {
        Arch::Arm64 => &[],
        Arch::X86_64 => &X86_64,
    };
    let qemu = need(arch.qemu(), arch.qemu_package());
    let needs = ALWAYS.iter().chain(for_arch).chain(std::iter::once(&qemu));
    absent(needs, in_path)
}

/// Returns the packages of those `needs` that are missing.
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

/// Returns the newest tested LLVM version that apt offers.
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

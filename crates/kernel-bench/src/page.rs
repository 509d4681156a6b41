// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes the pages with results.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use kernel_lab::config::Profile;
use kernel_lab::{Arch, llvm, process};
use xshell::cmd;

/// Returns the end of the names of pages about a kernel.
pub fn page_name(version: &str, arch: Arch, profile: Profile) -> String {
    format!("{}-{version}-{}.md", arch.name(), profile.name())
}

/// Returns the release of the kernel that was built in `objtree`.
///
/// # Errors
/// It cannot be read.
pub fn release(objtree: &Path) -> anyhow::Result<String> {
    let path = objtree.join("include/config/kernel.release");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text.trim().to_owned())
}

/// Returns the name of a kernel for readers.
pub fn kernel_name(version: &str, arch: Arch, profile: Profile) -> String {
    format!("{version} {}, profile {}", arch.name(), profile.name())
}

/// Returns the command line arguments that select the kernel.
pub fn arguments(arch: Arch, profile: Profile) -> String {
    format!("--arch {} --profile {}", arch.name(), profile.name())
}

/// Returns the beginning of every page: the command, the machine and the compiler.
///
/// # Errors
/// There is no compiler.
pub fn head(title: &str, command: &str) -> anyhow::Result<String> {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let clang = llvm::bin_dir()?.join("clang");
    let sh = process::shell()?;
    let clang = process::read(cmd!(sh, "{clang} --version"))?;
    Ok(format!(
        "<!-- SPDX-License-Identifier: GPL-2.0-only OR MIT -->\n# {title}\n\n\
         Made by `cargo xtask {command}`, all in one run.\n\n\
         - machine: {} CPUs, {}\n- compiler: {}\n\n",
        tool_io::cpus(),
        model.map_or("of an unknown kind", |(_, model)| model),
        clang.lines().next().unwrap_or_default(),
    ))
}

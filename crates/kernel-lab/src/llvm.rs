// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Chooses the LLVM that all commands use.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The environment variable that names the directory of the LLVM tools.
pub const VARIABLE: &str = "KBUILD_LTO_LLVM";

/// The tools that `LLVM=1` of a kernel's Makefile calls.
const TOOLS: [&str; 9] = [
    "clang",
    "ld.lld",
    "llvm-ar",
    "llvm-nm",
    "llvm-objcopy",
    "llvm-objdump",
    "llvm-readelf",
    "llvm-size",
    "llvm-strip",
];

/// The oldest LLVM that kernels were built with and booted.
pub const OLDEST: u32 = 19;

/// Returns the directory with clang, ld.lld and the llvm tools under names without a version. It is
/// `KBUILD_LTO_LLVM` if set, else the newest complete `/usr/lib/llvm-*/bin` that is not older than
/// [`OLDEST`].
///
/// # Errors
/// There is no such directory, or the one in the variable lacks a tool.
pub fn bin_dir() -> anyhow::Result<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(named) => {
            let dir = PathBuf::from(named);
            complete(&dir).with_context(|| format!("the directory that {VARIABLE} names"))?;
            Ok(dir)
        }
        None => newest(Path::new("/usr/lib")).with_context(|| {
            format!(
                "no /usr/lib/llvm-*/bin of version {OLDEST} or newer has {}; run `cargo xtask setup`, or set {VARIABLE} to a directory that has them",
                TOOLS.join(", ")
            )
        }),
    }
}

/// Checks that `dir` contains every tool; the error names the first missing one.
pub fn complete(dir: &Path) -> anyhow::Result<()> {
    match TOOLS.iter().find(|tool| !dir.join(tool).is_file()) {
        None => Ok(()),
        Some(tool) => anyhow::bail!("{}: no {tool}", dir.display()),
    }
}

/// Returns the newest complete `<lib>/llvm-<version>/bin` that is not older than [`OLDEST`].
fn newest(lib: &Path) -> Option<PathBuf> {
    std::fs::read_dir(lib)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version: u32 = name.to_str()?.strip_prefix("llvm-")?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(version, bin)| *version >= OLDEST && complete(bin).is_ok())
        .max_by_key(|(version, _)| *version)
        .map(|(_, bin)| bin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(lib: &Path, version: &str, tools: &[&str]) {
        let bin = lib.join(format!("llvm-{version}")).join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        for tool in tools {
            std::fs::write(bin.join(tool), "").unwrap();
        }
    }

    #[test]
    fn the_newest_complete_llvm_is_chosen_by_number() {
        let lib = tempfile::tempdir().unwrap();
        install(lib.path(), "99", &TOOLS);
        install(lib.path(), "100", &TOOLS);
        install(lib.path(), "101", &TOOLS[1..]);
        install(lib.path(), "next", &TOOLS);
        assert_eq!(newest(lib.path()), Some(lib.path().join("llvm-100/bin")));
    }

    #[test]
    fn an_incomplete_llvm_and_an_old_one_are_not_taken() {
        let lib = tempfile::tempdir().unwrap();
        install(lib.path(), "22", &TOOLS[1..]);
        install(lib.path(), "14", &TOOLS);
        assert_eq!(newest(lib.path()), None);
        assert_eq!(newest(&lib.path().join("absent")), None);
    }

    #[test]
    fn a_directory_without_a_tool_is_named_with_the_tool() {
        let lib = tempfile::tempdir().unwrap();
        install(lib.path(), "22", &TOOLS[..TOOLS.len() - 1]);
        let error = complete(&lib.path().join("llvm-22/bin")).unwrap_err();
        assert!(
            error.to_string().ends_with("llvm-22/bin: no llvm-strip"),
            "{error}"
        );
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The shell of a guest: busybox, statically linked for the guest's architecture.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::arch::Arch;
use super::packages;

/// The Debian package that contains it.
const PACKAGE: &str = "busybox-static";

/// Returns the path of a static busybox for `arch`; fetches it into `cache` if it is missing.
///
/// # Errors
/// apt cannot download the package, or the package contains no busybox.
pub fn fetch(arch: Arch, cache: &Path) -> anyhow::Result<PathBuf> {
    let busybox = cache.join(format!("busybox-{}", arch.name()));
    if busybox.is_file() {
        return Ok(busybox);
    }
    let unpacked = packages::unpack(arch, &[PACKAGE], false, cache)?;
    let program = ["bin/busybox", "usr/bin/busybox"]
        .iter()
        .map(|path| unpacked.root.join(path))
        .find(|path| path.is_file())
        .with_context(|| format!("{PACKAGE}: has no busybox"))?;
    std::fs::rename(&program, &busybox)
        .with_context(|| format!("moving busybox to {}", busybox.display()))?;
    Ok(busybox)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busybox_that_is_there_is_used_without_apt() {
        let cache = tempfile::tempdir().unwrap();
        let there = cache.path().join("busybox-arm64");
        std::fs::write(&there, "").unwrap();
        assert_eq!(fetch(Arch::Arm64, cache.path()).unwrap(), there);
    }
}

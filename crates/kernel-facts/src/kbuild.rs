// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Names of the files that kbuild leaves in an object tree.

use std::path::{Path, PathBuf};

/// Returns the path of the file in which kbuild keeps the command that made `made`: `kernel/.fork.o.cmd`
/// of `kernel/fork.o`. (`dot-target` in the kernel's scripts/Kbuild.include.)
pub fn command_file(made: &Path) -> PathBuf {
    let name = made.file_name().unwrap_or_default().display();
    made.with_file_name(format!(".{name}.cmd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_stands_beside_the_file() {
        for (made, kept) in [
            ("kernel/fork.o", "kernel/.fork.o.cmd"),
            ("/o/vmlinux", "/o/.vmlinux.cmd"),
            ("vmlinux.o", ".vmlinux.o.cmd"),
        ] {
            assert_eq!(command_file(Path::new(made)), Path::new(kept));
        }
    }
}

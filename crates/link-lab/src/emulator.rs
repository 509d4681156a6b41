// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the emulators for programs of other architectures.

use std::path::PathBuf;

use crate::arch::Arch;
use crate::error::LabError;

impl Arch {
    /// Returns the emulator for programs of this architecture, or `None` if the machine runs them itself.
    ///
    /// # Errors
    /// QEMU's user mode is not installed.
    pub fn emulator(self) -> Result<Option<PathBuf>, LabError> {
        if self.name() == std::env::consts::ARCH {
            return Ok(None);
        }
        // Debian has both, in the packages qemu-user-static and qemu-user. The first starts faster.
        let names = ["-static", ""].map(|suffix| format!("qemu-{}{suffix}", self.name()));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = names.iter().find_map(|name| {
            let mut places = std::env::split_paths(&path).map(|directory| directory.join(name));
            places.find(|place| place.is_file())
        });
        found.map(Some).ok_or_else(|| LabError::NoEmulator {
            arch: self,
            program: names[0].clone(),
        })
    }
}

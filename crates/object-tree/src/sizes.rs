// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The size of a kernel in memory.

use object_model::Elf;
use serde::Serialize;

/// Bytes in memory, as `size` counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Code and read-only data.
    pub text: u64,
    /// Writable, with content in the file.
    pub data: u64,
    /// Zero at the start.
    pub bss: u64,
}

impl Sizes {
    /// Returns the sizes of `elf`.
    pub fn of(elf: &Elf) -> Self {
        let mut sizes = Self::default();
        for section in elf
            .sections()
            .iter()
            .filter(|section| section.is_allocated())
        {
            let sum = if section.is_executable() || !section.is_writable() {
                &mut sizes.text
            } else if section.data.is_empty() {
                &mut sizes.bss
            } else {
                &mut sizes.data
            };
            // A damaged file may have any size.
            *sum = sum.saturating_add(section.size);
        }
        sizes
    }
}

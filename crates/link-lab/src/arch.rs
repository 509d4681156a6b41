// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The architectures of the programs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An architecture that programs are linked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Arch {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit Arm.
    #[serde(rename = "arm64")]
    Arm64,
}

impl Arch {
    /// Every architecture.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// Returns the flags for every source: the target, and code as in a kernel, without vector registers and
    /// without a red zone, in which inline assembly could not call functions.
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &[
                "--target=x86_64-linux-gnu",
                "-mgeneral-regs-only",
                "-mno-red-zone",
            ],
            Self::Arm64 => &["--target=aarch64-linux-gnu", "-mgeneral-regs-only"],
        }
    }

    /// Returns its name in Rust and QEMU.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        })
    }
}

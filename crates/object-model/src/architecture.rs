// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The architecture of an object, ELF or bitcode.

use std::fmt;

use crate::{Elf, Object, elf};

/// The architecture that an object is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// `e_machine` of ELF, and whether the class has 64 bits.
    Elf(elf::Machine, bool),
    /// LLVM's name of an architecture whose `e_machine` this crate does not know.
    Named(String),
}

impl Architecture {
    /// Reads the architecture from the ELF header, or from the target triple of bitcode.
    pub fn of(object: &Object) -> Self {
        match object {
            Object::Elf(elf) => Self::of_elf(elf),
            Object::Bitcode(bitcode) => Self::of_triple(bitcode.triple()),
        }
    }

    fn of_elf(elf: &Elf) -> Self {
        Self::Elf(elf.machine(), elf.is_64())
    }

    /// Source: `Triple::parseArch` of LLVM, `getBitcodeMachineKind` of lld.
    fn of_triple(triple: &str) -> Self {
        let (architecture, environment) = triple.split_once('-').unwrap_or((triple, ""));
        let is_x32 = environment.ends_with("x32");
        match architecture {
            "aarch64" | "aarch64_be" | "arm64" => Self::Elf(elf::EM_AARCH64, true),
            "x86_64" => Self::Elf(elf::EM_X86_64, !is_x32),
            "i386" | "i486" | "i586" | "i686" => Self::Elf(elf::EM_386, false),
            "riscv64" => Self::Elf(elf::EM_RISCV, true),
            "riscv32" => Self::Elf(elf::EM_RISCV, false),
            "loongarch64" => Self::Elf(elf::EM_LOONGARCH, true),
            "powerpc64" | "powerpc64le" | "ppc64" | "ppc64le" => Self::Elf(elf::EM_PPC64, true),
            "powerpc" | "powerpcle" | "ppc" => Self::Elf(elf::EM_PPC, false),
            "s390x" => Self::Elf(elf::EM_S390, true),
            "mips" | "mipsel" => Self::Elf(elf::EM_MIPS, false),
            "mips64" | "mips64el" => Self::Elf(elf::EM_MIPS, true),
            arm if arm.starts_with("arm") || arm.starts_with("thumb") => {
                Self::Elf(elf::EM_ARM, false)
            }
            other => Self::Named(other.to_owned()),
        }
    }

    /// Returns whether one link can have objects of both. An architecture without number fits every number.
    pub fn goes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named(_), Self::Elf(..)) | (Self::Elf(..), Self::Named(_)) => true,
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elf(elf::EM_AARCH64, _) => f.write_str("arm64"),
            Self::Elf(elf::EM_X86_64, true) => f.write_str("x86_64"),
            Self::Elf(elf::EM_X86_64, false) => f.write_str("x32"),
            Self::Elf(elf::EM_386, _) => f.write_str("32-bit x86"),
            Self::Elf(elf::EM_ARM, _) => f.write_str("32-bit Arm"),
            Self::Elf(elf::EM_RISCV, true) => f.write_str("riscv64"),
            Self::Elf(machine, _) => write!(f, "ELF machine {}", machine.0),
            Self::Named(name) => f.write_str(name),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The architecture of an object, ELF or bitcode.

use std::fmt;

use crate::{Elf, Object, elf};

/// The architecture that an object is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// An architecture that ELF numbers.
    Elf {
        /// `e_machine`.
        machine: elf::Machine,
        /// Whether the class has 64 bits.
        is_64: bool,
        /// Whether the byte order is big-endian.
        is_big_endian: bool,
    },
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
        Self::Elf {
            machine: elf.machine(),
            is_64: elf.is_64(),
            is_big_endian: elf.is_big_endian(),
        }
    }

    /// Source: `Triple::parseArch` of LLVM, `getBitcodeMachineKind` of lld.
    fn of_triple(triple: &str) -> Self {
        let (architecture, environment) = triple.split_once('-').unwrap_or((triple, ""));
        let is_x32 = environment.ends_with("x32");
        let (machine, is_64, is_big_endian) = match architecture {
            "aarch64" | "arm64" => (elf::EM_AARCH64, true, false),
            "aarch64_be" => (elf::EM_AARCH64, true, true),
            "x86_64" => (elf::EM_X86_64, !is_x32, false),
            "i386" | "i486" | "i586" | "i686" => (elf::EM_386, false, false),
            "riscv64" => (elf::EM_RISCV, true, false),
            "riscv32" => (elf::EM_RISCV, false, false),
            "loongarch64" => (elf::EM_LOONGARCH, true, false),
            "powerpc64" | "ppc64" => (elf::EM_PPC64, true, true),
            "powerpc64le" | "ppc64le" => (elf::EM_PPC64, true, false),
            "powerpc" | "ppc" => (elf::EM_PPC, false, true),
            "powerpcle" => (elf::EM_PPC, false, false),
            "s390x" => (elf::EM_S390, true, true),
            "mips" => (elf::EM_MIPS, false, true),
            "mipsel" => (elf::EM_MIPS, false, false),
            "mips64" => (elf::EM_MIPS, true, true),
            "mips64el" => (elf::EM_MIPS, true, false),
            arm if arm.starts_with("armeb") || arm.starts_with("thumbeb") => {
                (elf::EM_ARM, false, true)
            }
            arm if arm.starts_with("arm") || arm.starts_with("thumb") => {
                (elf::EM_ARM, false, false)
            }
            other => return Self::Named(other.to_owned()),
        };
        Self::Elf {
            machine,
            is_64,
            is_big_endian,
        }
    }

    /// Returns whether one link can have objects of both. An architecture without number fits every number.
    pub fn goes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named(_), Self::Elf { .. }) | (Self::Elf { .. }, Self::Named(_)) => true,
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (machine, is_64, is_big_endian) = match self {
            Self::Named(name) => return f.write_str(name),
            Self::Elf {
                machine,
                is_64,
                is_big_endian,
            } => (*machine, *is_64, *is_big_endian),
        };
        match (machine, is_64) {
            (elf::EM_AARCH64, _) => f.write_str("arm64")?,
            (elf::EM_X86_64, true) => f.write_str("x86_64")?,
            (elf::EM_X86_64, false) => f.write_str("x32")?,
            (elf::EM_386, _) => f.write_str("32-bit x86")?,
            (elf::EM_ARM, _) => f.write_str("32-bit Arm")?,
            (elf::EM_RISCV, true) => f.write_str("riscv64")?,
            _ => write!(f, "ELF machine {}", machine.0)?,
        }
        if is_big_endian {
            f.write_str(", big-endian")?;
        }
        Ok(())
    }
}

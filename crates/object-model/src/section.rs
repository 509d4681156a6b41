// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The parts of an ELF file beside symbols: sections, COMDAT groups, relocations.

use object::elf;
use object::elf::{RelocationType, SectionFlags, SectionType};

use crate::symbol::{SectionIndex, SymbolIndex};

/// One section of an ELF file. Field names are those of the ELF specification, without `sh_`.
#[derive(Clone, Copy, Debug)]
pub struct Section<'data> {
    /// Its place in the section table.
    pub index: SectionIndex,
    /// Its name.
    pub name: &'data str,
    /// `sh_type`, such as [`elf::SHT_PROGBITS`].
    pub section_type: SectionType,
    /// `sh_flags`, such as [`elf::SHF_EXECINSTR`].
    pub flags: SectionFlags,
    /// Address at run time; 0 in relocatable files.
    pub address: u64,
    /// Offset of its bytes in the file.
    pub offset: u64,
    /// Size in bytes.
    pub size: u64,
    /// Alignment in bytes; 0 and 1 both mean none.
    pub alignment: u64,
    /// Size in bytes of one entry, for sections that are tables.
    pub entry_size: u64,
    /// `sh_link`: a section index whose meaning depends on the type.
    pub link: SectionIndex,
    /// `sh_info`: for relocation sections the section that they apply to.
    pub info: u32,
    /// Its bytes; empty for sections without bytes in the file (`SHT_NOBITS`).
    pub data: &'data [u8],
}

impl Section<'_> {
    /// Returns whether it contains instructions.
    pub fn is_executable(&self) -> bool {
        self.flags.0 & elf::SHF_EXECINSTR.0 != 0
    }

    /// Returns whether it is in memory at run time.
    pub fn is_allocated(&self) -> bool {
        self.flags.0 & elf::SHF_ALLOC.0 != 0
    }

    /// Returns whether it is writable at run time.
    pub fn is_writable(&self) -> bool {
        self.flags.0 & elf::SHF_WRITE.0 != 0
    }
}

/// A COMDAT group: sections that are linked together, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comdat<'data> {
    /// The signature of the group.
    pub signature: &'data str,
    /// Its sections.
    pub sections: Vec<SectionIndex>,
}

/// One relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Where it applies: an offset into the section in relocatable files, an address in others.
    pub offset: u64,
    /// Its type, whose meaning depends on the machine, such as [`elf::R_AARCH64_PREL32`].
    pub kind: RelocationType,
    /// The symbol it refers to; `None` for those without one.
    pub symbol: Option<SymbolIndex>,
    /// The addend; `None` if the relocated bytes contain it (`SHT_REL`).
    pub addend: Option<i64>,
}

impl Relocation {
    /// Returns whether it is the 32-bit distance from its own place to its target, as in entries of PREL32
    /// tables. On x86, jumps and calls have such relocations, too.
    pub fn is_prel32(&self) -> bool {
        // The same numbers mean other relocations on another machine, but none that tables have.
        [
            elf::R_X86_64_PC32,
            elf::R_X86_64_PLT32,
            elf::R_AARCH64_PREL32,
        ]
        .contains(&self.kind)
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The structures of both classes of ELF, 32 and 64 bits.

use object::Endianness;
use object::elf::{FileHeader32, FileHeader64, RelocationType, SymbolOther};
use object::read::elf::FileHeader;
use object_model::elf;

use crate::error::NameError;

/// The bits of `st_other` that are the visibility.
const VISIBILITY: u8 = 3;

/// A class of ELF: 32 or 64 bits. Its functions set the fields that a pass changes.
pub(super) trait Class: FileHeader<Endian = Endianness, Word: TryFrom<u64>> {
    fn set_section_table(&mut self, endian: Endianness, offset: Self::Word);
    fn set_name(section: &mut Self::SectionHeader, endian: Endianness, name: u32);
    fn set_info(section: &mut Self::SectionHeader, endian: Endianness, info: u32);
    fn set_link(section: &mut Self::SectionHeader, endian: Endianness, link: u32);
    fn set_range(
        section: &mut Self::SectionHeader,
        endian: Endianness,
        offset: Self::Word,
        size: Self::Word,
    );
    fn set_symbol_name(symbol: &mut Self::Sym, endian: Endianness, name: u32);
    fn make_local(symbol: &mut Self::Sym);
    fn set_rel(relocation: &mut Self::Rel, endian: Endianness, symbol: u32, kind: RelocationType);
    fn set_rela(relocation: &mut Self::Rela, endian: Endianness, symbol: u32, kind: RelocationType);
}

/// Implements [`Class`] for the structures of a class, which have the same fields. Relocations of 64 bits are told
/// that they are not those of little-endian MIPS.
macro_rules! class {
    ($header:ident $(, $is_mips64el:literal)?) => {
        impl Class for $header<Endianness> {
            fn set_section_table(&mut self, endian: Endianness, offset: Self::Word) {
                self.e_shoff.set(endian, offset);
            }

            fn set_name(section: &mut Self::SectionHeader, endian: Endianness, name: u32) {
                section.sh_name.set(endian, name);
            }

            fn set_info(section: &mut Self::SectionHeader, endian: Endianness, info: u32) {
                section.sh_info.set(endian, info);
            }

            fn set_link(section: &mut Self::SectionHeader, endian: Endianness, link: u32) {
                section.sh_link.set(endian, link);
            }

            fn set_range(
                section: &mut Self::SectionHeader,
                endian: Endianness,
                offset: Self::Word,
                size: Self::Word,
            ) {
                section.sh_offset.set(endian, offset);
                section.sh_size.set(endian, size);
            }

            fn set_symbol_name(symbol: &mut Self::Sym, endian: Endianness, name: u32) {
                symbol.st_name.set(endian, name);
            }

            fn make_local(symbol: &mut Self::Sym) {
                symbol.set_st_info(elf::STB_LOCAL, symbol.st_type());
                symbol.st_other = SymbolOther(symbol.st_other.0 & !VISIBILITY);
            }

            fn set_rel(
                relocation: &mut Self::Rel,
                endian: Endianness,
                symbol: u32,
                kind: RelocationType,
            ) {
                relocation.set_r_info(endian, symbol, kind);
            }

            fn set_rela(
                relocation: &mut Self::Rela,
                endian: Endianness,
                symbol: u32,
                kind: RelocationType,
            ) {
                relocation.set_r_info(endian, $($is_mips64el,)? symbol, kind);
            }
        }
    };
}

class!(FileHeader32);
class!(FileHeader64, false);

/// Returns a number of bytes as a field of the class.
pub(super) fn word<C: Class>(n_bytes: usize) -> Result<C::Word, NameError> {
    let word = u64::try_from(n_bytes).ok();
    let word = word.and_then(|word| C::Word::try_from(word).ok());
    word.ok_or_else(|| NameError::damaged("it is larger than its class allows"))
}

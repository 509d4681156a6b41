// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One object of either kind.

use crate::{Bitcode, Elf, FileKind, ReadError, Symbol};

/// A compiled object: native code or LLVM bitcode.
#[derive(Clone, Debug)]
pub enum Object<'data> {
    /// Native code.
    Elf(Elf<'data>),
    /// LLVM bitcode, raw or wrapped.
    Bitcode(Bitcode<'data>),
}

impl<'data> Object<'data> {
    /// Reads the object in `data`, which is one whole file or archive member.
    ///
    /// # Errors
    /// `data` is not a complete ELF file, and not complete bitcode with a symbol table.
    pub fn parse(data: &'data [u8]) -> Result<Self, ReadError> {
        match FileKind::of(data) {
            Some(FileKind::Elf) => Elf::parse(data).map(Self::Elf),
            Some(FileKind::RawBitcode | FileKind::WrappedBitcode) => {
                Bitcode::parse(data).map(Self::Bitcode)
            }
            Some(kind) => Err(ReadError::NotAnObject(kind)),
            None => Err(unknown(data)),
        }
    }

    /// Returns all symbols in symbol-table order, including those that belong to the format.
    pub fn symbols(&self) -> &[Symbol<'data>] {
        match self {
            Self::Elf(elf) => elf.symbols(),
            Self::Bitcode(bitcode) => bitcode.symbols(),
        }
    }

    /// Returns the symbols that are names for the linker: [`symbols`](Self::symbols) without those that
    /// [belong to the format](Symbol::is_format_specific).
    pub fn linker_symbols(&self) -> impl Iterator<Item = &Symbol<'data>> {
        self.symbols()
            .iter()
            .filter(|symbol| !symbol.is_format_specific())
    }

    /// Returns the kind of the object.
    pub fn kind(&self) -> FileKind {
        match self {
            Self::Elf(_) => FileKind::Elf,
            Self::Bitcode(bitcode) => bitcode.kind(),
        }
    }

    /// Returns the ELF file, if it is one.
    pub fn as_elf(&self) -> Option<&Elf<'data>> {
        match self {
            Self::Elf(elf) => Some(elf),
            Self::Bitcode(_) => None,
        }
    }

    /// Returns the bitcode, if it is bitcode.
    pub fn as_bitcode(&self) -> Option<&Bitcode<'data>> {
        match self {
            Self::Elf(_) => None,
            Self::Bitcode(bitcode) => Some(bitcode),
        }
    }
}

/// Returns the error for bytes without a known magic.
pub(crate) fn unknown(data: &[u8]) -> ReadError {
    if data.is_empty() {
        ReadError::Empty
    } else {
        ReadError::UnknownMagic(data.iter().copied().take(8).collect())
    }
}

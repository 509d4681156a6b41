// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Classifies bytes by their magic.

use std::fmt;

/// The kind of a file, by its first bytes.
///
/// Its `Display` is the wording that every message uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// An ELF file of any class, byte order and type.
    Elf,
    /// LLVM bitcode that begins with the bitstream magic.
    RawBitcode,
    /// LLVM bitcode after the wrapper header, which has its offset and size.
    WrappedBitcode,
    /// An archive that contains its members.
    Archive,
    /// An archive that contains only the paths of its members.
    ThinArchive,
}

impl FileKind {
    /// Every kind with the bytes it begins with.
    ///
    /// Sources: the ELF specification; LLVM's "LLVM Bitcode File Format" (`BC` 0xC0DE and the
    /// wrapper magic 0x0B17C0DE in little-endian order); the `ar` formats of GNU and BSD.
    const MAGICS: [(&'static [u8], Self); 5] = [
        (b"\x7fELF", Self::Elf),
        (b"BC\xc0\xde", Self::RawBitcode),
        (b"\xde\xc0\x17\x0b", Self::WrappedBitcode),
        (b"!<arch>\n", Self::Archive),
        (b"!<thin>\n", Self::ThinArchive),
    ];

    /// Returns the kind of the file with these bytes, or `None` if they begin with no known magic.
    pub fn of(data: &[u8]) -> Option<Self> {
        Self::MAGICS
            .iter()
            .find(|(magic, _)| data.starts_with(magic))
            .map(|&(_, kind)| kind)
    }

    /// Returns whether it is one of the two bitcode kinds.
    pub fn is_bitcode(self) -> bool {
        matches!(self, Self::RawBitcode | Self::WrappedBitcode)
    }

    /// Returns whether it is one of the two archive kinds.
    pub fn is_archive(self) -> bool {
        matches!(self, Self::Archive | Self::ThinArchive)
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elf => "ELF file",
            Self::RawBitcode => "LLVM bitcode",
            Self::WrappedBitcode => "wrapped LLVM bitcode",
            Self::Archive => "archive",
            Self::ThinArchive => "thin archive",
        })
    }
}

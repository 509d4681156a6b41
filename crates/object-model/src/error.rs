// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The faults of inputs.

use std::fmt;
use std::io;

use crate::FileKind;

/// The reason why bytes could not be read. [`InputError`] adds the name of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("cannot be opened")]
    Open(#[from] io::Error),
    /// The file is empty, as after a full disk or an interrupted build.
    #[error("is empty; remove it and build it again")]
    Empty,
    /// The first bytes belong to no format that this crate knows.
    #[error("is neither ELF, LLVM bitcode nor an archive (begins with {})", Hex(.0))]
    UnknownMagic(Vec<u8>),
    /// The file is not an object.
    #[error("is {article}{0} where an object is expected", article = article(*.0))]
    NotAnObject(FileKind),
    /// The object is bitcode instead of native code.
    #[error("is {article}{0} where native code is expected", article = article(*.0))]
    NotNative(FileKind),
    /// ELF structures contradict each other or reach beyond the end of the file.
    #[error("is a damaged ELF file: {what}")]
    Elf {
        /// The structure that was being read.
        what: String,
        /// The error of the ELF reader.
        #[source]
        source: object::read::Error,
    },
    /// ELF structures that can be read but not understood.
    #[error("is an ELF file with {0}")]
    ElfContent(String),
    /// The bitstream contradicts itself or ends too early.
    #[error("is damaged LLVM bitcode: {0}")]
    Bitcode(String),
    /// Bitcode without a symbol-table block.
    #[error(
        "is LLVM bitcode without a symbol table; \
         it must be written by clang 13 or later for a target that this clang can generate code for"
    )]
    NoBitcodeSymbols,
    /// The symbol-table block has a layout that this crate does not know.
    #[error(
        "is LLVM bitcode whose symbol table has version {version} (made by \"{producer}\"); \
         versions 3 (LLVM 13 and later) and 4 can be read"
    )]
    BitcodeSymbolVersion {
        /// The version that the block states.
        version: u32,
        /// The LLVM that wrote the bitcode, as its identification block states it; may be empty.
        producer: String,
    },
    /// A module's summary has a layout that this crate does not know.
    #[error(
        "is LLVM bitcode whose summary has version {version} (made by \"{producer}\"); \
         versions 9 (LLVM 12) to 12 (LLVM 22) can be read"
    )]
    BitcodeSummaryVersion {
        /// The version that the summary states.
        version: u64,
        /// The LLVM that wrote the bitcode, as its identification block states it; may be empty.
        producer: String,
    },
    /// A module's summary has a record that this crate does not know, and that could have references of
    /// a definition.
    #[error(
        "is LLVM bitcode whose summary has a record of unknown code {code} \
         (made by \"{producer}\")"
    )]
    BitcodeSummaryRecord {
        /// The code of the record.
        code: u64,
        /// The LLVM that wrote the bitcode, as its identification block states it; may be empty.
        producer: String,
    },
    /// The symbol table does not describe every module in the file, as in files that were
    /// concatenated by `llvm-cat -b`.
    #[error(
        "is LLVM bitcode with {modules} modules and a symbol table for {described}; \
         link its parts one by one"
    )]
    BitcodeModules {
        /// Modules in the file.
        modules: usize,
        /// Modules that the symbol table describes.
        described: usize,
    },
    /// The archive's headers contradict each other or reach beyond the end of the file.
    #[error("is a damaged archive: {what}")]
    Archive {
        /// The structure that was being read.
        what: String,
        /// The error of the archive reader.
        #[source]
        source: object::read::Error,
    },
    /// Archive contents that can be read but not understood.
    #[error("is an archive with {0}")]
    ArchiveContent(String),
    /// Archives are nested more deeply than in any build, or in a circle.
    #[error("is an archive within {0} others; is it a member of itself?")]
    NestedTooDeep(usize),
    /// There are more objects than in any build: an archive multiplies itself.
    #[error("brings the link to more than {0} objects; is an archive a member of itself?")]
    TooManyInputs(usize),
}

/// A [`ReadError`] and the name of its input.
///
/// `Display` is one line: `net/core/dev.o in net/built-in.a: is a damaged ELF file: …`.
#[derive(Debug)]
pub struct InputError {
    /// Display name of the input: its path, and the archive it is in.
    pub name: String,
    /// The fault.
    pub error: ReadError,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.error)
    }
}

impl std::error::Error for InputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Shows bytes in the form of messages.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Returns the article of `kind` in a sentence, followed by a space.
fn article(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Elf | FileKind::Archive => "an ",
        FileKind::RawBitcode | FileKind::WrappedBitcode => "",
        FileKind::ThinArchive => "a ",
    }
}

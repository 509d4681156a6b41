// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads LLVM bitcode: its symbols, its summary, its assembly and its properties.

mod assembly;
mod bitstream;
mod block_id;
mod constants;
mod global_value;
mod irsymtab;
mod sizes;
mod string_table;
mod summary;
mod types;

use self::bitstream::{Bitstream, Block, Item};
use self::string_table::StringTable;
use crate::{FileKind, ReadError, Symbol};

pub use assembly::{Assembly, FunctionAssembly};
pub use global_value::{
    GlobalValue, GlobalValueKind, Guid, Linkage, Summary, ValueIndex, ValueSummary,
};
pub use sizes::PartSizes;

/// The record that contains the table, in a symbol table or string table block.
const BLOB_RECORD: u64 = 1;
/// The record with all strings of a metadata block, in a blob. It is the first record.
const METADATA_STRINGS: u64 = 35;
/// The module flag of code that may run at any address. Source: `Module::setPICLevel`.
const PIC_LEVEL: &[u8] = b"PIC Level";
/// The record with the producer's name, in an identification block.
const PRODUCER_RECORD: u64 = 1;

/// A bitcode file, raw or wrapped, with one or more modules.
#[derive(Clone, Debug)]
pub struct Bitcode<'data> {
    kind: FileKind,
    modules: Vec<Block<'data>>,
    strings: StringTable<'data>,
    producer: String,
    triple: &'data str,
    source_file: &'data str,
    symbols: Vec<Symbol<'data>>,
}

/// The kind of link that a bitcode file was written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LtoKind {
    /// `-flto=thin`: the file takes part in the thin link, and its code is generated separately.
    Thin,
    /// `-flto` or `-flto=full`: the file is merged with all others, and compiled with them.
    Full,
}

impl<'data> Bitcode<'data> {
    /// Reads the bitcode in `data`, which is one whole file or archive member.
    ///
    /// # Errors
    /// The bitstream contradicts itself or ends too early; there is no symbol table, or it has an
    /// unknown version or does not describe the whole file.
    pub fn parse(data: &'data [u8]) -> Result<Self, ReadError> {
        let kind = FileKind::of(data)
            .filter(|kind| kind.is_bitcode())
            .ok_or_else(|| ReadError::Bitcode("no bitcode magic".into()))?;
        let stream = match kind {
            FileKind::WrappedBitcode => unwrap(data)?,
            _ => data,
        };

        let mut modules = Vec::new();
        let mut producer = String::new();
        let mut symtab = None;
        let mut strtab = None;
        let mut blocks = Bitstream::open(stream)?;
        while let Some(block) = blocks.next_block()? {
            match block.id {
                block_id::MODULE => modules.push(block),
                block_id::IDENTIFICATION if producer.is_empty() => {
                    producer = producer_name(&block)?;
                }
                // The first symbol table and the first string table after it are used. A file with
                // more of them has modules that the first does not describe.
                block_id::SYMTAB if symtab.is_none() => {
                    symtab = Some(blob(&block, "symbol table")?);
                }
                block_id::STRTAB if symtab.is_some() && strtab.is_none() => {
                    strtab = Some(blob(&block, "string table")?);
                }
                _ => {}
            }
        }

        let symtab = symtab.ok_or(ReadError::NoBitcodeSymbols)?;
        let strtab = strtab.ok_or_else(|| ReadError::Bitcode("no string table".into()))?;
        let strings = StringTable::new(strtab);
        let table = irsymtab::parse(symtab, strings, &producer)?;
        if table.modules != modules.len() {
            return Err(ReadError::BitcodeModules {
                modules: modules.len(),
                described: table.modules,
            });
        }
        Ok(Self {
            kind,
            modules,
            strings,
            producer,
            triple: table.triple,
            source_file: table.source_file,
            symbols: table.symbols,
        })
    }

    /// Returns whether the file is raw or wrapped.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// Returns all symbols in table order: those of the IR first, then those of module assembly, for
    /// each module. `llvm.` names are included, and marked as format-specific.
    pub fn symbols(&self) -> &[Symbol<'data>] {
        &self.symbols
    }

    /// Returns the number of modules in the file; more than one with `-fsplit-lto-unit`.
    pub fn modules(&self) -> usize {
        self.modules.len()
    }

    /// Returns the target triple, such as `aarch64-unknown-linux-gnu`.
    pub fn triple(&self) -> &'data str {
        self.triple
    }

    /// Returns the path of the source file as given to the compiler.
    pub fn source_file(&self) -> &'data str {
        self.source_file
    }

    /// Returns the LLVM that wrote the file, such as `LLVM22.1.8`.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// Returns whether the file takes part in a thin link.
    ///
    /// # Errors
    /// The bitstream of a module is damaged. [`parse`](Self::parse) skips modules by their length.
    pub fn lto_kind(&self) -> Result<LtoKind, ReadError> {
        Ok(self.summary_kind()?.unwrap_or(LtoKind::Full))
    }

    /// Returns the kind of link that the file has a summary for; `None` without summary.
    ///
    /// # Errors
    /// As [`lto_kind`](Self::lto_kind).
    pub fn summary_kind(&self) -> Result<Option<LtoKind>, ReadError> {
        for module in &self.modules {
            let mut items = module.items();
            while let Some(item) = items.next_item()? {
                match item {
                    Item::Block(block) if block.id == block_id::THIN_LTO_SUMMARY => {
                        return Ok(Some(LtoKind::Thin));
                    }
                    Item::Block(block) if block.id == block_id::FULL_LTO_SUMMARY => {
                        return Ok(Some(LtoKind::Full));
                    }
                    Item::Block(_) | Item::Record(_) => {}
                }
            }
        }
        Ok(None)
    }

    /// Returns the summary that clang wrote for the link: all global values of the file, and the
    /// references of each definition. `None` if a module has no summary, as with `-flto=full` for
    /// Darwin.
    ///
    /// This reads the records of each module and its summary once; function bodies and other blocks
    /// are skipped by their length.
    ///
    /// # Errors
    /// The bitstream of a module is damaged, or its names are not in the string table; a summary has
    /// an unknown version or record, or contradicts the module.
    pub fn summary(&self) -> Result<Option<Summary<'data>>, ReadError> {
        summary::parse(&self.modules, self.strings, &self.producer)
    }
}

impl<'data> Bitcode<'data> {
    /// Returns all assembly of the file: that of its modules, and that within its functions.
    ///
    /// It reads only the constants of functions.
    ///
    /// # Errors
    /// The bitstream of a module is damaged, or assembly contradicts its length.
    pub fn assembly(&self) -> Result<Assembly<'data>, ReadError> {
        assembly::parse(&self.modules, self.strings)
    }

    /// Returns the module-level assembly of each module: [`Assembly::modules`] without reading functions.
    ///
    /// # Errors
    /// The bitstream of a module is damaged.
    pub fn module_assembly(&self) -> Result<Vec<Vec<u8>>, ReadError> {
        assembly::parse_modules(&self.modules)
    }

    /// Returns the strings among the constants of the file, without a zero at their end, if its source puts a
    /// definition into `section`; otherwise none. These are all strings outside of functions, not only those in the
    /// section.
    ///
    /// # Errors
    /// The bitstream of a module is damaged.
    pub fn strings_beside(&self, section: &str) -> Result<Vec<Vec<u8>>, ReadError> {
        constants::strings_beside(&self.modules, section)
    }

    /// Returns the sizes of the parts of the file. Bodies of functions are skipped by their length.
    ///
    /// # Errors
    /// The bitstream of a module is damaged.
    pub fn part_sizes(&self) -> Result<PartSizes, ReadError> {
        sizes::measure(&self.modules)
    }

    /// Returns whether the file was compiled with `-fPIC` or `-fPIE`.
    ///
    /// # Errors
    /// The bitstream of a module is damaged.
    pub fn is_position_independent(&self) -> Result<bool, ReadError> {
        for module in &self.modules {
            let mut items = module.items();
            while let Some(item) = items.next_item()? {
                let Item::Block(block) = item else { continue };
                if block.id != block_id::METADATA {
                    continue;
                }
                let mut records = block.items();
                while let Some(item) = records.next_item()? {
                    if let Item::Record(record) = item
                        && record.code == METADATA_STRINGS
                    {
                        let strings = record.blob.unwrap_or_default();
                        let mut windows = strings.windows(PIC_LEVEL.len());
                        if windows.any(|window| window == PIC_LEVEL) {
                            return Ok(true);
                        }
                        break;
                    }
                }
            }
        }
        Ok(false)
    }
}

/// Returns the bitstream in a wrapper, which has five little-endian words (magic, version, offset, size,
/// CPU type).
fn unwrap(data: &[u8]) -> Result<&[u8], ReadError> {
    let word = |index: usize| {
        let bytes = data.get(index * 4..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let range = || {
        let (offset, size) = (word(2)?, word(3)?);
        data.get(offset..offset.checked_add(size)?)
    };
    range().ok_or_else(|| ReadError::Bitcode("the wrapper reaches beyond the end".into()))
}

/// Returns the blob of a block that consists of one blob.
fn blob<'data>(block: &Block<'data>, what: &str) -> Result<&'data [u8], ReadError> {
    let mut items = block.items();
    while let Some(item) = items.next_item()? {
        if let Item::Record(record) = item
            && record.code == BLOB_RECORD
            && let Some(blob) = record.blob
        {
            return Ok(blob);
        }
    }
    Err(ReadError::Bitcode(format!("the {what} block is empty")))
}

fn producer_name(block: &Block<'_>) -> Result<String, ReadError> {
    let mut items = block.items();
    while let Some(item) = items.next_item()? {
        if let Item::Record(record) = item
            && record.code == PRODUCER_RECORD
        {
            return Ok(record.text);
        }
    }
    Ok(String::new())
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! LLVM bitcode: the symbols that clang wrote into the file, and what the file says of itself.

mod assembly;
mod bitstream;
mod block_id;
mod irsymtab;
mod string_table;
mod summary;
mod types;

use bitstream::{Bitstream, Block, Item};
use string_table::StringTable;

pub use assembly::{Assembly, FunctionAssembly};
pub use summary::{GlobalValue, GlobalValueKind, Guid, Linkage, Summary, ValueIndex, ValueSummary};

use crate::{FileKind, ReadError, Symbol};

/// The record of a symbol table or string table block that holds the table.
const BLOB_RECORD: u64 = 1;
/// The record of a metadata block that holds all its strings, in a blob. It stands first.
const METADATA_STRINGS: u64 = 35;
/// The module flag of code that may run at any address. Source: `Module::setPICLevel`.
const PIC_LEVEL: &[u8] = b"PIC Level";
/// The record of an identification block that holds the producer's name.
const PRODUCER_RECORD: u64 = 1;

/// One bitcode file, raw or wrapped, with one module or several.
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
    /// `-flto=thin`: it takes part in the thin link, and is compiled on its own.
    Thin,
    /// `-flto` or `-flto=full`: it is merged with all others, and compiled with them.
    Full,
}

impl<'data> Bitcode<'data> {
    /// Reads the bitcode in `data`, which is one whole file or archive member.
    ///
    /// # Errors
    /// A bitstream that contradicts itself or ends too early; bitcode without symbol table; a
    /// symbol table of unknown version, or one that does not describe the whole file.
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
                // The first symbol table counts, and the first string table that follows it. A
                // file with more of them has modules that the first does not describe.
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

    /// Raw or wrapped.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// All symbols in table order: those of the IR first, then those of module assembly, module by
    /// module. `llvm.` names are among them and are marked as format-specific.
    pub fn symbols(&self) -> &[Symbol<'data>] {
        &self.symbols
    }

    /// The number of modules in the file; more than one with `-fsplit-lto-unit`.
    pub fn modules(&self) -> usize {
        self.modules.len()
    }

    /// The target triple, such as `aarch64-unknown-linux-gnu`.
    pub fn triple(&self) -> &'data str {
        self.triple
    }

    /// The path of the source file as the compiler was given it.
    pub fn source_file(&self) -> &'data str {
        self.source_file
    }

    /// The LLVM that wrote the file, such as `LLVM22.1.8`.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// Whether the file takes part in a thin link.
    ///
    /// # Errors
    /// A module whose bitstream is damaged. [`parse`](Self::parse) skips modules by their length.
    pub fn lto_kind(&self) -> Result<LtoKind, ReadError> {
        Ok(self.summary_kind()?.unwrap_or(LtoKind::Full))
    }

    /// The kind of link that the file has a summary for; `None` if it has none.
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

    /// What clang wrote down for the link of which value refers to which: all global values of
    /// the file, and what each definition refers to. `None` if a module has no summary, as with
    /// `-flto=full` for Darwin.
    ///
    /// It takes a pass over the records of each module and its summary; function bodies and other
    /// blocks are skipped by their length.
    ///
    /// # Errors
    /// A module whose bitstream is damaged, or that does not have its names in the string table;
    /// a summary of unknown version, with an unknown record, or that contradicts the module.
    pub fn summary(&self) -> Result<Option<Summary<'data>>, ReadError> {
        summary::parse(&self.modules, self.strings, &self.producer)
    }
}

impl<'data> Bitcode<'data> {
    /// All assembly of the file: that of its modules, and that within its functions.
    ///
    /// Of functions, it reads the constants and skips the rest.
    ///
    /// # Errors
    /// A module whose bitstream is damaged; assembly that contradicts its length.
    pub fn assembly(&self) -> Result<Assembly<'data>, ReadError> {
        assembly::parse(&self.modules, self.strings)
    }

    /// The text of module-level assembly, module by module: [`Assembly::modules`] without reading functions.
    ///
    /// # Errors
    /// A module whose bitstream is damaged.
    pub fn module_assembly(&self) -> Result<Vec<Vec<u8>>, ReadError> {
        assembly::parse_modules(&self.modules)
    }

    /// Whether the file was compiled with `-fPIC` or `-fPIE`.
    ///
    /// # Errors
    /// A module whose bitstream is damaged.
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

/// The bitstream in a wrapper: five little-endian words (magic, version, offset, size, CPU type).
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

/// The blob of a block that consists of one.
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

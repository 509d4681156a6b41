// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the assembly in a bitcode file: that of its modules, and that within its functions.
//!
//! Source: `llvm/Bitcode/LLVMBitCodes.h` (`MODULE_CODE_ASM`, `CST_CODE_INLINEASM`), `BitcodeWriter`
//! (a function's constants precede its instructions), `llvm/IR/InlineAsm.h`.

use super::bitstream::{Block, BlockInfo, Item, Record};
use super::block_id;
use super::global_value::ValueIndex;
use super::string_table::StringTable;
use super::summary::{function_name, value_kind};
use crate::ReadError;

/// Records that contain assembly, and the one that precedes constants.
mod code {
    /// The text of a module.
    pub const MODULE_ASM: u64 = 4;
    /// Among constants: `[flags, length, text, length, constraints]`, by LLVM 3 to 13.
    pub const INLINE_ASM_WITHOUT_TYPE: [u64; 3] = [18, 23, 28];
    /// Among constants: `[type, flags, length, text, length, constraints]`.
    pub const INLINE_ASM: u64 = 30;
    /// The number of a function's basic blocks. Precedes its constants.
    pub const DECLARE_BLOCKS: u64 = 1;
}

/// All assembly of a bitcode file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assembly<'data> {
    /// The module-level assembly of each module.
    pub modules: Vec<Vec<u8>>,
    /// The functions that have inline assembly, in the order of the file.
    pub functions: Vec<FunctionAssembly<'data>>,
}

/// The inline assembly of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionAssembly<'data> {
    /// The index of the function among the values of [`Summary`](crate::Summary).
    pub value: ValueIndex,
    /// Its name.
    pub function: &'data str,
    /// Its assembly, without duplicate texts, in the notation of the IR: operands are `$0` or
    /// `${0:x}`, and `$$` is a dollar sign.
    pub texts: Vec<Vec<u8>>,
}

/// Reads the text of module-level assembly of each of `modules`, and skips their functions.
pub fn parse_modules(modules: &[Block<'_>]) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut texts = Vec::new();
    let info = BlockInfo::default();
    for module in modules {
        let mut items = module.items_with_numbers(usize::MAX, &info);
        while let Some(item) = items.next_item()? {
            if let Item::Record(record) = item
                && record.code == code::MODULE_ASM
            {
                texts.push(text(&record.numbers)?);
            }
        }
    }
    Ok(texts)
}

/// Reads the assembly of `modules`, whose names are in `strings`.
pub fn parse<'data>(
    modules: &[Block<'data>],
    strings: StringTable<'data>,
) -> Result<Assembly<'data>, ReadError> {
    let mut assembly = Assembly::default();
    let mut n_values = 0;
    for module in modules {
        let mut info = BlockInfo::default();
        let mut n_bodies = 0;
        // Bodies have the same order as the records of their functions.
        let mut bodies = Vec::new();
        let mut items = module.items_with_numbers(usize::MAX, &info);
        while let Some(item) = items.next_item()? {
            match item {
                Item::Block(block) if BlockInfo::is_in(&block) => info.read(&block)?,
                Item::Block(block) if block.id == block_id::FUNCTION => {
                    let &(value, function) = bodies.get(n_bodies).ok_or_else(|| {
                        ReadError::Bitcode("a function body without a function".into())
                    })?;
                    n_bodies += 1;
                    let texts = inline_assembly(&block, &info)?;
                    if !texts.is_empty() {
                        assembly.functions.push(FunctionAssembly {
                            value,
                            function,
                            texts,
                        });
                    }
                }
                Item::Record(record) if record.code == code::MODULE_ASM => {
                    assembly.modules.push(text(&record.numbers)?);
                }
                Item::Record(record) if value_kind(record.code).is_some() => {
                    if let Some(name) = function_name(&record, strings)? {
                        bodies.push((ValueIndex(n_values), name));
                    }
                    n_values += 1;
                }
                Item::Block(_) | Item::Record(_) => {}
            }
        }
    }
    Ok(assembly)
}

/// Returns the texts of inline assembly in the body of a function, without duplicates.
fn inline_assembly(body: &Block<'_>, info: &BlockInfo) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut texts = Vec::new();
    let mut items = body.items_with_numbers(0, info);
    while let Some(item) = items.next_item()? {
        match item {
            Item::Block(block) if block.id == block_id::CONSTANTS => {
                let mut constants = block.items_with_numbers(usize::MAX, info);
                while let Some(item) = constants.next_item()? {
                    if let Item::Record(record) = item
                        && let Some(text) = inline_text(&record)?
                        && !texts.contains(&text)
                    {
                        texts.push(text);
                    }
                }
            }
            Item::Record(record) if record.code != code::DECLARE_BLOCKS => break,
            Item::Block(_) | Item::Record(_) => {}
        }
    }
    Ok(texts)
}

/// Returns the text of the constant, if it is inline assembly.
fn inline_text(record: &Record<'_>) -> Result<Option<Vec<u8>>, ReadError> {
    let start = match record.code {
        code::INLINE_ASM => 2,
        old if code::INLINE_ASM_WITHOUT_TYPE.contains(&old) => 1,
        _ => return Ok(None),
    };
    let numbers = || {
        let (length, rest) = record.numbers.get(start..)?.split_first()?;
        rest.get(..usize::try_from(*length).ok()?)
    };
    let numbers = numbers()
        .ok_or_else(|| ReadError::Bitcode("inline assembly that ends too early".into()))?;
    text(numbers).map(Some)
}

fn text(numbers: &[u64]) -> Result<Vec<u8>, ReadError> {
    let bytes = numbers.iter().map(|&number| u8::try_from(number));
    bytes
        .collect::<Result<_, _>>()
        .map_err(|_| ReadError::Bitcode("assembly with a character beyond a byte".into()))
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the strings among the constants of a module.
//!
//! Source: `llvm/Bitcode/LLVMBitCodes.h` (`MODULE_CODE_SECTIONNAME`, `CST_CODE_STRING`, `CST_CODE_CSTRING`);
//! `BitcodeWriter`, which writes the names of sections before the constants.

use super::bitstream::{Block, BlockInfo, Item, Record};
use super::block_id;
use crate::ReadError;

/// Records of a module and of its constants.
mod code {
    /// The name of a section that the source gives to a definition.
    pub const SECTION_NAME: u64 = 5;
    /// An array of bytes.
    pub const STRING: u64 = 8;
    /// An array of bytes, of which the last is a zero that the record leaves out.
    pub const C_STRING: u64 = 9;
}

/// Returns the strings among the constants of those `modules` that have a definition in `section`.
pub fn strings_beside(modules: &[Block<'_>], section: &str) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut strings = Vec::new();
    for module in modules {
        let mut info = BlockInfo::default();
        let mut has_section = false;
        let mut items = module.items_with_numbers(usize::MAX, &info);
        while let Some(item) = items.next_item()? {
            match item {
                Item::Block(block) if BlockInfo::is_in(&block) => info.read(&block)?,
                Item::Block(block) if has_section && block.id == block_id::CONSTANTS => {
                    let mut constants = block.items_with_numbers(usize::MAX, &info);
                    while let Some(item) = constants.next_item()? {
                        if let Item::Record(record) = item
                            && [code::STRING, code::C_STRING].contains(&record.code)
                        {
                            strings.extend(bytes(&record));
                        }
                    }
                }
                Item::Record(record) if record.code == code::SECTION_NAME => {
                    has_section |= bytes(&record).is_some_and(|name| name == section.as_bytes());
                }
                Item::Block(_) | Item::Record(_) => {}
            }
        }
    }
    Ok(strings)
}

/// Returns the numbers of a record as bytes, or `None` if one is larger than a byte.
fn bytes(record: &Record<'_>) -> Option<Vec<u8>> {
    let bytes = record.numbers.iter().map(|&number| u8::try_from(number));
    bytes.collect::<Result<_, _>>().ok()
}

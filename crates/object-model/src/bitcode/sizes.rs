// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Measures the parts of a bitcode file, from the lengths of its blocks.
//!
//! Source: `llvm/Bitcode/LLVMBitCodes.h` (block ids); `BitcodeWriter`, which writes the metadata of a module, such
//! as types of debug information, into blocks of the module, and that of a function into a block within the function.

use super::bitstream::{Block, Item};
use super::block_id;
use crate::ReadError;

/// The sizes of the parts of a bitcode file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartSizes {
    /// The number of functions with a body.
    pub functions: u64,
    /// The bytes of their bodies. With debug information, these include the position of each instruction.
    pub function_bytes: u64,
    /// The bytes of the metadata beside the functions. Nearly all of it is debug information, if there is any.
    pub metadata_bytes: u64,
}

/// Returns the sums of the sizes of `modules`.
pub fn measure(modules: &[Block<'_>]) -> Result<PartSizes, ReadError> {
    let mut sizes = PartSizes::default();
    for module in modules {
        let mut items = module.items();
        while let Some(item) = items.next_item()? {
            let Item::Block(block) = item else { continue };
            match block.id {
                block_id::FUNCTION => {
                    sizes.functions += 1;
                    sizes.function_bytes += block.n_bytes();
                }
                block_id::METADATA => sizes.metadata_bytes += block.n_bytes(),
                _ => {}
            }
        }
    }
    Ok(sizes)
}

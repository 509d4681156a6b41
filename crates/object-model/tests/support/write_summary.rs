// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Bitcode with any summary, for tests and fuzz targets.

use super::write_bitcode::{Bits, bitcode};

/// Block ids. Source: `llvm/Bitcode/LLVMBitCodes.h`.
pub const BLOCK_INFO: u32 = 0;
pub const THIN_SUMMARY: u32 = 20;

/// Code and operands of a record.
pub type Record = (u64, Vec<u64>);

/// Returns the content of a block with these records.
pub fn records(records: &[Record]) -> Bits {
    let mut content = Bits::default();
    for (code, operands) in records {
        content.record(*code, operands);
    }
    content
}

/// Returns a file whose only module has these records and, behind them, `blocks` with their ids.
/// The string table is `abcdefgh`.
pub fn file(module: &[Record], blocks: Vec<(u32, Bits)>) -> Vec<u8> {
    let mut content = records(module);
    for (id, block) in blocks {
        content.block(id, block);
    }
    bitcode(vec![content], &symtab(), b"abcdefgh")
}

/// Returns a symbol table of one module without symbols. Source: `llvm/Object/IRSymtab.h`, version 3.
fn symtab() -> Vec<u8> {
    const HEADER_WORDS: usize = 19;
    let mut words = [0_u32; HEADER_WORDS + 3];
    words[0] = 3;
    // The table of modules: where it stands, and how many there are.
    words[3] = HEADER_WORDS as u32 * 4;
    words[4] = 1;
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

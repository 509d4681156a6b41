// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Bitcode made by hand, for tests and fuzz targets: sound blocks with any content.

/// Block ids. Source: `llvm/Bitcode/LLVMBitCodes.h`.
pub const MODULE: u32 = 8;
pub const STRTAB: u32 = 23;
pub const SYMTAB: u32 = 25;

/// Width of abbreviation ids in all blocks that are written here, and in the file.
const WIDTH: u32 = 4;
const TOP_LEVEL_WIDTH: u32 = 2;

/// Bits of a bitstream, least significant first. Source: LLVM's "Bitcode File Format".
#[derive(Clone, Debug, Default)]
pub struct Bits {
    bytes: Vec<u8>,
    /// The number of used bits of the last byte; 0 if all are used.
    used: u8,
}

impl Bits {
    pub fn push(&mut self, value: u64, width: u32) {
        for bit in 0..width {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << self.used;
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// A number in chunks of `width` bits, of which the highest says that another follows.
    pub fn push_vbr(&mut self, mut value: u64, width: u32) {
        let more = 1 << (width - 1);
        while value >= more {
            self.push(value & (more - 1) | more, width);
            value >>= width - 1;
        }
        self.push(value, width);
    }

    /// The id of an abbreviation, or a value in its place.
    pub fn push_id(&mut self, id: u64) {
        self.push(id, WIDTH);
    }

    /// A record without abbreviation.
    pub fn record(&mut self, code: u64, operands: &[u64]) {
        self.push_id(3);
        self.push_vbr(code, 6);
        self.push_vbr(operands.len() as u64, 6);
        for operand in operands {
            self.push_vbr(*operand, 6);
        }
    }

    /// A block in the block that this is the content of.
    pub fn block(&mut self, id: u32, content: Bits) {
        self.block_at(WIDTH, id, content);
    }

    fn block_at(&mut self, width: u32, id: u32, mut content: Bits) {
        // END_BLOCK.
        content.push_id(0);
        content.align();
        // ENTER_SUBBLOCK.
        self.push(1, width);
        self.push_vbr(id.into(), 8);
        self.push_vbr(WIDTH.into(), 4);
        self.align();
        self.push(content.bytes.len() as u64 / 4, 32);
        self.bytes.extend(content.bytes);
    }

    fn align(&mut self) {
        self.used = 0;
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }
}

/// Returns the content of a block with one record of code 1 that is `blob`.
fn with_blob(blob: &[u8]) -> Bits {
    let mut content = Bits::default();
    // DEFINE_ABBREV: two operands, the literal 1 and a blob.
    content.push_id(2);
    content.push_vbr(2, 5);
    content.push(1, 1);
    content.push_vbr(1, 8);
    content.push(0, 1);
    content.push(5, 3);
    // The record, by that abbreviation.
    content.push_id(4);
    content.push_vbr(blob.len() as u64, 6);
    content.align();
    content.bytes.extend(blob);
    content.align();
    content
}

/// Returns a bitcode file with these modules and tables.
pub fn bitcode(modules: Vec<Bits>, symtab: &[u8], strtab: &[u8]) -> Vec<u8> {
    let mut file = Bits::default();
    file.bytes.extend(b"BC\xc0\xde");
    for module in modules {
        file.block_at(TOP_LEVEL_WIDTH, MODULE, module);
    }
    file.block_at(TOP_LEVEL_WIDTH, SYMTAB, with_blob(symtab));
    file.block_at(TOP_LEVEL_WIDTH, STRTAB, with_blob(strtab));
    file.bytes
}

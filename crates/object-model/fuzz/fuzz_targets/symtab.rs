// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Any bytes as symbol table and string table of a bitcode file whose blocks are sound. Bytes that
//! nobody put into blocks would hardly ever come so far.
#![no_main]

use libfuzzer_sys::fuzz_target;
use object_model::Bitcode;

/// Bits of a bitstream, least significant first. Source: LLVM's "Bitcode File Format".
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// How many bits of the last byte are taken; 0 if all.
    used: u8,
}

impl Bits {
    fn push(&mut self, value: u32, width: u32) {
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
    fn push_vbr(&mut self, mut value: u32, width: u32) {
        let more = 1 << (width - 1);
        while value >= more {
            self.push(value & (more - 1) | more, width);
            value >>= width - 1;
        }
        self.push(value, width);
    }

    fn align(&mut self) {
        self.used = 0;
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }
}

/// A block, with one record of code 1 that is `blob` if there is one.
fn block(id: u32, blob: Option<&[u8]>) -> Vec<u8> {
    const WIDTH: u32 = 3;
    let mut content = Bits::default();
    if let Some(blob) = blob {
        // DEFINE_ABBREV: the literal 1, then a blob.
        content.push(2, WIDTH);
        content.push_vbr(2, 5);
        content.push(1, 1);
        content.push_vbr(1, 8);
        content.push(0, 1);
        content.push(5, 3);
        // The record, by that abbreviation.
        content.push(4, WIDTH);
        content.push_vbr(blob.len() as u32, 6);
        content.align();
        content.bytes.extend(blob);
        content.align();
    }
    // END_BLOCK.
    content.push(0, WIDTH);
    content.align();

    let mut block = Bits::default();
    // ENTER_SUBBLOCK.
    block.push(1, 2);
    block.push_vbr(id, 8);
    block.push_vbr(WIDTH, 4);
    block.align();
    block.push(content.bytes.len() as u32 / 4, 32);
    block.bytes.extend(content.bytes);
    block.bytes
}

/// A bitcode file with so many empty modules and these tables.
fn bitcode(n_modules: u8, symtab: &[u8], strtab: &[u8]) -> Vec<u8> {
    const MODULE: u32 = 8;
    const STRTAB: u32 = 23;
    const SYMTAB: u32 = 25;
    let mut stream = b"BC\xc0\xde".to_vec();
    for _ in 0..n_modules {
        stream.extend(block(MODULE, None));
    }
    stream.extend(block(SYMTAB, Some(symtab)));
    stream.extend(block(STRTAB, Some(strtab)));
    stream
}

fuzz_target!(
    init: {
        // The blocks are sound: what is refused is the table.
        let error = Bitcode::parse(&bitcode(1, &[], &[])).expect_err("there is no table");
        let text = error.to_string();
        assert!(text.ends_with("the symbol table ends too early"), "{text}");
    },
    |tables: (u8, &[u8], &[u8])| {
        let (n_modules, symtab, strtab) = tables;
        let n_modules = n_modules % 4;
        if let Ok(bitcode) = Bitcode::parse(&bitcode(n_modules, symtab, strtab)) {
            assert_eq!(bitcode.modules(), usize::from(n_modules));
            let _ = bitcode.lto_kind();
        }
    }
);

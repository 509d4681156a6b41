// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The calls in machine code, and what debug information says of their addresses.

use std::collections::HashMap;
use std::ops::Range;

use object_model::{Image, elf};

use crate::{Error, Place};

/// What a call instruction calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The function at this address.
    Address(u64),
    /// A pointer.
    Pointer,
}

/// The function whose code contains a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inner<Entry> {
    /// How deep its entry is; the deepest is the innermost.
    pub(crate) depth: usize,
    /// The entry.
    pub(crate) entry: Entry,
}

/// A call instruction.
#[derive(Debug)]
pub(crate) struct CodeCall {
    pub(crate) address: u64,
    pub(crate) target: Target,
    pub(crate) place: Option<Place>,
    pub(crate) inner: Option<Inner<usize>>,
}

/// The calls of a file, by address.
#[derive(Debug)]
pub(crate) struct CodeCalls(pub(crate) Vec<CodeCall>);

/// The size of an instruction of 64-bit Arm, in bytes.
const INSTRUCTION: usize = 4;

impl CodeCalls {
    /// Finds the calls of `image`; none on machines other than 64-bit Arm, whose instructions all have the same size.
    pub(crate) fn of(image: &Image<'_, '_>) -> Result<Self, Error> {
        let mut calls = Vec::new();
        if image.elf.machine() != elf::EM_AARCH64 {
            return Ok(Self(calls));
        }
        let sections = image.elf.sections().iter();
        for section in sections.filter(|section| section.is_executable()) {
            let mut relocated = HashMap::new();
            if image.elf.is_relocatable() {
                for relocation in image.elf.relocations(section.index)? {
                    if relocation.kind == elf::R_AARCH64_CALL26 {
                        relocated.insert(relocation.offset, image.target(&relocation));
                    }
                }
            }
            let base = image.base(section);
            for (index, bytes) in section.data.chunks_exact(INSTRUCTION).enumerate() {
                let word = bytes.try_into().map_or(0, u32::from_le_bytes);
                let offset = (index * INSTRUCTION) as u64;
                let address = base + offset;
                let target = match relocated.get(&offset) {
                    // Not the target of a relocation without a symbol.
                    Some(target) => target.map(Target::Address),
                    None => called(word, address),
                };
                calls.extend(target.map(|target| CodeCall {
                    address,
                    target,
                    place: None,
                    inner: None,
                }));
            }
        }
        calls.sort_unstable_by_key(|call| call.address);
        Ok(Self(calls))
    }

    /// Returns the calls at addresses of `range`.
    pub(crate) fn within(&mut self, range: &Range<u64>) -> &mut [CodeCall] {
        let start = self.0.partition_point(|call| call.address < range.start);
        let end = self.0.partition_point(|call| call.address < range.end);
        self.0.get_mut(start..end).unwrap_or_default()
    }
}

/// Returns what the instruction `word` at `address` calls, if it is `BL` or one of the forms of `BLR`.
fn called(word: u32, address: u64) -> Option<Target> {
    if word >> 26 == 0b10_0101 {
        // 26 bits with a sign, in instructions of 4 bytes.
        let distance = i64::from((word << 6).cast_signed() >> 4);
        return Some(Target::Address(address.wrapping_add_signed(distance)));
    }
    // BLR, BLRAA and BLRAB with a key or zero.
    let is_pointer = word & 0xfeff_f000 == 0xd63f_0000;
    is_pointer.then_some(Target::Pointer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_64_bit_arm() {
        // Encodings as llvm-mc prints them.
        for (word, expected) in [
            (0x9400_0001, Some(Target::Address(0x1004))),
            (0x97ff_ffff, Some(Target::Address(0xffc))),
            (
                0x9600_0000,
                Some(Target::Address(0x1000_u64.wrapping_sub(0x800_0000))),
            ),
            // blr x8, blraaz x8, blraa x8, x9
            (0xd63f_0100, Some(Target::Pointer)),
            (0xd63f_091f, Some(Target::Pointer)),
            (0xd73f_0909, Some(Target::Pointer)),
            // br x8, ret, b, nop
            (0xd61f_0100, None),
            (0xd65f_03c0, None),
            (0x1400_0001, None),
            (0xd503_201f, None),
        ] {
            assert_eq!(called(word, 0x1000), expected, "{word:#x}");
        }
    }
}

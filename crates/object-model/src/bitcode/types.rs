// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Computes the sizes of the types of a module, in bytes.
//!
//! Source: `llvm/Bitcode/LLVMBitCodes.h` (records of the type table); `DataLayout` (alignment), with
//! the data layouts of clang for arm64 and x86-64: pointers have 8 bytes, and everything is aligned to its
//! own size, up to 16 bytes.

use super::bitstream::{Block, BlockInfo, Item, Record};
use super::block_id;
use crate::ReadError;

/// Records of the type table.
mod code {
    /// The number of types that follow. Defines none itself.
    pub const COUNT: u64 = 1;
    pub const FLOAT: u64 = 3;
    pub const DOUBLE: u64 = 4;
    /// `[bits]`.
    pub const INTEGER: u64 = 7;
    pub const POINTER: u64 = 8;
    pub const HALF: u64 = 10;
    /// `[elements, type]`.
    pub const ARRAY: u64 = 11;
    /// `[elements, type]`, and a third number if the number of elements is known only at run time.
    pub const VECTOR: u64 = 12;
    pub const FP80: u64 = 13;
    pub const FP128: u64 = 14;
    /// `[is packed, types]`.
    pub const STRUCT_ANONYMOUS: u64 = 18;
    /// The name of the structure that follows. Defines none itself.
    pub const STRUCT_NAME: u64 = 19;
    /// Like `STRUCT_ANONYMOUS`.
    pub const STRUCT_NAMED: u64 = 20;
    pub const BFLOAT: u64 = 23;
    pub const OPAQUE_POINTER: u64 = 25;
}

/// Size and alignment of a type, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    size: u64,
    alignment: u64,
}

impl Layout {
    /// Returns the size and alignment of a type that is aligned to its size, or to the next power of two.
    fn of_bytes(bytes: u64) -> Option<Self> {
        let alignment = bytes.max(1).checked_next_power_of_two()?.min(16);
        let size = bytes.checked_next_multiple_of(alignment)?;
        Some(Self { size, alignment })
    }

    /// Returns the size and alignment of an array of `count` elements.
    fn array(self, count: u64) -> Option<Self> {
        let size = self.size.checked_mul(count)?;
        Some(Self { size, ..self })
    }

    /// Returns the size and alignment of a structure of `members`; `None` if one of them is unknown.
    fn structure(members: &[Option<Self>], is_packed: bool) -> Option<Self> {
        let mut whole = Self {
            size: 0,
            alignment: 1,
        };
        for member in members {
            let Self { size, alignment } = (*member)?;
            let alignment = if is_packed { 1 } else { alignment };
            let start = whole.size.checked_next_multiple_of(alignment)?;
            whole.size = start.checked_add(size)?;
            whole.alignment = whole.alignment.max(alignment);
        }
        whole.size = whole.size.checked_next_multiple_of(whole.alignment)?;
        Some(whole)
    }
}

/// The types of a module, by their numbers; `None` for types that no variable has.
#[derive(Debug, Default)]
pub struct Types(Vec<Option<Layout>>);

impl Types {
    /// Returns whether this is the type table of a module.
    pub fn is_in(block: &Block<'_>) -> bool {
        block.id == block_id::TYPES
    }

    /// Reads the type table `block`.
    ///
    /// # Errors
    /// The bitstream is damaged.
    pub fn read(block: &Block<'_>, info: &BlockInfo) -> Result<Self, ReadError> {
        let mut types = Self::default();
        let mut items = block.items_with_numbers(usize::MAX, info);
        while let Some(item) = items.next_item()? {
            match item {
                Item::Record(record)
                    if ![code::COUNT, code::STRUCT_NAME].contains(&record.code) =>
                {
                    let layout = types.layout(&record);
                    types.0.push(layout);
                }
                _ => {}
            }
        }
        Ok(types)
    }

    /// Returns the size of a variable of the type with this number, in bytes, if it is known.
    pub fn size(&self, number: u64) -> Option<u64> {
        self.get(number).map(|layout| layout.size)
    }

    fn get(&self, number: u64) -> Option<Layout> {
        *self.0.get(usize::try_from(number).ok()?)?
    }

    fn layout(&self, record: &Record<'_>) -> Option<Layout> {
        match (record.code, &record.numbers[..]) {
            (code::INTEGER, [bits]) => Layout::of_bytes(bits.div_ceil(8)),
            (code::HALF | code::BFLOAT, _) => Layout::of_bytes(2),
            (code::FLOAT, _) => Layout::of_bytes(4),
            (code::DOUBLE | code::POINTER | code::OPAQUE_POINTER, _) => Layout::of_bytes(8),
            (code::FP80 | code::FP128, _) => Layout::of_bytes(16),
            (code::ARRAY, [count, element]) => self.get(*element)?.array(*count),
            (code::VECTOR, [count, element]) => {
                Layout::of_bytes(self.get(*element)?.size.checked_mul(*count)?)
            }
            (code::STRUCT_ANONYMOUS | code::STRUCT_NAMED, [is_packed, members @ ..]) => {
                let members: Vec<_> = members.iter().map(|member| self.get(*member)).collect();
                Layout::structure(&members, *is_packed != 0)
            }
            _ => None,
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Changes the bytes of the object that the linker made.

use std::ops::Range;

use object::elf::SectionType;
use object::endian::U32;
use object::pod::{bytes_of, bytes_of_slice, slice_from_all_bytes_mut};
use object::read::elf::{Rel as _, Rela as _, Sym};
use object::{Endianness, Pod};
use object_model::elf;

use crate::error::NameError;
use crate::source_names::class::{Class, word};

/// The alignment of the section headers, which is enough for both classes.
const HEADER_ALIGNMENT: usize = 8;

/// The new order of a symbol table.
pub(super) struct Order {
    /// The old numbers of the symbols, in the new order.
    pub(super) old: Vec<usize>,
    /// The new numbers, by the old ones.
    pub(super) new: Vec<u32>,
}

impl Order {
    /// Returns the order in which the symbols `moved` are local. They come before the first file symbol: the
    /// locals after a file symbol are those of its file.
    pub(super) fn of<S>(symbols: &[S], n_locals: usize, moved: &[usize]) -> Self
    where
        S: Sym<Endian = Endianness>,
    {
        let is_file = |symbol: &S| symbol.st_type() == elf::STT_FILE;
        let first_file = symbols.iter().take(n_locals).position(is_file);
        let place = first_file.unwrap_or(n_locals);
        let mut old: Vec<usize> = (0..place).collect();
        old.extend(moved);
        old.extend(place..n_locals);
        let mut moved = moved.iter().peekable();
        old.extend((n_locals..symbols.len()).filter(|index| moved.next_if_eq(&index).is_none()));
        let mut new = vec![0; symbols.len()];
        for (to, from) in old.iter().enumerate() {
            if let (Some(new), Ok(to)) = (new.get_mut(*from), u32::try_from(to)) {
                *new = to;
            }
        }
        Self { old, new }
    }

    /// Returns `items`, one per symbol, in the new order.
    pub(super) fn apply<T: Copy>(&self, items: &[T]) -> Vec<T> {
        let items = self.old.iter().filter_map(|index| items.get(*index));
        items.copied().collect()
    }

    /// Returns the new number of a symbol.
    pub(super) fn number(&self, old: u32) -> Option<u32> {
        self.new.get(old as usize).copied()
    }
}

/// A section with numbers of symbols in its content.
pub(super) struct Numbered {
    pub(super) name: String,
    pub(super) kind: SectionType,
    pub(super) range: Range<usize>,
}

impl Numbered {
    /// Changes the numbers in the object `bytes`.
    fn renumber<C: Class>(
        &self,
        endian: Endianness,
        order: &Order,
        bytes: &mut [u8],
    ) -> Result<(), NameError> {
        let content = bytes.get_mut(self.range.clone()).unwrap_or_default();
        match self.kind {
            elf::SHT_RELA => {
                for (index, relocation) in self.entries::<C::Rela>(content)?.iter_mut().enumerate()
                {
                    let symbol = self.symbol(order, index, relocation.r_sym(endian, false))?;
                    let kind = relocation.r_type(endian, false);
                    C::set_rela(relocation, endian, symbol, kind);
                    self.check(symbol, relocation.r_sym(endian, false))?;
                }
            }
            elf::SHT_REL => {
                for (index, relocation) in self.entries::<C::Rel>(content)?.iter_mut().enumerate() {
                    let symbol = self.symbol(order, index, relocation.r_sym(endian))?;
                    let kind = relocation.r_type(endian);
                    C::set_rel(relocation, endian, symbol, kind);
                    self.check(symbol, relocation.r_sym(endian))?;
                }
            }
            _ => {
                let sections = self.entries::<U32<Endianness>>(content)?;
                if sections.len() != order.old.len() {
                    return Err(NameError::damaged(format!(
                        "section {} has {} entries for {} symbols",
                        self.name,
                        sections.len(),
                        order.old.len()
                    )));
                }
                sections.copy_from_slice(&order.apply(sections));
            }
        }
        Ok(())
    }

    /// Returns the entries of the section.
    fn entries<'bytes, T: Pod>(
        &self,
        content: &'bytes mut [u8],
    ) -> Result<&'bytes mut [T], NameError> {
        let n_bytes = content.len();
        slice_from_all_bytes_mut::<T>(content).map_err(|()| {
            NameError::damaged(format!(
                "section {} has {n_bytes} bytes, which are no whole entries",
                self.name
            ))
        })
    }

    /// Returns the new number of the symbol `old` of the relocation `index`.
    fn symbol(&self, order: &Order, index: usize, old: u32) -> Result<u32, NameError> {
        order.number(old).ok_or_else(|| {
            NameError::damaged(format!(
                "relocation {index} of section {} refers to symbol {old}, which does not exist",
                self.name
            ))
        })
    }

    /// Checks that a relocation took the number of a symbol; those of 32 bits have 24 bits for it.
    fn check(&self, symbol: u32, in_relocation: u32) -> Result<(), NameError> {
        if symbol == in_relocation {
            return Ok(());
        }
        Err(NameError::damaged(format!(
            "a relocation of section {} cannot refer to symbol {symbol}",
            self.name
        )))
    }
}

/// The parts of an object that change.
pub(super) struct Change<C: Class> {
    pub(super) endian: Endianness,
    pub(super) header: C,
    pub(super) headers: Vec<C::SectionHeader>,
    pub(super) symbols: Vec<C::Sym>,
    /// The place of the symbol table.
    pub(super) symtab: Range<usize>,
    pub(super) order: Order,
    pub(super) numbered: Vec<Numbered>,
    /// The number of bytes at the start of the file that stay.
    pub(super) kept: usize,
    /// The places of the old string tables among these bytes, which must not contain the old names.
    pub(super) gaps: Vec<Range<usize>>,
    /// The string tables by the index of their section.
    pub(super) tables: Vec<(usize, Vec<u8>)>,
}

impl<C: Class> Change<C> {
    pub(super) fn apply(mut self, bytes: &mut Vec<u8>) -> Result<(), NameError> {
        for section in &self.numbered {
            section.renumber::<C>(self.endian, &self.order, bytes)?;
        }
        put(bytes, self.symtab, bytes_of_slice(&self.symbols))?;
        bytes.truncate(self.kept);
        for gap in self.gaps {
            bytes.get_mut(gap).unwrap_or_default().fill(0);
        }
        for (index, text) in self.tables {
            if let Some(header) = self.headers.get_mut(index) {
                let offset = word::<C>(bytes.len())?;
                C::set_range(header, self.endian, offset, word::<C>(text.len())?);
            }
            bytes.extend(text);
        }
        bytes.resize(bytes.len().next_multiple_of(HEADER_ALIGNMENT), 0);
        let offset = word::<C>(bytes.len())?;
        self.header.set_section_table(self.endian, offset);
        bytes.extend_from_slice(bytes_of_slice(&self.headers));
        put(bytes, 0..size_of::<C>(), bytes_of(&self.header))
    }
}

/// Replaces the bytes in `place`.
fn put(bytes: &mut [u8], place: Range<usize>, content: &[u8]) -> Result<(), NameError> {
    let place = bytes.get_mut(place);
    let place = place.filter(|place| place.len() == content.len());
    let place = place.ok_or_else(|| NameError::damaged("its parts overlap"))?;
    place.copy_from_slice(content);
    Ok(())
}

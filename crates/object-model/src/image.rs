// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Gives an ELF file addresses as in memory, so that linked kernels and relocatable objects are read alike.

use crate::{Elf, ReadError, Relocation, Section, Symbol, SymbolMap};

/// Sections, symbols and relocations by address. Sections of relocatable objects get consecutive
/// addresses here, and each undefined symbol gets one, too.
#[derive(Debug)]
pub struct Image<'elf, 'data> {
    /// The file.
    pub elf: &'elf Elf<'data>,
    /// Its symbols by name and by place.
    pub symbols: SymbolMap<'elf, 'data>,
    /// Address of each section, by index.
    bases: Vec<u64>,
    /// Sections that are loaded, with bytes, by address.
    loaded: Vec<(u64, &'elf Section<'data>)>,
}

/// The names by which a table is found: that of its section in objects, and those of the symbols around
/// it in linked kernels.
#[derive(Clone, Copy, Debug)]
pub struct TableName {
    /// The section in objects.
    pub section: &'static str,
    /// The symbol at the start in linked kernels.
    pub start: &'static str,
    /// The symbol at the end in linked kernels.
    pub stop: &'static str,
}

/// A table, or one of several sections with its name.
#[derive(Clone, Copy, Debug)]
pub struct TablePart<'elf, 'data> {
    /// The section that it is in.
    pub section: &'elf Section<'data>,
    /// Its offset in the section, in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// The first address of undefined symbols: above every section that gets an address here, and below
/// every kernel.
const UNDEFINED: u64 = 1 << 48;
/// The distance of undefined symbols, so that flags in low bits and small addends lead to no other symbol.
const UNDEFINED_STRIDE: u64 = 0x100;
/// The alignment of sections and the gap between them, so that flags in low bits lead to no other section.
const SECTION_GAP: u64 = 0x100;

impl<'elf, 'data> Image<'elf, 'data> {
    /// Returns the image of `elf`.
    pub fn new(elf: &'elf Elf<'data>) -> Self {
        let mut bases = vec![0];
        let mut next = SECTION_GAP;
        for section in elf.sections() {
            if elf.is_relocatable() && section.is_allocated() {
                next = next.next_multiple_of(SECTION_GAP);
                bases.push(next);
                next = next.saturating_add(section.data.len() as u64) + SECTION_GAP;
            } else {
                bases.push(section.address);
            }
        }
        let sections = elf.sections().iter();
        let mut loaded: Vec<_> = sections
            .filter(|section| section.is_allocated() && !section.data.is_empty())
            .filter_map(|section| Some((*bases.get(section.index.0)?, section)))
            .collect();
        loaded.sort_by_key(|&(base, section)| (base, section.index));
        Self {
            elf,
            symbols: elf.symbol_map(),
            bases,
            loaded,
        }
    }

    /// Returns the address of a section.
    pub fn base(&self, section: &Section) -> u64 {
        self.bases.get(section.index.0).copied().unwrap_or_default()
    }

    /// Returns the address of a symbol.
    pub fn address(&self, symbol: &Symbol) -> u64 {
        let section = symbol.section.and_then(|index| self.elf.section(index));
        match section {
            _ if !self.elf.is_relocatable() => symbol.value,
            Some(section) => self.base(section).wrapping_add(symbol.value),
            None if symbol.is_undefined() => UNDEFINED + symbol.index.0 as u64 * UNDEFINED_STRIDE,
            None => symbol.value,
        }
    }

    /// Returns the address that a relocation refers to: its symbol and addend.
    pub fn target(&self, relocation: &Relocation) -> Option<u64> {
        let symbol = self.elf.symbol(relocation.symbol?)?;
        Some(self.address(symbol).wrapping_add_signed(relocation.addend?))
    }

    /// Returns the section that has bytes at this address, and the offset in it. A module may have code that
    /// became data after objtool ran (`drivers/misc/lkdtm`).
    fn loaded_at(&self, address: u64) -> Option<(&'elf Section<'data>, u64)> {
        let behind = self.loaded.partition_point(|&(base, _)| base <= address);
        let &(base, section) = self.loaded.get(behind.checked_sub(1)?)?;
        let offset = address - base;
        (offset < section.data.len() as u64).then_some((section, offset))
    }

    /// Returns the section that has bytes at this address.
    pub fn section_at(&self, address: u64) -> Option<&'elf Section<'data>> {
        self.loaded_at(address).map(|(section, _)| section)
    }

    /// Returns the symbols that are defined exactly at this address, in table order.
    pub fn symbols_at(&self, address: u64) -> &[&'elf Symbol<'data>] {
        let Some((section, offset)) = self.loaded_at(address) else {
            return &[];
        };
        let value = self.value(address, offset);
        self.symbols.at(section.index, value)
    }

    /// Returns whether this address is in code.
    pub fn is_executable(&self, address: u64) -> bool {
        let found = self.loaded_at(address);
        found.is_some_and(|(section, _)| section.is_executable())
    }

    /// Returns the value of symbols at `address`, which is `offset` bytes into its section.
    fn value(&self, address: u64, offset: u64) -> u64 {
        if self.elf.is_relocatable() {
            offset
        } else {
            address
        }
    }

    /// Returns whether this address is in a loaded section, or directly after one.
    pub fn is_loaded(&self, address: u64) -> bool {
        let within = |address: u64| self.loaded_at(address).is_some();
        within(address) || address.checked_sub(1).is_some_and(within)
    }

    /// Returns the place in the form of messages: `vfs_read+0x4 (.text+0x1234)`.
    pub fn place(&self, address: u64) -> String {
        let Some((section, offset)) = self.loaded_at(address) else {
            return format!("{address:#x}, where nothing is");
        };
        let place = format!("{}+{offset:#x}", section.name);
        let value = self.value(address, offset);
        let symbols = self.symbols.in_section(section.index);
        let before = symbols.partition_point(|symbol| symbol.value <= value);
        let mut before = symbols.get(..before).unwrap_or_default().iter().rev();
        match before.find(|symbol| self.elf.is_function(symbol)) {
            Some(symbol) => format!("{}+{:#x} ({place})", symbol.name, value - symbol.value),
            None => place,
        }
    }

    /// Returns the bytes from this address to the end of its section.
    pub fn bytes(&self, address: u64) -> Option<&'data [u8]> {
        let (section, offset) = self.loaded_at(address)?;
        section.data.get(usize::try_from(offset).ok()?..)
    }

    /// Returns the bytes from this address to the next NUL, such as a name, without the NUL. `None` if the
    /// address has no bytes.
    pub fn string(&self, address: u64) -> Option<&'data [u8]> {
        self.bytes(address)?.split(|byte| *byte == 0).next()
    }

    /// Returns the places of a table; an object may have none.
    ///
    /// # Errors
    /// A linked file lacks the symbols around the table, or they do not enclose one.
    pub fn table(&self, name: TableName) -> Result<Vec<TablePart<'elf, 'data>>, String> {
        let TableName {
            section,
            start,
            stop,
        } = name;
        if self.elf.is_relocatable() {
            let sections = self.elf.sections().iter();
            let whole = |section: &'elf Section<'data>| TablePart {
                section,
                offset: 0,
                size: section.data.len() as u64,
            };
            return Ok(sections.filter(|s| s.name == section).map(whole).collect());
        }
        let address = |name: &str| {
            let symbol = self.symbols.named(name).first();
            symbol
                .map(|symbol| symbol.value)
                .ok_or_else(|| format!("there is no {name}"))
        };
        let (start_address, stop_address) = (address(start)?, address(stop)?);
        let size = stop_address
            .checked_sub(start_address)
            .ok_or_else(|| format!("{stop} lies before {start}"))?;
        let part = |section: &'elf Section<'data>| {
            let offset = start_address.checked_sub(section.address)?;
            let end = offset.checked_add(size)?;
            let holds = section.is_allocated() && end <= section.data.len() as u64;
            holds.then_some(TablePart {
                section,
                offset,
                size,
            })
        };
        let part = self.elf.sections().iter().find_map(part);
        let part = part.ok_or_else(|| format!("no section holds {start} to {stop}"))?;
        Ok(vec![part])
    }

    /// Returns the target of the PREL32 field that is `field` bytes into each entry of `stride` bytes;
    /// `None` if it has no target.
    ///
    /// # Errors
    /// The relocations cannot be read.
    pub fn prel32(
        &self,
        part: &TablePart,
        stride: u64,
        field: u64,
    ) -> Result<Vec<Option<u64>>, ReadError> {
        let starts = (0..part.size / stride).map(|index| part.offset + index * stride + field);
        if !self.elf.is_relocatable() {
            let target = |offset: u64| {
                let distance = self.elf.read_unsigned(part.section, offset, 4)?;
                let distance = i64::from((distance as u32).cast_signed());
                Some(
                    part.section
                        .address
                        .wrapping_add(offset)
                        .wrapping_add_signed(distance),
                )
            };
            return Ok(starts.map(target).collect());
        }
        let mut relocations = self.elf.relocations(part.section.index)?;
        relocations.retain(Relocation::is_prel32);
        relocations.sort_by_key(|relocation| relocation.offset);
        let target = |offset: u64| {
            let at = relocations.binary_search_by_key(&offset, |found| found.offset);
            self.target(relocations.get(at.ok()?)?)
        };
        Ok(starts.map(target).collect())
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Symbols of an ELF file by name and by place.

use std::collections::HashMap;

use crate::symbol::{SectionIndex, Symbol};

/// Symbols of an ELF file by name and by place.
#[derive(Debug)]
pub struct SymbolMap<'elf, 'data> {
    by_name: HashMap<&'data str, Vec<&'elf Symbol<'data>>>,
    /// Defined symbols, ordered by section, value and index.
    by_place: Vec<&'elf Symbol<'data>>,
}

impl<'elf, 'data> SymbolMap<'elf, 'data> {
    pub(crate) fn new(symbols: &'elf [Symbol<'data>]) -> Self {
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for symbol in symbols.iter().filter(|symbol| !symbol.is_format_specific()) {
            by_name.entry(symbol.name).or_default().push(symbol);
        }
        let mut by_place: Vec<_> = symbols
            .iter()
            .filter(|symbol| symbol.section.is_some() && !symbol.is_format_specific())
            .collect();
        by_place.sort_unstable_by_key(|symbol| (symbol.section, symbol.value, symbol.index));
        Self { by_name, by_place }
    }

    /// Returns all symbols with this name, in table order, without section and file symbols.
    pub fn named(&self, name: &str) -> &[&'elf Symbol<'data>] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the symbols defined exactly at `value` of `section`, in table order.
    pub fn at(&self, section: SectionIndex, value: u64) -> &[&'elf Symbol<'data>] {
        let place = (Some(section), value);
        let key = |symbol: &&Symbol<'_>| (symbol.section, symbol.value);
        let start = self.by_place.partition_point(|symbol| key(symbol) < place);
        let end = self.by_place.partition_point(|symbol| key(symbol) <= place);
        &self.by_place[start..end]
    }

    /// Returns all symbols that are defined in `section`, by ascending value.
    pub fn in_section(&self, section: SectionIndex) -> &[&'elf Symbol<'data>] {
        let section = Some(section);
        let start = self.by_place.partition_point(|s| s.section < section);
        let end = self.by_place.partition_point(|s| s.section <= section);
        &self.by_place[start..end]
    }
}

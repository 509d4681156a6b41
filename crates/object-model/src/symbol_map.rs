// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Symbols of an ELF file by name and by place.

use std::collections::HashMap;
use std::ops::Range;

use crate::symbol::{SectionIndex, Symbol};

/// Symbols of an ELF file by name and by place.
#[derive(Debug)]
pub struct SymbolMap<'elf, 'data> {
    /// The part of `of_name` that has the symbols of each name. No list per name: a kernel has 60,000 names.
    by_name: HashMap<&'data str, Range<usize>>,
    of_name: Vec<&'elf Symbol<'data>>,
    /// Defined symbols, ordered by section, value and index.
    by_place: Vec<&'elf Symbol<'data>>,
}

impl<'elf, 'data> SymbolMap<'elf, 'data> {
    pub(crate) fn new(symbols: &'elf [Symbol<'data>]) -> Self {
        let named = || symbols.iter().filter(|symbol| !symbol.is_format_specific());
        let mut by_name: HashMap<_, Range<usize>> = HashMap::with_capacity(symbols.len());
        for symbol in named() {
            by_name.entry(symbol.name).or_default().end += 1;
        }
        let mut next = 0;
        for range in by_name.values_mut() {
            let n = range.end;
            // Empty; it grows with each symbol.
            *range = next..next;
            next += n;
        }
        let mut of_name: Vec<_> = named().collect();
        for symbol in named() {
            let range = by_name.get_mut(symbol.name);
            let place = range.and_then(|range| {
                range.end += 1;
                of_name.get_mut(range.end - 1)
            });
            if let Some(place) = place {
                *place = symbol;
            }
        }
        let mut by_place: Vec<_> = named().filter(|symbol| symbol.section.is_some()).collect();
        by_place.sort_unstable_by_key(|symbol| (symbol.section, symbol.value, symbol.index));
        Self {
            by_name,
            of_name,
            by_place,
        }
    }

    /// Returns all symbols with this name, in table order, without section and file symbols.
    pub fn named(&self, name: &str) -> &[&'elf Symbol<'data>] {
        let range = self.by_name.get(name);
        let symbols = range.and_then(|range| self.of_name.get(range.clone()));
        symbols.unwrap_or_default()
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

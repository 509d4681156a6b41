// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The code that tables refer to.

use object_model::{Elf, Section, SectionIndex, Symbol, SymbolKind, SymbolMap};

use crate::entry_call::Machine;

/// The code of one file, for many look-ups.
pub(crate) struct Code<'elf, 'data> {
    pub(crate) elf: &'elf Elf<'data>,
    pub(crate) symbols: SymbolMap<'elf, 'data>,
    machine: Machine,
    executable: Vec<&'elf Section<'data>>,
}

impl<'elf, 'data> Code<'elf, 'data> {
    pub(crate) fn new(elf: &'elf Elf<'data>, machine: Machine) -> Self {
        let sections = elf.sections().iter();
        Self {
            elf,
            symbols: elf.symbol_map(),
            machine,
            executable: sections.filter(|section| section.is_executable()).collect(),
        }
    }

    /// Returns the section of a linked file that has code at this address.
    pub(crate) fn section_at(&self, address: u64) -> Option<&'elf Section<'data>> {
        let holds = |section: &&&Section| {
            let offset = address.checked_sub(section.address);
            offset.is_some_and(|offset| offset < section.size)
        };
        self.executable.iter().find(holds).copied()
    }

    /// Returns the value that a symbol at this place has.
    fn value(&self, section: SectionIndex, offset: u64) -> u64 {
        if self.elf.is_relocatable() {
            return offset;
        }
        let section = self.elf.section(section);
        section.map_or(offset, |section| section.address.wrapping_add(offset))
    }

    /// Returns the function whose entry is patched at a place: the function that contains it, or
    /// the one after the no-ops there.
    pub(crate) fn function_at(
        &self,
        section: SectionIndex,
        offset: u64,
    ) -> Option<&'elf Symbol<'data>> {
        let value = self.value(section, offset);
        let in_section = self.symbols.in_section(section);
        let before = in_section.partition_point(|symbol| symbol.value <= value);
        let mut before = in_section.get(..before)?.iter().rev();
        let function = before.find(|symbol| is_function(symbol)).copied();
        let holds = |symbol: &&Symbol| value - symbol.value < symbol.size.max(1);
        function
            .filter(holds)
            .or_else(|| self.function_behind(section, offset))
    }

    /// Returns the function that begins within or directly after the no-ops at this place.
    fn function_behind(&self, section: SectionIndex, offset: u64) -> Option<&'elf Symbol<'data>> {
        let n_nops = self.n_nops(section, offset) as u64;
        let length = self.machine.nop().len() as u64;
        let value = self.value(section, offset);
        let starts = (0..=n_nops).filter_map(|n| value.checked_add(n * length));
        let mut symbols = starts.flat_map(|start| self.symbols.at(section, start));
        symbols.find(|symbol| is_function(symbol)).copied()
    }

    /// Returns whether the place has code that ftrace expects: a call, or no-ops at the entry of a
    /// function. In a kernel without LTO, a replaced weak function keeps its code and its record
    /// but has no symbol, so code outside of any function may also be an entry.
    pub(crate) fn is_patched(&self, section: SectionIndex, offset: u64) -> bool {
        self.is_entry_call(section, offset)
            || self.n_nops(section, offset) >= self.machine.nops_per_entry()
                && (self.is_behind_landing_pad(section, offset)
                    || self.function_behind(section, offset).is_some()
                    || self.function_at(section, offset).is_none())
    }

    /// The number of functions that begin with the no-ops of an entry.
    pub(crate) fn n_patchable(&self) -> usize {
        let functions = self.elf.symbols().iter();
        let functions = functions.filter(|symbol| self.elf.is_function(symbol));
        let pad = self.machine.landing_pad();
        let begins = functions.filter(|function| {
            let Some(section) = function.section else {
                return false;
            };
            let bytes = self.bytes(section, function.value).unwrap_or_default();
            let behind = if bytes.starts_with(pad) { pad.len() } else { 0 };
            self.n_nops(section, function.value + behind as u64) >= self.machine.nops_per_entry()
        });
        begins.count()
    }

    /// Whether a function begins with a landing pad for indirect branches, and then this place.
    fn is_behind_landing_pad(&self, section: SectionIndex, offset: u64) -> bool {
        let pad = self.machine.landing_pad();
        let Some(start) = offset.checked_sub(pad.len() as u64) else {
            return false;
        };
        let bytes = self.bytes(section, start).unwrap_or_default();
        let symbols = self.symbols.at(section, self.value(section, start));
        bytes.starts_with(pad) && symbols.iter().any(|symbol| is_function(symbol))
    }

    /// Returns the number of no-ops at this place, up to the number that an entry has.
    fn n_nops(&self, section: SectionIndex, offset: u64) -> usize {
        const MOST: usize = 8;
        let nop = self.machine.nop();
        let bytes = self.bytes(section, offset).unwrap_or_default();
        let nops = bytes.chunks(nop.len()).take(MOST);
        nops.take_while(|bytes| *bytes == nop).count()
    }

    /// Returns whether this place of a linked file has a call of an entry symbol.
    fn is_entry_call(&self, section: SectionIndex, offset: u64) -> bool {
        let Some(code) = self.elf.section(section) else {
            return false;
        };
        if self.elf.is_relocatable() {
            return false;
        }
        let place = code.address.wrapping_add(offset);
        let bytes = self.bytes(section, offset).unwrap_or_default();
        self.machine.called_at(place, bytes).is_some_and(|called| {
            // A kernel has one of them; a driver's function may have the name of the other.
            let names = self.machine.entry_names().into_iter();
            let mut targets = names.map(|name| self.symbols.named(name));
            let target = targets.find(|symbols| !symbols.is_empty());
            target.is_some_and(|symbols| symbols.iter().any(|symbol| symbol.value == called))
        })
    }

    fn bytes(&self, section: SectionIndex, offset: u64) -> Option<&'data [u8]> {
        let section = self.elf.section(section)?;
        section.data.get(usize::try_from(offset).ok()?..)
    }
}

fn is_function(symbol: &Symbol) -> bool {
    matches!(
        symbol.kind,
        SymbolKind::Function | SymbolKind::IndirectFunction
    )
}

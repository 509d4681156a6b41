// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the code that tables refer to.

use object_model::{
    Elf, ReadError, Section, SectionIndex, Symbol, SymbolIndex, SymbolKind, SymbolMap,
};

use crate::entry_call::Machine;
use crate::{Error, PATCHABLE, TABLE, entry, machine_of};

/// A place that ftrace patches, according to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its section.
    pub section: SectionIndex,
    /// Its offset in the section, in bytes.
    pub offset: u64,
    /// The function that is patched there; `None` for code without a name, such as that of a weak function
    /// that another definition replaced.
    pub function: Option<SymbolIndex>,
}

/// Returns the places that the tables of `elf`, an object or a linked kernel, refer to, in table order,
/// without entries that refer to nothing, which [`check`](crate::check()) reports.
///
/// # Errors
/// The file is for another machine, or damaged.
pub fn sites(elf: &Elf) -> Result<Vec<Site>, Error> {
    let machine = machine_of(elf)?;
    let code = Code::new(elf, machine);
    let entries = if elf.is_relocatable() {
        of_object(elf, machine)?
    } else {
        entry::of_kernel(&code)?.entries
    };
    let site = |entry: &entry::Entry| Site {
        section: entry.section,
        offset: entry.offset,
        function: code
            .function_at(entry.section, entry.offset)
            .map(|symbol| symbol.index),
    };
    Ok(entries.iter().map(site).collect())
}

fn of_object(elf: &Elf, machine: Machine) -> Result<Vec<entry::Entry>, ReadError> {
    let mut entries = Vec::new();
    for section in elf.sections() {
        let table = match section.name {
            TABLE => TABLE,
            PATCHABLE if machine.has_patchable_entries() => PATCHABLE,
            _ => continue,
        };
        entries.extend(entry::of_section(elf, machine, section, table)?.entries);
    }
    Ok(entries)
}

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

    /// Returns the value of a symbol at this place.
    fn value(&self, section: SectionIndex, offset: u64) -> u64 {
        if self.elf.is_relocatable() {
            return offset;
        }
        let section = self.elf.section(section);
        section.map_or(offset, |section| section.address.wrapping_add(offset))
    }

    /// Returns the function that is patched at a place: the function that contains it, or the one after the
    /// no-ops there.
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

    /// Returns whether ftrace can patch this place: a call, or no-ops at the entry of a function. In a kernel
    /// without LTO, a replaced weak function keeps its code and its record and has no symbol, so code
    /// that belongs to no function is accepted.
    pub(crate) fn is_patched(&self, section: SectionIndex, offset: u64) -> bool {
        self.is_entry_call(section, offset)
            || self.n_nops(section, offset) >= self.machine.nops_per_entry()
                && (self.is_behind_landing_pad(section, offset)
                    || self.function_behind(section, offset).is_some()
                    || self.function_at(section, offset).is_none())
    }

    /// Returns whether a function begins with a landing pad for indirect branches, followed by this place.
    fn is_behind_landing_pad(&self, section: SectionIndex, offset: u64) -> bool {
        let pad = self.machine.landing_pad();
        let Some(start) = offset.checked_sub(pad.len() as u64) else {
            return false;
        };
        let bytes = self.bytes(section, start).unwrap_or_default();
        let symbols = self.symbols.at(section, self.value(section, start));
        bytes.starts_with(pad) && symbols.iter().any(|symbol| is_function(symbol))
    }

    /// Returns the number of no-ops at this place, up to the largest number at entries.
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
            // A kernel has one of these symbols; a driver's function may have the name of the other.
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

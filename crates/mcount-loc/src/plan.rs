// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the calls that the table of an object lacks.

use object_model::{
    Binding, Elf, Faults, ReadError, SectionIndex, Symbol, SymbolIndex, SymbolKind, elf,
};

use crate::entry_call::{EntryCall, Form, Machine, entry_calls};
use crate::{Error, Fault, TABLE, check, machine_of};

/// An entry of the future table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The section of the call.
    pub section: SectionIndex,
    /// Offset of the call in the section, in bytes.
    pub offset: u64,
    /// The symbol that the record refers to, in the same section.
    pub symbol: SymbolIndex,
    /// The distance from the symbol to the call, in bytes.
    pub addend: i64,
}

/// The changes that [`rewrite()`](crate::rewrite()) makes to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    pub(crate) machine: Machine,
    /// The section of the symbols that records refer to.
    pub(crate) symbol_table: SectionIndex,
    pub(crate) entries: Vec<Record>,
    pub(crate) nops: Vec<Nop>,
}

/// A call to turn into a no-op: the offsets of its instruction and its relocation in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nop {
    pub(crate) instruction: u64,
    pub(crate) relocation: u64,
}

impl Records {
    /// Returns the entries of the table, by section and place of their calls.
    pub fn records(&self) -> &[Record] {
        &self.entries
    }

    /// Returns the number of calls that become no-ops: those in sections that ftrace must not patch.
    pub fn n_nops(&self) -> usize {
        self.nops.len()
    }
}

/// Returns the changes that the relocatable object `elf` needs for the function tracer: the table of its
/// entry calls, and no-ops in place of calls that cannot be traced. `None` if it needs no change: it has
/// no entry calls, or all of them are in its table.
///
/// A record refers to a symbol of the section of its call: the section symbol, else a local symbol, else
/// a global one; never to a weak one, which another definition may replace.
///
/// # Errors
/// The file is linked, for another machine, or damaged (for example, sections share bytes); entry calls
/// cannot be recorded; an existing table has faults. All calls and faults are listed.
pub fn plan(elf: &Elf) -> Result<Option<Records>, Error> {
    if !elf.is_relocatable() {
        return Err(Error::Linked);
    }
    let machine = machine_of(elf)?;
    if elf.section_by_name(TABLE).is_some() {
        let (_, faults) = check(elf)?;
        return Ok(Faults::check(None, faults)?);
    }
    let calls = entry_calls(elf, machine)?;
    let mut sections = elf.sections().iter();
    let symbol_table = sections.find(|section| section.section_type == elf::SHT_SYMTAB);
    let Some(symbol_table) = symbol_table.filter(|_| !calls.is_empty()) else {
        return Ok(None);
    };
    sound(elf)?;
    let (traced, left_out): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.is_traced());
    let records = Records {
        machine,
        symbol_table: symbol_table.index,
        entries: records(elf, &traced)?,
        nops: left_out.iter().filter_map(|c| nop(c, machine)).collect(),
    };
    let lacks_something = !records.entries.is_empty() || !records.nops.is_empty();
    Ok(lacks_something.then_some(records))
}

/// Refuses a file in which a change at one place would also change another place, or would give a meaning
/// to unused bytes. Source: the System V ABI, "Sections": no byte is in two of them, and `sh_info` of
/// relocations is the section that they apply to.
fn sound(elf: &Elf) -> Result<(), ReadError> {
    let mut extents = Vec::with_capacity(elf.sections().len());
    for section in elf.sections() {
        let is_relocations =
            [elf::SHT_RELA, elf::SHT_REL, elf::SHT_CREL].contains(&section.section_type);
        let applies_to = SectionIndex(section.info as usize);
        if is_relocations && elf.section(applies_to).is_none() {
            return Err(ReadError::ElfContent(format!(
                "{} has relocations for section {}, which is not there",
                section.name, applies_to.0
            )));
        }
        if section.section_type != elf::SHT_NOBITS && section.size > 0 {
            let end = section.offset.saturating_add(section.size);
            extents.push((section.offset, end, section.name));
        }
    }
    extents.sort_unstable();
    for pair in extents.windows(2) {
        if let [(_, end, first), (start, _, second)] = pair
            && start < end
        {
            return Err(ReadError::ElfContent(format!(
                "{first} and {second} share bytes"
            )));
        }
    }
    Ok(())
}

fn records(elf: &Elf, calls: &[&EntryCall]) -> Result<Vec<Record>, Faults<Fault>> {
    let bases = base_symbols(elf);
    let mut records = Vec::with_capacity(calls.len());
    let mut faults = Vec::new();
    for call in calls {
        let base = bases.get(call.section.index.0).copied().flatten();
        match (call.form, base) {
            (Form::Nop, _) => {}
            (Form::Indirect, _) => faults.push(call.indirect_fault()),
            (Form::Direct, Some(base)) => records.push(Record {
                section: call.section.index,
                offset: call.offset,
                symbol: base.index,
                addend: call.offset.wrapping_sub(base.value).cast_signed(),
            }),
            (Form::Direct, None) => {
                let section = call.section.name.to_owned();
                faults.push(Fault::NoSymbol { section });
            }
        }
    }
    faults.dedup();
    Faults::check(records, faults)
}

/// Returns for each section, by index, the symbol that records refer to.
fn base_symbols<'elf, 'data>(elf: &'elf Elf<'data>) -> Vec<Option<&'elf Symbol<'data>>> {
    let rank = |symbol: &Symbol| match (symbol.kind, symbol.binding) {
        (SymbolKind::Section, _) => 0,
        (_, Binding::Local) => 1,
        (_, Binding::Global | Binding::Weak) => 2,
    };
    let mut bases: Vec<Option<&Symbol>> = vec![None; elf.sections().len() + 1];
    for symbol in elf.symbols() {
        let base = symbol.section.and_then(|section| bases.get_mut(section.0));
        if let Some(base) = base.filter(|_| symbol.binding != Binding::Weak)
            && base.is_none_or(|present| rank(symbol) < rank(present))
        {
            *base = Some(symbol);
        }
    }
    bases
}

/// Returns the change of a call into a no-op; `None` if its bytes are not those that assemblers write.
/// Such a call stays, as with recordmcount: it costs time, and does no harm.
fn nop(call: &EntryCall, machine: Machine) -> Option<Nop> {
    let start = usize::try_from(call.offset).ok()?;
    let is_plain = call.section.data.get(start..)?.starts_with(machine.call());
    let relocation = call.relocation.filter(|_| call.form == Form::Direct)?;
    is_plain.then_some(Nop {
        instruction: call.section.offset + call.offset,
        relocation,
    })
}

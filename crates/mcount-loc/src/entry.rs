// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the entries of tables, in objects and in linked kernels.

use std::collections::HashMap;

use object_model::{Elf, ReadError, Relocation, Section, SectionIndex, elf};

use crate::code::Code;
use crate::entry_call::Machine;
use crate::{ENTRY_SIZE, Fault, TABLE};

/// The symbols around the table of a linked kernel. Source: `MCOUNT_REC` in
/// `include/asm-generic/vmlinux.lds.h`.
const START: &str = "__start_mcount_loc";
const STOP: &str = "__stop_mcount_loc";

/// An entry, and the place in the code that it refers to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The name of its table.
    pub(crate) table: &'static str,
    /// Its offset in the table, in bytes.
    pub(crate) at: u64,
    pub(crate) section: SectionIndex,
    pub(crate) offset: u64,
}

impl Entry {
    /// Returns the place that it refers to, as messages name it.
    pub(crate) fn target(&self, elf: &Elf) -> String {
        let section = elf.section(self.section).map_or("?", |found| found.name);
        format!("{section}+{:#x}", self.offset)
    }
}

/// The content of a table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The entries that refer to places of this file.
    pub(crate) entries: Vec<Entry>,
    /// The number of all entries, including wrong ones.
    pub(crate) n_records: usize,
    /// A fault for each of the other entries.
    pub(crate) faults: Vec<Fault>,
}

impl Table {
    fn no_record(&mut self, table: &'static str, at: u64, reason: impl Into<String>) {
        let reason = reason.into();
        self.faults.push(Fault::NoRecord { table, at, reason });
    }
}

/// Returns the entries of a table of an object: a relocation for each.
pub(crate) fn of_section(
    elf: &Elf,
    machine: Machine,
    section: &Section,
    table: &'static str,
) -> Result<Table, ReadError> {
    let mut relocations = elf.relocations(section.index)?;
    relocations.sort_by_key(|relocation| relocation.offset);
    let mut found = Table {
        n_records: relocations.len(),
        ..Table::default()
    };
    let mut relocations = relocations.iter().peekable();
    // A section without bytes in the file may state any size.
    let size = section.data.len() as u64;
    let mut at = 0;
    while at < size {
        let end = at.saturating_add(ENTRY_SIZE);
        let within = |relocation: &&Relocation| relocation.offset < end;
        match relocations.next_if(within) {
            Some(_) if end > size => found.no_record(table, at, "the table ends within it"),
            Some(relocation) => match target(elf, machine, at, relocation) {
                Ok((section, offset)) => found.entries.push(Entry {
                    table,
                    at,
                    section,
                    offset,
                }),
                Err(reason) => found.no_record(table, at, reason),
            },
            None => found.no_record(table, at, "it has no relocation"),
        }
        while let Some(second) = relocations.next_if(within) {
            let reason = "a relocation before it is at the same entry";
            found.no_record(table, second.offset, reason);
        }
        at = end;
    }
    for relocation in relocations {
        let reason = "it is beyond the end of the table";
        found.no_record(table, relocation.offset, reason);
    }
    Ok(found)
}

/// Returns the place that the entry at `at` refers to, or the reason why it is not an entry.
fn target(
    elf: &Elf,
    machine: Machine,
    at: u64,
    relocation: &Relocation,
) -> Result<(SectionIndex, u64), String> {
    let is_address = relocation.kind == machine.record_kind();
    let addend = relocation
        .addend
        .filter(|_| is_address && relocation.offset == at)
        .ok_or_else(|| {
            format!(
                "its relocation has type {} and is at {:#x}",
                relocation.kind.0, relocation.offset
            )
        })?;
    let symbol = relocation.symbol.and_then(|index| elf.symbol(index));
    let section = symbol.and_then(|symbol| elf.section(symbol.section?));
    let Some((symbol, section)) = symbol.zip(section) else {
        let name = symbol.map_or("no symbol", |symbol| symbol.name);
        return Err(format!("it refers to {name}, defined elsewhere"));
    };
    Ok((section.index, symbol.value.wrapping_add_signed(addend)))
}

/// Returns the entries of the table of a linked kernel. Each is an address, in the bytes of the table
/// or, if the kernel relocates itself at its start, in the relocation of these bytes.
///
/// `scripts/sorttable.c` of 6.15 and later zeroes the entries of weak functions that were replaced. They
/// precede all others and refer to nothing.
pub(crate) fn of_kernel(code: &Code) -> Result<Table, ReadError> {
    let mut found = Table::default();
    let (section, start, size) = match bounds(code) {
        Ok(bounds) => bounds,
        Err(reason) => {
            found.faults.push(Fault::Bounds { reason });
            return Ok(found);
        }
    };
    let moved = relative_relocations(code.elf)?;
    for at in (0..size).step_by(ENTRY_SIZE as usize) {
        found.n_records += 1;
        let address = start + at;
        let in_bytes = || {
            let offset = address - section.address;
            code.elf.read_unsigned(section, offset, ENTRY_SIZE as usize)
        };
        let held = moved.get(&address).copied().or_else(in_bytes);
        let held = held.unwrap_or_default();
        let is_last = at + ENTRY_SIZE == size;
        if held == 0 && found.entries.is_empty() && !is_last {
            continue;
        }
        match code.section_at(held) {
            Some(section) => found.entries.push(Entry {
                table: TABLE,
                at,
                section: section.index,
                offset: held - section.address,
            }),
            None => found.no_record(TABLE, at, format!("it holds {held:#x}, where no code is")),
        }
    }
    Ok(found)
}

/// Returns the section of the table, its address, and its size in bytes.
fn bounds<'elf, 'data>(
    code: &Code<'elf, 'data>,
) -> Result<(&'elf Section<'data>, u64, u64), String> {
    let address = |name: &str| {
        let symbol = code.symbols.named(name).first();
        symbol
            .map(|symbol| symbol.value)
            .ok_or_else(|| format!("there is no {name}"))
    };
    let (start, stop) = (address(START)?, address(STOP)?);
    let size = stop
        .checked_sub(start)
        .ok_or_else(|| format!("{STOP} lies before {START}"))?;
    if size % ENTRY_SIZE != 0 {
        return Err(format!(
            "{size} bytes are not a multiple of the entry size, {ENTRY_SIZE} bytes"
        ));
    }
    let holds = |section: &&Section| {
        let offset = start.checked_sub(section.address);
        section.is_allocated()
            && offset
                .and_then(|offset| (section.data.len() as u64).checked_sub(offset))
                .is_some_and(|rest| size <= rest)
    };
    let section = code.elf.sections().iter().find(holds);
    let section = section.ok_or("no section holds the table")?;
    Ok((section, start, size))
}

/// Returns the address and content of all relocations that only add the load address of the kernel.
fn relative_relocations(elf: &Elf) -> Result<HashMap<u64, u64>, ReadError> {
    let is_relative = |relocation: &Relocation| {
        [elf::R_AARCH64_RELATIVE, elf::R_X86_64_RELATIVE].contains(&relocation.kind)
    };
    let mut found = HashMap::new();
    // The others were already applied by the linker, which keeps them with `--emit-relocs`.
    let dynamic = |section: &&Section| {
        section.is_allocated() && [elf::SHT_RELA, elf::SHT_CREL].contains(&section.section_type)
    };
    for section in elf.sections().iter().filter(dynamic) {
        for relocation in elf.relocations_in(section)? {
            if let Some(addend) = relocation.addend.filter(|_| is_relative(&relocation)) {
                found.insert(relocation.offset, addend.cast_unsigned());
            }
        }
    }
    Ok(found)
}

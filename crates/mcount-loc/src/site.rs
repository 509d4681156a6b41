// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The functions that tables name.

use object_model::{Elf, ReadError, SectionIndex, SymbolIndex};

use crate::code::Code;
use crate::entry::{self, Entry};
use crate::entry_call::Machine;
use crate::{Error, PATCHABLE, TABLE, machine_of};

/// A place that ftrace patches, by a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The section of code.
    pub section: SectionIndex,
    /// Where in it the place is, in bytes.
    pub offset: u64,
    /// The function that is patched there; `None` for code that lost its name, as that of a weak
    /// function which another definition replaces.
    pub function: Option<SymbolIndex>,
}

/// The places that the tables of `elf`, an object or a linked kernel, refer to, in table order.
/// Entries that refer to nothing are left out: [`check`](crate::check()) tells of them.
///
/// # Errors
/// A file for another machine, a damaged one.
pub fn sites(elf: &Elf) -> Result<Vec<Site>, Error> {
    let machine = machine_of(elf)?;
    let code = Code::new(elf, machine);
    let entries = if elf.is_relocatable() {
        of_object(elf, machine)?
    } else {
        entry::of_kernel(&code)?.entries
    };
    let site = |entry: &Entry| Site {
        section: entry.section,
        offset: entry.offset,
        function: code
            .function_at(entry.section, entry.offset)
            .map(|symbol| symbol.index),
    };
    Ok(entries.iter().map(site).collect())
}

fn of_object(elf: &Elf, machine: Machine) -> Result<Vec<Entry>, ReadError> {
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

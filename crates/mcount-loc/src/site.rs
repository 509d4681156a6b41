// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the code that tables refer to.

use object_model::{Elf, ReadError, SectionIndex, SymbolIndex};

use crate::code::Code;
use crate::entry::{self, Entry};
use crate::entry_call::Machine;
use crate::{Error, PATCHABLE, TABLE, machine_of};

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

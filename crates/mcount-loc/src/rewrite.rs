// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Appends the table to an object.

use object::Endianness;
use object::elf::{FileHeader64, Rela64, SectionHeader64};
use object::endian::{I64, U32, U64};
use object::pod::{bytes_of, bytes_of_slice, from_bytes_mut};
use object::read::elf::{FileHeader as _, SectionHeader as _};
use object_model::elf;

use crate::entry_call::Machine;
use crate::plan::{Nop, Record, Records};
use crate::{ENTRY_SIZE, Error, TABLE};

type Header = FileHeader64<Endianness>;
type Section = SectionHeader64<Endianness>;
type Rela = Rela64<Endianness>;

/// Alignment of the appended parts and of the table: that of its entries and of ELF's structures.
const ALIGNMENT: usize = ENTRY_SIZE as usize;

/// Returns the object in `bytes` with its plan `records` carried out.
///
/// Existing parts keep their places. They are followed by the section names with two new ones, the table,
/// its relocations, and all section headers with two new ones; the file header then refers to these. The
/// table has the form that `scripts/recordmcount.h` gives it: addresses of 64 bits, all zero, each
/// with a relocation with addend; allocated, not writable. The symbol table stays as it is.
///
/// # Errors
/// The bytes are not those of the plan, as far as this can be seen.
pub fn rewrite(bytes: &[u8], records: &Records) -> Result<Vec<u8>, Error> {
    carry_out(bytes, records).ok_or(Error::Changed)
}

fn carry_out(bytes: &[u8], records: &Records) -> Option<Vec<u8>> {
    let mut header = *Header::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    // The estimated size of the appended parts, without the copied names; it saves reallocations.
    let room = bytes.len() + records.entries.len() * (ALIGNMENT + size_of::<Rela>());
    let mut output = Vec::with_capacity(room + bytes.len() / 8);
    output.extend(bytes);
    for nop in &records.nops {
        put_nop(&mut output, endian, records.machine, *nop)?;
    }
    if records.entries.is_empty() {
        return Some(output);
    }
    let mut sections = header.section_headers(endian, bytes).ok()?.to_vec();
    let names_index = header.shstrndx(endian, bytes).ok()? as usize;
    let table_index = u32::try_from(sections.len()).ok()?;

    let names = sections.get_mut(names_index)?;
    let mut all_names = names.data(endian, bytes).ok()?.to_vec();
    let table_name = push_name(&mut all_names, TABLE)?;
    let relocations_name = push_name(&mut all_names, &format!(".rela{TABLE}"))?;
    names.sh_offset = word(endian, output.len());
    names.sh_size = word(endian, all_names.len());
    output.extend(&all_names);

    let n_records = records.entries.len();
    let table = Section {
        sh_name: U32::new(endian, table_name),
        sh_type: U32::new(endian, elf::SHT_PROGBITS),
        sh_flags: U64::new(endian, elf::SHF_ALLOC),
        ..section(endian, align(&mut output), n_records, ALIGNMENT)
    };
    output.resize(output.len() + n_records * ALIGNMENT, 0);

    let relocations = Section {
        sh_name: U32::new(endian, relocations_name),
        sh_type: U32::new(endian, elf::SHT_RELA),
        sh_link: U32::new(endian, u32::try_from(records.symbol_table.0).ok()?),
        sh_info: U32::new(endian, table_index),
        ..section(endian, output.len(), n_records, size_of::<Rela>())
    };
    for (position, record) in records.entries.iter().enumerate() {
        let relocation = relocation(endian, records.machine, position, record)?;
        output.extend(bytes_of(&relocation));
    }

    sections.extend([table, relocations]);
    set_count(&mut header, &mut sections, endian)?;
    header.e_shoff = word(endian, align(&mut output));
    output.extend(bytes_of_slice(&sections));
    output
        .get_mut(..size_of::<Header>())?
        .copy_from_slice(bytes_of(&header));
    Some(output)
}

/// Turns a call into a no-op, and its relocation into one that does nothing.
fn put_nop(output: &mut [u8], endian: Endianness, machine: Machine, nop: Nop) -> Option<()> {
    let start = usize::try_from(nop.instruction).ok()?;
    let end = start.checked_add(machine.nop().len())?;
    output.get_mut(start..end)?.copy_from_slice(machine.nop());
    let start = usize::try_from(nop.relocation).ok()?;
    let (relocation, _) = from_bytes_mut::<Rela>(output.get_mut(start..)?).ok()?;
    let symbol = relocation.r_sym(endian, false);
    relocation.set_r_info(endian, false, symbol, machine.no_relocation());
    Some(())
}

fn relocation(
    endian: Endianness,
    machine: Machine,
    position: usize,
    record: &Record,
) -> Option<Rela> {
    let symbol = u32::try_from(record.symbol.0).ok()?;
    Some(Rela {
        r_offset: word(endian, position * ALIGNMENT),
        r_info: Rela::r_info(endian, false, symbol, machine.record_kind()),
        r_addend: I64::new(endian, record.addend),
    })
}

/// Sets the number of sections. From 0xff00 on, the null section contains it, because higher 16-bit
/// numbers have other meanings. Source: the ELF specification, `e_shnum`.
fn set_count(header: &mut Header, sections: &mut [Section], endian: Endianness) -> Option<()> {
    let count = sections.len();
    let short = u16::try_from(count).ok();
    if let Some(short) = short.filter(|short| *short < elf::SHN_LORESERVE) {
        header.e_shnum.set(endian, short);
    } else {
        header.e_shnum.set(endian, 0);
        sections.first_mut()?.sh_size = word(endian, count);
    }
    Some(())
}

/// Returns the common part of the headers of both new sections: the place of the section, and that it is
/// a table of `count` entries.
fn section(endian: Endianness, offset: usize, count: usize, entry_size: usize) -> Section {
    Section {
        sh_name: U32::new(endian, 0),
        sh_type: U32::new(endian, elf::SHT_NULL),
        sh_flags: U64::new(endian, elf::SectionFlags(0)),
        sh_addr: word(endian, 0),
        sh_offset: word(endian, offset),
        sh_size: word(endian, count * entry_size),
        sh_link: U32::new(endian, 0),
        sh_info: U32::new(endian, 0),
        sh_addralign: word(endian, ALIGNMENT),
        sh_entsize: word(endian, entry_size),
    }
}

/// Appends a name to a table of names and returns its offset there.
fn push_name(names: &mut Vec<u8>, name: &str) -> Option<u32> {
    let place = u32::try_from(names.len()).ok()?;
    names.extend(name.as_bytes());
    names.push(0);
    Some(place)
}

/// Pads to the next multiple of [`ALIGNMENT`] and returns the length.
fn align(output: &mut Vec<u8>) -> usize {
    output.resize(output.len().next_multiple_of(ALIGNMENT), 0);
    output.len()
}

fn word(endian: Endianness, number: usize) -> U64<Endianness> {
    U64::new(endian, number as u64)
}

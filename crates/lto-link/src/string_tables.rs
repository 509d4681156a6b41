// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Removes the names that LTO gave from the string tables of an object.
//!
//! Such a name contains a hash of the bitcode, which contains the path of the source and, with debug information,
//! that of the object tree. The object must be the same wherever it is built.
//!
//! Source: the ELF specification (`Elf64_Ehdr`, `Elf64_Shdr`, `Elf64_Sym`, and those of 32 bits).

use std::collections::HashMap;

use object_model::{Elf, ReadError, Section, SectionIndex, elf};

use crate::source_names::without_hash;

/// The places of fields in the structures of a class: offset and size in bytes.
struct Layout {
    section_table: (usize, usize),
    names_index: (usize, usize),
    section_header: usize,
    link: (usize, usize),
    offset: (usize, usize),
    size: (usize, usize),
    symbol: usize,
}

/// The size of `st_name` and `sh_name`, which are the first fields in both classes.
const NAME: usize = 4;

/// The value of `e_shstrndx` if the index is `sh_link` of the first section header (`SHN_XINDEX`).
const IN_FIRST_HEADER: u64 = 0xffff;

impl Layout {
    fn of(elf: &Elf) -> Self {
        if elf.is_64() {
            Self {
                section_table: (40, 8),
                names_index: (62, 2),
                section_header: 64,
                link: (40, 4),
                offset: (24, 8),
                size: (32, 8),
                symbol: 24,
            }
        } else {
            Self {
                section_table: (32, 4),
                names_index: (50, 2),
                section_header: 40,
                link: (24, 4),
                offset: (16, 4),
                size: (20, 4),
                symbol: 16,
            }
        }
    }
}

/// Returns the object in `bytes` with new tables of the names of its symbols and sections. The tables have the names
/// of symbols that are in use; names of sections are without the suffix of thin LTO (`.text.f.llvm.123`).
///
/// # Errors
/// The object is not as linkers write it.
pub(crate) fn without_lto_names(bytes: Vec<u8>) -> Result<Vec<u8>, ReadError> {
    let elf = Elf::parse(&bytes)?;
    let unknown = || ReadError::ElfContent("string tables of an unknown form".into());
    let Change { kept, parts } = change(&bytes, &elf).ok_or_else(unknown)?;
    let mut output = bytes;
    output.truncate(kept);
    for (offset, part) in parts {
        let end = offset + part.len();
        if output.len() < end {
            output.resize(end, 0);
        }
        output[offset..end].copy_from_slice(&part);
    }
    Ok(output)
}

/// Returns the name of a section without the suffix of thin LTO.
fn section_name(name: &str) -> String {
    without_hash(name).unwrap_or_else(|| name.to_owned())
}

/// A change of a file: it is cut after `kept` bytes, and then the parts are written.
struct Change {
    /// The number of bytes at the start of the file that stay.
    kept: usize,
    /// Offsets in the file, and the bytes that are written there.
    parts: Vec<(usize, Vec<u8>)>,
}

/// Returns the change of the file `data` of `elf`; `None` if the form of the file is not known.
fn change(data: &[u8], elf: &Elf) -> Option<Change> {
    let layout = Layout::of(elf);
    let bytes = Bytes {
        is_big_endian: elf.is_big_endian(),
    };
    let mut sections = elf.sections().iter();
    let symtab = sections.find(|section| section.section_type == elf::SHT_SYMTAB)?;
    let headers_start = usize::try_from(bytes.get(data, layout.section_table)?).ok()?;
    let section_names = match bytes.get(data, layout.names_index)? {
        // With more sections than the field can count, the first header has the index.
        IN_FIRST_HEADER => bytes.get(data.get(headers_start..)?, layout.link)?,
        index => index,
    };
    let section_names = SectionIndex(usize::try_from(section_names).ok()?);
    let is_names = |section: &Section| [symtab.link, section_names].contains(&section.index);

    // The tables of names move behind all other parts, and the section headers behind them.
    let others = elf.sections().iter();
    let others = others.filter(|section| !is_names(section) && !section.data.is_empty());
    let header_size = data.len().min(if elf.is_64() { 64 } else { 52 });
    let ends = others.map(|section| place(section).map(|start| start + section.data.len()));
    let kept = ends
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .fold(header_size, usize::max);
    let mut parts = Vec::new();
    // Tables that are not at the end leave a gap, which must not contain the old names.
    for section in elf.sections().iter().filter(|section| is_names(section)) {
        let start = place(section)?;
        if start < kept {
            parts.push((start, vec![0; section.data.len()]));
        }
    }

    let mut tables: HashMap<SectionIndex, Names> = HashMap::new();
    let mut symbol_names = symtab.data.to_owned();
    let entries = symbol_names.chunks_exact_mut(layout.symbol).skip(1);
    let names = tables.entry(symtab.link).or_default();
    for (entry, symbol) in entries.zip(elf.symbols()) {
        let at = names.add(symbol.name.to_owned())?;
        // A symbol of a section has no name, and readers may show the section's.
        if bytes.get(entry, (0, NAME))? != 0 {
            bytes.set(entry, (0, NAME), at)?;
        }
    }
    let n_headers = elf.sections().len() + 1;
    let headers_end = headers_start.checked_add(n_headers.checked_mul(layout.section_header)?)?;
    let mut headers = data.get(headers_start..headers_end)?.to_owned();
    let names = tables.entry(section_names).or_default();
    let of_sections = headers.chunks_exact_mut(layout.section_header).skip(1);
    for (header, section) in of_sections.zip(elf.sections()) {
        let at = names.add(section_name(section.name))?;
        bytes.set(header, (0, NAME), at)?;
    }

    let mut end = kept;
    let mut tables: Vec<_> = tables.into_iter().collect();
    tables.sort_by_key(|(index, _)| *index);
    for (index, names) in tables {
        let start = index.0.checked_mul(layout.section_header)?;
        let header = headers.get_mut(start..start + layout.section_header)?;
        bytes.set(header, layout.offset, end as u64)?;
        bytes.set(header, layout.size, names.text.len() as u64)?;
        parts.push((end, names.text.clone()));
        end += names.text.len();
    }
    end = end.next_multiple_of(8);
    let mut start = data.get(..header_size)?.to_owned();
    bytes.set(&mut start, layout.section_table, end as u64)?;
    parts.extend([(0, start), (place(symtab)?, symbol_names), (end, headers)]);
    Some(Change { kept, parts })
}

/// Returns the offset of a section in its file.
fn place(section: &Section) -> Option<usize> {
    usize::try_from(section.offset).ok()
}

/// A table of strings, each of which is in it once.
struct Names {
    text: Vec<u8>,
    places: HashMap<String, u64>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            text: vec![0],
            places: HashMap::from([(String::new(), 0)]),
        }
    }
}

impl Names {
    /// Returns the place of `name`, which is added if it is new. `None` if a table cannot be so large.
    fn add(&mut self, name: String) -> Option<u64> {
        if let Some(&place) = self.places.get(&name) {
            return Some(place);
        }
        let place = u64::from(u32::try_from(self.text.len()).ok()?);
        self.text.extend(name.as_bytes());
        self.text.push(0);
        self.places.insert(name, place);
        Some(place)
    }
}

/// Reads and writes numbers in the byte order of a file.
struct Bytes {
    is_big_endian: bool,
}

impl Bytes {
    fn get(&self, data: &[u8], (offset, size): (usize, usize)) -> Option<u64> {
        let field = data.get(offset..offset + size)?.iter();
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.is_big_endian {
            field.fold(0, add)
        } else {
            field.rev().fold(0, add)
        })
    }

    /// Returns `None` if the field does not exist or the number does not fit.
    fn set(&self, data: &mut [u8], (offset, size): (usize, usize), number: u64) -> Option<()> {
        let field = data.get_mut(offset..offset + size)?;
        let all = number.to_le_bytes();
        let (low, high) = all.split_at_checked(size)?;
        if high.iter().any(|byte| *byte != 0) {
            return None;
        }
        field.copy_from_slice(low);
        if self.is_big_endian {
            field.reverse();
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::section_name;

    #[test]
    fn only_the_suffix_of_thin_lto_is_removed() {
        for (name, expected) in [
            (".text.f.llvm.123", ".text.f"),
            (".rela.text.f.llvm.123", ".rela.text.f"),
            (".text.f.llvm.123.cold", ".text.f.cold"),
            (".text.f.llvm.", ".text.f.llvm."),
            (".text.f.llvm.1x", ".text.f.llvm.1x"),
            (".text.f.5", ".text.f.5"),
        ] {
            assert_eq!(section_name(name), expected);
        }
    }
}

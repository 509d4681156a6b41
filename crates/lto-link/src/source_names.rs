// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Gives static functions and variables the names of the source, as they have without LTO.
//!
//! Thin LTO makes a static global if code of another file refers to it, and calls it `name.llvm.<hash>`. Full LTO
//! calls a second static function of a name `name.<number>`. After the join nothing outside of the object refers
//! to them, so they become local again, under their old names: tracers, debuggers and live patches look for these.
//!
//! Sources: `ModuleSummaryIndex::getGlobalNameForLocal` and `ValueSymbolTable::makeUniqueName` of LLVM; the ELF
//! specification (local symbols come first in the symbol table, and `sh_info` is their number).

use std::mem::size_of;

use object::Endianness;
use object::elf::{FileHeader64, Rel64, Rela64, SectionHeader64, Sym64};
use object::endian::{U32, U64};
use object::pod::{bytes_of_slice, slice_from_bytes_mut};
use object::read::elf::{FileHeader as _, SectionHeader as _};
use object_model::{elf, is_number};

use crate::error::NameError;

type Header = FileHeader64<Endianness>;
type Section = SectionHeader64<Endianness>;
type Sym = Sym64<Endianness>;

/// Address-significance tables have numbers of symbols. Linkers ignore one that no longer names its symbol table.
const SHT_LLVM_ADDRSIG: elf::SectionType = elf::SectionType(0x6fff_4c03);
/// Call-graph profiles refer to symbols by relocations only; the second number is that of LLVM 13 and later.
const SHT_LLVM_CALL_GRAPH_PROFILE: [elf::SectionType; 2] =
    [elf::SectionType(0x6fff_4c02), elf::SectionType(0x6fff_4c09)];

/// A symbol that has its name of the source again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredName {
    /// Its name in the source.
    pub source_name: String,
    /// The name that LTO gave it.
    pub lto_name: String,
}

/// An object whose symbols have the names of the source.
#[derive(Debug)]
pub(crate) struct Restored {
    /// The object.
    pub(crate) bytes: Vec<u8>,
    /// The renamed symbols, in the order of the symbol table.
    pub(crate) names: Vec<RestoredName>,
}

/// Returns the relocatable object in `bytes` with the names of the source, or `None` if all symbols have them.
///
/// # Errors
/// The object cannot be read, or has a section of an unknown type that depends on the order of symbols.
pub(crate) fn with_source_names(bytes: &[u8]) -> Result<Option<Restored>, NameError> {
    let read_error = |error: object::read::Error| NameError::Unreadable(error.to_string());
    let incomplete = || NameError::Unreadable("its symbol table is cut off".to_owned());
    let header = Header::parse(bytes).map_err(read_error)?;
    let endian = header.endian().map_err(read_error)?;
    let headers = header.section_headers(endian, bytes).map_err(read_error)?;
    let sections = header.sections(endian, bytes).map_err(read_error)?;
    let table = sections
        .symbols(endian, bytes, elf::SHT_SYMTAB)
        .map_err(read_error)?;
    let symbols = table.symbols();
    let symtab = table.section().0;
    let Some(symtab_header) = headers.get(symtab).filter(|_| !symbols.is_empty()) else {
        return Ok(None);
    };
    let n_locals = symtab_header.sh_info(endian) as usize;

    let strings = table.string_section().0;
    let strings_header = headers.get(strings).ok_or_else(incomplete)?;
    let old_names = strings_header.data(endian, bytes).map_err(read_error)?;
    let mut all_names = old_names.to_vec();
    let mut changed = symbols.to_vec();
    let mut names = Vec::new();
    let mut moved = Vec::new();
    for (index, symbol) in changed.iter_mut().enumerate() {
        let name = table.strings().get(symbol.st_name.get(endian));
        let Some((source_name, lto_name)) = name.ok().and_then(|name| {
            let name = std::str::from_utf8(name).ok()?;
            Some((name_before_lto(name, symbol, endian)?, name))
        }) else {
            continue;
        };
        let place = u32::try_from(all_names.len()).map_err(|_| incomplete())?;
        symbol.st_name = U32::new(endian, place);
        if source_name.starts_with('.') {
            // LLVM's own constants (`.str`) are labels without LTO, which linkers leave out.
            all_names.extend(b".L");
        } else {
            names.push(RestoredName {
                source_name: source_name.clone(),
                lto_name: lto_name.to_owned(),
            });
        }
        all_names.extend(source_name.as_bytes());
        all_names.push(0);
        if index >= n_locals {
            symbol.set_st_info(elf::STB_LOCAL, symbol.st_type());
            symbol.st_other = elf::SymbolOther(0);
            moved.push(index);
        }
    }
    if all_names.len() == old_names.len() {
        return Ok(None);
    }
    let order = Order::of(symbols, n_locals, &moved);

    let mut output = bytes.to_vec();
    let put = |output: &mut Vec<u8>, section: &Section, content: &[u8]| {
        let start = usize::try_from(section.sh_offset.get(endian)).ok()?;
        let place = output.get_mut(start..start.checked_add(content.len())?)?;
        place.copy_from_slice(content);
        Some(())
    };
    let in_order: Vec<Sym> = order.apply(&changed);
    put(&mut output, symtab_header, bytes_of_slice(&in_order)).ok_or_else(incomplete)?;
    let mut new_headers = headers.to_vec();
    for (index, section) in headers.iter().enumerate() {
        let Some(new_header) = new_headers.get_mut(index) else {
            continue;
        };
        if index == symtab {
            let n_locals = u32::try_from(n_locals + moved.len()).map_err(|_| incomplete())?;
            new_header.sh_info = U32::new(endian, n_locals);
        } else if section.sh_link(endian) as usize == symtab {
            order
                .renumber(endian, &mut output, section, new_header)
                .ok_or_else(|| NameError::Section {
                    name: sections
                        .section_name(endian, section)
                        .map(|name| String::from_utf8_lossy(name).into_owned())
                        .unwrap_or_default(),
                    kind: section.sh_type(endian).0,
                })?;
        }
    }
    let strings = new_headers.get_mut(strings).ok_or_else(incomplete)?;
    strings.sh_offset = U64::new(endian, output.len() as u64);
    strings.sh_size = U64::new(endian, all_names.len() as u64);
    output.extend(all_names);
    let start = usize::try_from(header.e_shoff.get(endian)).map_err(|_| incomplete())?;
    let place = bytes_of_slice(&new_headers);
    output
        .get_mut(start..start.saturating_add(place.len()))
        .ok_or_else(incomplete)?
        .copy_from_slice(place);
    Ok(Some(Restored {
        bytes: output,
        names,
    }))
}

/// The text between a name and the hash that thin LTO appends to it.
const PROMOTED: &str = ".llvm.";

/// Returns the name of a symbol or section without the suffix of thin LTO, if it has one.
pub(crate) fn without_hash(name: &str) -> Option<String> {
    let (before, after) = name.rsplit_once(PROMOTED)?;
    let n_digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let (hash, rest) = after.split_at(n_digits);
    // A part of the function has a further suffix, such as `.cold`.
    let is_suffix = rest.is_empty() || rest.starts_with('.');
    let is_promoted = !before.is_empty() && !hash.is_empty() && is_suffix;
    is_promoted.then(|| format!("{before}{rest}"))
}

/// Returns the name of `symbol` before LTO, if LTO changed it and it is defined.
fn name_before_lto(name: &str, symbol: &Sym, endian: Endianness) -> Option<String> {
    let section = symbol.st_shndx.get(endian);
    if section == elf::SHN_UNDEF || section == elf::SHN_COMMON {
        return None;
    }
    if name.contains(PROMOTED) {
        return without_hash(name);
    }
    let is_static_function =
        symbol.st_bind() == elf::STB_LOCAL && symbol.st_type() == elf::STT_FUNC;
    let (before, number) = name.rsplit_once('.').filter(|_| is_static_function)?;
    // `name.cold.1` and `name.specialized.1` are parts and variants, which exist without LTO, too.
    let is_second = is_number(number) && !before.is_empty() && !before.contains('.');
    is_second.then(|| before.to_owned())
}

/// The new order of a symbol table.
struct Order {
    /// The old numbers of the symbols, in the new order.
    old: Vec<usize>,
    /// The new numbers, by the old ones.
    new: Vec<u32>,
}

impl Order {
    /// Returns the order in which the symbols `moved` are local. They come before the first file symbol: the
    /// locals after a file symbol are those of its file.
    fn of(symbols: &[Sym], n_locals: usize, moved: &[usize]) -> Self {
        let is_file = |symbol: &Sym| symbol.st_type() == elf::STT_FILE;
        let first_file = symbols.iter().take(n_locals).position(is_file);
        let place = first_file.unwrap_or(n_locals);
        let mut old: Vec<usize> = (0..place).collect();
        old.extend(moved);
        old.extend(place..n_locals);
        let mut moved = moved.iter().peekable();
        old.extend((n_locals..symbols.len()).filter(|index| moved.next_if_eq(&index).is_none()));
        let mut new = vec![0; symbols.len()];
        for (to, from) in old.iter().enumerate() {
            if let (Some(new), Ok(to)) = (new.get_mut(*from), u32::try_from(to)) {
                *new = to;
            }
        }
        Self { old, new }
    }

    /// Returns `items`, one per symbol, in the new order.
    fn apply<T: Copy>(&self, items: &[T]) -> Vec<T> {
        let items = self.old.iter().filter_map(|index| items.get(*index));
        items.copied().collect()
    }

    /// Returns the new number of a symbol.
    fn number(&self, old: u32) -> Option<u32> {
        self.new.get(old as usize).copied()
    }

    /// Changes the numbers of symbols in a section; `None` if the form of the section is not known.
    fn renumber(
        &self,
        endian: Endianness,
        object: &mut [u8],
        section: &Section,
        new_header: &mut Section,
    ) -> Option<()> {
        let kind = section.sh_type(endian);
        if kind == elf::SHT_GROUP {
            // The symbol that names the group.
            let number = self.number(section.sh_info(endian))?;
            new_header.sh_info = U32::new(endian, number);
            return Some(());
        }
        if kind == SHT_LLVM_ADDRSIG {
            new_header.sh_link = U32::new(endian, 0);
            return Some(());
        }
        if SHT_LLVM_CALL_GRAPH_PROFILE.contains(&kind) {
            return Some(());
        }
        let start = usize::try_from(section.sh_offset.get(endian)).ok()?;
        let size = usize::try_from(section.sh_size.get(endian)).ok()?;
        let content = object.get_mut(start..start.checked_add(size)?)?;
        if kind == elf::SHT_RELA {
            for relocation in entries::<Rela64<Endianness>>(content)? {
                let number = self.number(relocation.r_sym(endian, false))?;
                let kind = relocation.r_type(endian, false);
                relocation.set_r_info(endian, false, number, kind);
            }
        } else if kind == elf::SHT_REL {
            for relocation in entries::<Rel64<Endianness>>(content)? {
                let number = self.number(relocation.r_sym(endian))?;
                relocation.set_r_info(endian, number, relocation.r_type(endian));
            }
        } else if kind == elf::SHT_SYMTAB_SHNDX {
            let indexes = entries::<U32<Endianness>>(content)?;
            let in_order = self.apply(indexes);
            indexes.copy_from_slice(&in_order);
        } else {
            return None;
        }
        Some(())
    }
}

/// Returns the entries of a section.
fn entries<T: object::Pod>(content: &mut [u8]) -> Option<&mut [T]> {
    let n_entries = content.len() / size_of::<T>();
    let (entries, rest) = slice_from_bytes_mut::<T>(content, n_entries).ok()?;
    rest.is_empty().then_some(entries)
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the object that the linker made, and lays out its symbol table and string tables.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use object::Endianness;
use object::elf::SectionType;
use object::read::elf::{SectionHeader as _, SectionTable, Sym as _, SymbolTable};
use object_model::elf;

use crate::error::NameError;
use crate::source_names::change::{Change, Numbered, Order};
use crate::source_names::class::Class;
use crate::source_names::suffix::{RestoredName, name_before_lto, without_hash};

/// Address-significance tables have numbers of symbols. Linkers ignore one that no longer names its symbol table.
const SHT_LLVM_ADDRSIG: SectionType = SectionType(0x6fff_4c03);
/// Call-graph profiles refer to symbols by relocations only; the second number is that of LLVM 13 and later.
const SHT_LLVM_CALL_GRAPH_PROFILE: [SectionType; 2] =
    [SectionType(0x6fff_4c02), SectionType(0x6fff_4c09)];

/// The object that the linker made.
pub(super) struct Linked<'data, C: Class> {
    data: &'data [u8],
    header: &'data C,
    endian: Endianness,
    sections: SectionTable<'data, C>,
    symbols: SymbolTable<'data, C>,
}

/// The names of an object's symbols.
pub(super) struct SymbolNames<'data> {
    /// The new names of all symbols, by number.
    pub(super) all: Vec<Cow<'data, [u8]>>,
    /// The numbers of the symbols that LTO renamed, ascending.
    pub(super) changed: Vec<usize>,
    /// Both names of each renamed symbol, without those that are only labels without LTO.
    pub(super) restored: Vec<RestoredName>,
    /// The names of the undefined symbols.
    pub(super) undefined: Vec<String>,
}

impl<'data, C: Class> Linked<'data, C> {
    pub(super) fn parse(data: &'data [u8]) -> Result<Self, NameError> {
        let in_header = || NameError::reading(|| "the file header".to_owned());
        let header = C::parse(data).map_err(in_header())?;
        let endian = header.endian().map_err(in_header())?;
        let sections = header.sections(endian, data);
        let sections = sections.map_err(NameError::reading(|| "the section headers".to_owned()))?;
        let symbols = sections.symbols(endian, data, elf::SHT_SYMTAB);
        let symbols = symbols.map_err(NameError::reading(|| "the symbol table".to_owned()))?;
        Ok(Self {
            data,
            header,
            endian,
            sections,
            symbols,
        })
    }

    /// Reads the names of all symbols, and finds those that LTO changed.
    pub(super) fn symbol_names(&self) -> Result<SymbolNames<'data>, NameError> {
        let mut names = SymbolNames {
            all: Vec::with_capacity(self.symbols.len()),
            changed: Vec::new(),
            restored: Vec::new(),
            undefined: Vec::new(),
        };
        for (index, symbol) in self.symbols.enumerate() {
            // A symbol of a section has no name.
            let name = match symbol.st_name(self.endian) {
                0 => Ok(&[][..]),
                _ => self.symbols.symbol_name(self.endian, symbol),
            };
            let name = name.map_err(NameError::reading(|| {
                format!("the name of symbol {}", index.0)
            }))?;
            if symbol.is_undefined(self.endian) && !name.is_empty() {
                let name = String::from_utf8_lossy(name).into_owned();
                names.undefined.push(name);
            }
            let before_lto = std::str::from_utf8(name).ok().and_then(|name| {
                let source_name = name_before_lto(name, symbol, self.endian)?;
                Some((source_name, name.to_owned()))
            });
            let Some((source_name, lto_name)) = before_lto else {
                names.all.push(Cow::Borrowed(name));
                continue;
            };
            names.changed.push(index.0);
            names.all.push(Cow::Owned(if source_name.starts_with('.') {
                // LLVM's own constants (`.str`) are labels without LTO, which linkers leave out.
                [b".L", source_name.as_bytes()].concat()
            } else {
                source_name.clone().into_bytes()
            }));
            if !source_name.starts_with('.') {
                names.restored.push(RestoredName {
                    source_name,
                    lto_name,
                });
            }
        }
        Ok(names)
    }

    /// Returns the name of a section for messages.
    fn describe(&self, index: usize, section: &C::SectionHeader) -> String {
        match self.sections.section_name(self.endian, section) {
            Ok(name) => String::from_utf8_lossy(name).into_owned(),
            Err(_) => index.to_string(),
        }
    }

    /// Returns the places of the sections' bytes in the file, by index; they are empty for sections without bytes.
    fn ranges(&self) -> Result<Vec<Range<usize>>, NameError> {
        let range = |(index, section): (object::SectionIndex, &C::SectionHeader)| {
            let is_unused = section.sh_type(self.endian) == elf::SHT_NULL;
            let Some((start, size)) = section.file_range(self.endian).filter(|_| !is_unused) else {
                return Ok(0..0);
            };
            let start = usize::try_from(start).ok();
            let end = start.and_then(|start| start.checked_add(usize::try_from(size).ok()?));
            let range = start.zip(end).map(|(start, end)| start..end);
            let range = range.filter(|range| range.end <= self.data.len());
            range.ok_or_else(|| {
                let name = self.describe(index.0, section);
                NameError::damaged(format!(
                    "the bytes of section {name} reach beyond the end of the file"
                ))
            })
        };
        self.sections.enumerate().map(range).collect()
    }

    /// Lays out the symbol table and both string tables; `names` are the new names of all symbols, and `changed` the
    /// numbers of the symbols that LTO renamed.
    pub(super) fn change(
        &self,
        names: &[Cow<'data, [u8]>],
        changed: &[usize],
    ) -> Result<Change<C>, NameError> {
        let endian = self.endian;
        if self.header.is_mips64el(endian) {
            return Err(NameError::damaged(
                "relocations of little-endian MIPS of 64 bits",
            ));
        }
        let symtab = self.symbols.section().0;
        let of_symbols = self.symbols.string_section().0;
        let of_sections = self.names_of_sections()?;
        let ranges = self.ranges()?;
        let mut headers: Vec<C::SectionHeader> = self.sections.iter().copied().collect();
        let n_locals = headers.get(symtab).map_or(0, |table| table.sh_info(endian)) as usize;
        if n_locals > self.symbols.len() {
            return Err(NameError::damaged(format!(
                "the symbol table has {} symbols, {n_locals} of them local",
                self.symbols.len()
            )));
        }
        let first_moved = changed.partition_point(|index| *index < n_locals);
        let moved = changed.get(first_moved..).unwrap_or_default();
        let order = Order::of(self.symbols.symbols(), n_locals, moved);
        let n_locals = n_locals + moved.len();

        // One section can have both kinds of names.
        let mut tables: BTreeMap<usize, Names<'data>> = BTreeMap::new();
        let table = tables.entry(of_symbols).or_default();
        let symbols = self.in_order(names, &order, n_locals, table)?;
        let table = tables.entry(of_sections).or_default();
        for (index, (section, header)) in self.sections.iter().zip(&mut headers).enumerate().skip(1)
        {
            C::set_name(
                header,
                endian,
                table.add(self.new_section_name(index, section)?)?,
            );
        }
        if let Some(header) = headers.get_mut(symtab) {
            C::set_info(header, endian, u32::try_from(n_locals).unwrap_or(u32::MAX));
        }
        let numbered = self.numbered(symtab, &order, &ranges, &mut headers)?;

        // The string tables move behind all other parts, and the section headers behind them.
        let is_names = |index: &usize| [of_symbols, of_sections].contains(index);
        let others = ranges.iter().enumerate();
        let others = others.filter(|(index, range)| !is_names(index) && !range.is_empty());
        let kept = others.fold(size_of::<C>(), |kept, (_, range)| kept.max(range.end));
        let old = ranges
            .iter()
            .enumerate()
            .filter(|(index, _)| is_names(index));
        Ok(Change {
            endian,
            header: *self.header,
            headers,
            symbols,
            symtab: ranges.get(symtab).cloned().unwrap_or_default(),
            order,
            numbered,
            kept,
            gaps: old
                .map(|(_, range)| range.start.min(kept)..range.end.min(kept))
                .collect(),
            tables: tables
                .into_iter()
                .map(|(index, names)| (index, names.text))
                .collect(),
        })
    }

    /// Returns the index of the section with the names of sections.
    fn names_of_sections(&self) -> Result<usize, NameError> {
        let index = self.header.section_strings_index(self.endian, self.data);
        let checked = index.and_then(|index| {
            self.sections.strings(self.endian, self.data, index)?;
            Ok(index.0)
        });
        checked.map_err(NameError::reading(|| "the names of sections".to_owned()))
    }

    /// Returns the new name of the section `index`.
    fn new_section_name(
        &self,
        index: usize,
        section: &C::SectionHeader,
    ) -> Result<Cow<'data, [u8]>, NameError> {
        let name = self.sections.section_name(self.endian, section);
        let name = name.map_err(NameError::reading(|| {
            format!("the name of section {index}")
        }))?;
        let without_hash = std::str::from_utf8(name).ok().and_then(without_hash);
        Ok(match without_hash {
            Some(name) => Cow::Owned(name.into_bytes()),
            None => Cow::Borrowed(name),
        })
    }

    /// Returns the symbols in their new order, the first `n_locals` of them local, with their names in `table`.
    fn in_order(
        &self,
        names: &[Cow<'data, [u8]>],
        order: &Order,
        n_locals: usize,
        table: &mut Names<'data>,
    ) -> Result<Vec<C::Sym>, NameError> {
        let mut symbols = order.apply(self.symbols.symbols());
        for (number, (symbol, old)) in symbols.iter_mut().zip(&order.old).enumerate() {
            let name = names.get(*old).cloned().unwrap_or_default();
            C::set_symbol_name(symbol, self.endian, table.add(name)?);
            if number < n_locals && symbol.st_bind() != elf::STB_LOCAL {
                C::make_local(symbol);
            }
        }
        Ok(symbols)
    }

    /// Changes the headers that have numbers of symbols, and returns the sections whose content has some.
    fn numbered(
        &self,
        symtab: usize,
        order: &Order,
        ranges: &[Range<usize>],
        headers: &mut [C::SectionHeader],
    ) -> Result<Vec<Numbered>, NameError> {
        let mut numbered = Vec::new();
        let sections = self.sections.enumerate().zip(headers).zip(ranges);
        for (((index, section), header), range) in sections {
            if section.sh_link(self.endian) as usize != symtab || index.0 == symtab {
                continue;
            }
            let kind = section.sh_type(self.endian);
            let name = || self.describe(index.0, section);
            if kind == elf::SHT_GROUP {
                // The symbol that names the group.
                let number = section.sh_info(self.endian);
                let new = order.number(number).ok_or_else(|| {
                    NameError::damaged(format!("group {} is named by symbol {number}", name()))
                })?;
                C::set_info(header, self.endian, new);
            } else if kind == SHT_LLVM_ADDRSIG {
                C::set_link(header, self.endian, 0);
            } else if [elf::SHT_REL, elf::SHT_RELA, elf::SHT_SYMTAB_SHNDX].contains(&kind) {
                numbered.push(Numbered {
                    name: name(),
                    kind,
                    range: range.clone(),
                });
            } else if !SHT_LLVM_CALL_GRAPH_PROFILE.contains(&kind) {
                return Err(NameError::Section {
                    name: name(),
                    kind: kind.0,
                });
            }
        }
        Ok(numbered)
    }
}

/// A string table, each string of which is in it once.
struct Names<'data> {
    text: Vec<u8>,
    places: HashMap<Cow<'data, [u8]>, u32>,
}

impl Default for Names<'_> {
    fn default() -> Self {
        Self {
            text: vec![0],
            places: HashMap::from([(Cow::default(), 0)]),
        }
    }
}

impl<'data> Names<'data> {
    /// Returns the place of `name`, which is added if it is new.
    fn add(&mut self, name: Cow<'data, [u8]>) -> Result<u32, NameError> {
        if let Some(&place) = self.places.get(&name) {
            return Ok(place);
        }
        let place = u32::try_from(self.text.len());
        let place = place
            .map_err(|_| NameError::damaged("its names are longer than a string table can be"))?;
        self.text.extend_from_slice(&name);
        self.text.push(0);
        self.places.insert(name, place);
        Ok(place)
    }
}

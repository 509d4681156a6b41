// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads ELF files, with a uniform view of both classes and byte orders.

use object::elf;
use object::elf::{FileHeader32, FileHeader64, FileType, Machine};
use object::read::elf::{
    FileHeader, Rel as _, Rela as _, SectionHeader as _, SectionTable, Sym as _, SymbolTable,
};
use object::{Endian as _, Endianness};

use crate::symbol::SymbolFlags;
use crate::{
    Binding, BuildId, Comdat, Definition, ReadError, Relocation, Section, SectionIndex, Symbol,
    SymbolIndex, SymbolKind, SymbolMap, Visibility,
};

/// An ELF file: its header, sections and symbols, checked against the bounds of the file.
#[derive(Clone, Debug)]
pub struct Elf<'data> {
    data: &'data [u8],
    is_64: bool,
    endian: Endianness,
    file_type: FileType,
    machine: Machine,
    sections: Vec<Section<'data>>,
    symbols: Vec<Symbol<'data>>,
    has_symbol_table: bool,
    /// Sections with relocations, and their relocation sections, sorted.
    relocation_sections: Vec<(SectionIndex, SectionIndex)>,
}

impl<'data> Elf<'data> {
    /// Reads the ELF file in `data`, which is one whole file or archive member.
    ///
    /// # Errors
    /// Headers, sections, symbols and names contradict each other or reach beyond the end; names are not
    /// UTF-8; symbol bindings or section numbers are not defined by ELF.
    pub fn parse(data: &'data [u8]) -> Result<Self, ReadError> {
        // EI_CLASS decides the layout of everything else; `FileHeader::parse` checks the rest.
        match data.get(4) {
            Some(&class) if class == elf::ELFCLASS32.0 => parse::<FileHeader32<Endianness>>(data),
            Some(&class) if class == elf::ELFCLASS64.0 => parse::<FileHeader64<Endianness>>(data),
            Some(class) => Err(ReadError::ElfContent(format!("unknown class {class}"))),
            None => Err(ReadError::ElfContent("a header that ends too early".into())),
        }
    }

    /// Returns whether it is of the 64-bit class.
    pub fn is_64(&self) -> bool {
        self.is_64
    }

    /// Returns whether its byte order is big-endian.
    pub fn is_big_endian(&self) -> bool {
        self.endian.is_big_endian()
    }

    /// Returns `e_type`, such as [`elf::ET_REL`].
    pub fn file_type(&self) -> FileType {
        self.file_type
    }

    /// Returns `e_machine`, such as [`elf::EM_AARCH64`].
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// Returns whether it is a relocatable file, as compilers write it.
    pub fn is_relocatable(&self) -> bool {
        self.file_type == elf::ET_REL
    }

    /// Returns whether it has a symbol table; a stripped file has none.
    pub fn has_symbol_table(&self) -> bool {
        self.has_symbol_table
    }

    /// Returns the build ID, which the linker wrote with `--build-id` (`NT_GNU_BUILD_ID`).
    pub fn build_id(&self) -> Option<BuildId> {
        let sections = self.sections.iter();
        let mut notes = sections.filter(|section| section.section_type == elf::SHT_NOTE);
        notes.find_map(|section| BuildId::among(section.data, self.endian))
    }

    /// Returns all sections in table order, without the null section.
    pub fn sections(&self) -> &[Section<'data>] {
        &self.sections
    }

    /// Returns the section with this index.
    pub fn section(&self, index: SectionIndex) -> Option<&Section<'data>> {
        self.sections.get(index.0.checked_sub(1)?)
    }

    /// Returns the first section with this name.
    pub fn section_by_name(&self, name: &str) -> Option<&Section<'data>> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Returns all symbols in table order, without the null symbol.
    pub fn symbols(&self) -> &[Symbol<'data>] {
        &self.symbols
    }

    /// Returns the symbol with this index.
    pub fn symbol(&self, index: SymbolIndex) -> Option<&Symbol<'data>> {
        self.symbols.get(index.0.checked_sub(1)?)
    }

    /// Returns whether the symbol is a function with code in this file. Code that was turned into data does
    /// not count.
    pub fn is_function(&self, symbol: &Symbol) -> bool {
        let section = symbol.section.and_then(|index| self.section(index));
        section.is_some_and(Section::is_executable)
            && matches!(
                symbol.kind,
                SymbolKind::Function | SymbolKind::IndirectFunction
            )
    }

    /// Returns a map of the symbols by name and by address, for many look-ups.
    pub fn symbol_map(&self) -> SymbolMap<'_, 'data> {
        SymbolMap::new(&self.symbols)
    }

    /// Returns the relocations that apply to the section with index `target`, in file order.
    ///
    /// # Errors
    /// A relocation section is damaged or refers to a missing symbol.
    pub fn relocations(&self, target: SectionIndex) -> Result<Vec<Relocation>, ReadError> {
        let sections = &self.relocation_sections;
        let start = sections.partition_point(|&(applies_to, _)| applies_to < target);
        let mut relocations = Vec::new();
        for &(applies_to, index) in &sections[start..] {
            if applies_to != target {
                break;
            }
            if let Some(section) = self.section(index) {
                relocations.extend(self.relocations_in(section)?);
            }
        }
        Ok(relocations)
    }

    /// Returns the relocations in `section`, which is itself a relocation section (`SHT_REL`, `SHT_RELA`
    /// or `SHT_CREL`), such as `.rela.text` or vmlinux's `.rela.dyn`.
    ///
    /// # Errors
    /// The section is damaged, refers to a missing symbol, or is of another type.
    pub fn relocations_in(&self, section: &Section<'data>) -> Result<Vec<Relocation>, ReadError> {
        let relocations = if self.is_64 {
            relocations_in::<FileHeader64<Endianness>>(self.data, self.endian, section)
        } else {
            relocations_in::<FileHeader32<Endianness>>(self.data, self.endian, section)
        }?;
        for relocation in &relocations {
            if let Some(index) = relocation.symbol
                && self.symbol(index).is_none()
                && self.is_relocatable()
            {
                return Err(ReadError::ElfContent(format!(
                    "a relocation in {} at {:#x} against symbol {}, which does not exist",
                    section.name, relocation.offset, index.0
                )));
            }
        }
        Ok(relocations)
    }

    /// Returns the COMDAT groups of the file. A link takes the first of several groups with one signature.
    ///
    /// # Errors
    /// A group is damaged, or its signature is a missing symbol.
    pub fn comdats(&self) -> Result<Vec<Comdat<'data>>, ReadError> {
        let groups = self.sections.iter();
        let groups = groups.filter(|section| section.section_type == elf::SHT_GROUP);
        let mut comdats = Vec::new();
        for group in groups {
            let damaged = || ReadError::ElfContent(format!("a damaged group {}", group.name));
            let words: Vec<u64> = (0..group.size / 4)
                .map(|index| self.read_unsigned(group, index * 4, 4).ok_or_else(damaged))
                .collect::<Result<_, _>>()?;
            let (flags, members) = words.split_first().ok_or_else(damaged)?;
            if flags & u64::from(elf::GRP_COMDAT.0) == 0 {
                continue;
            }
            let symbol = self.symbol(SymbolIndex(group.info as usize));
            let symbol = symbol.ok_or_else(damaged)?;
            let of_section = symbol.section_name.filter(|_| symbol.name.is_empty());
            let section = |index: &u64| usize::try_from(*index).map(SectionIndex).ok();
            comdats.push(Comdat {
                signature: of_section.unwrap_or(symbol.name),
                sections: members.iter().filter_map(section).collect(),
            });
        }
        Ok(comdats)
    }

    /// Returns the number of `size` bytes (1, 2, 4 or 8) at `offset` of `section`, in the file's byte
    /// order. `None` if the section has no such bytes.
    pub fn read_unsigned(&self, section: &Section<'_>, offset: u64, size: usize) -> Option<u64> {
        let start = usize::try_from(offset).ok()?;
        let bytes = section.data.get(start..start.checked_add(size)?)?;
        if ![1, 2, 4, 8].contains(&size) {
            return None;
        }
        let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.is_big_endian() {
            bytes.iter().fold(0, append)
        } else {
            bytes.iter().rev().fold(0, append)
        })
    }
}

fn is_relocation_section(section: &Section<'_>) -> bool {
    [elf::SHT_REL, elf::SHT_RELA, elf::SHT_CREL].contains(&section.section_type)
}

/// Returns an ELF reader error with the structure that was being read.
fn damaged(what: impl Into<String>) -> impl FnOnce(object::read::Error) -> ReadError {
    let what = what.into();
    move |source| ReadError::Elf { what, source }
}

fn parse<E>(data: &[u8]) -> Result<Elf<'_>, ReadError>
where
    E: FileHeader<Endian = Endianness>,
{
    let header = E::parse(data).map_err(damaged("the file header"))?;
    let endian = header.endian().map_err(damaged("the file header"))?;
    let machine = header.e_machine(endian);
    let table = header
        .sections(endian, data)
        .map_err(damaged("the section table"))?;
    let sections = sections(&table, endian, data)?;
    let symbol_table = table
        .symbols(endian, data, elf::SHT_SYMTAB)
        .map_err(damaged("the symbol table"))?;
    let symbols = symbols::<E>(&symbol_table, endian, machine, &sections)?;
    let mut relocation_sections: Vec<_> = sections
        .iter()
        .filter(|section| is_relocation_section(section))
        .map(|section| (SectionIndex(section.info as usize), section.index))
        .collect();
    relocation_sections.sort_unstable();
    Ok(Elf {
        data,
        is_64: header.is_type_64(),
        endian,
        file_type: header.e_type(endian),
        machine,
        has_symbol_table: !symbol_table.is_empty(),
        relocation_sections,
        sections,
        symbols,
    })
}

fn sections<'data, E>(
    table: &SectionTable<'data, E>,
    endian: Endianness,
    data: &'data [u8],
) -> Result<Vec<Section<'data>>, ReadError>
where
    E: FileHeader<Endian = Endianness>,
{
    let mut sections = Vec::with_capacity(table.len().saturating_sub(1));
    for (index, header) in table.enumerate().skip(1) {
        let name = table
            .section_name(endian, header)
            .map_err(damaged(format!("the name of section {}", index.0)))?;
        let name = utf8(name, || format!("section {}", index.0))?;
        // The entry is unused, and the rest of it has no meaning.
        let unused = header.sh_type(endian) == elf::SHT_NULL;
        let bytes = if unused {
            &[]
        } else {
            header
                .data(endian, data)
                .map_err(damaged(format!("the bytes of section {name}")))?
        };
        sections.push(Section {
            index: SectionIndex(index.0),
            name,
            section_type: header.sh_type(endian),
            flags: header.sh_flags(endian),
            address: header.sh_addr(endian).into(),
            offset: header.sh_offset(endian).into(),
            size: header.sh_size(endian).into(),
            alignment: header.sh_addralign(endian).into(),
            entry_size: header.sh_entsize(endian).into(),
            link: SectionIndex(header.sh_link(endian) as usize),
            info: header.sh_info(endian),
            data: bytes,
        });
    }
    Ok(sections)
}

fn symbols<'data, E>(
    table: &SymbolTable<'data, E>,
    endian: Endianness,
    machine: Machine,
    sections: &[Section<'data>],
) -> Result<Vec<Symbol<'data>>, ReadError>
where
    E: FileHeader<Endian = Endianness>,
{
    let mut symbols = Vec::with_capacity(table.len().saturating_sub(1));
    for (index, entry) in table.enumerate().skip(1) {
        let name = table
            .symbol_name(endian, entry)
            .map_err(damaged(format!("the name of symbol {}", index.0)))?;
        let name = utf8(name, || format!("symbol {}", index.0))?;
        let content =
            |what: String| ReadError::ElfContent(format!("symbol {} \"{name}\" {what}", index.0));

        let binding = match entry.st_bind() {
            elf::STB_LOCAL => Binding::Local,
            elf::STB_GLOBAL | elf::STB_GNU_UNIQUE => Binding::Global,
            elf::STB_WEAK => Binding::Weak,
            other => return Err(content(format!("with unknown binding {}", other.0))),
        };
        let section_index = table
            .symbol_section(endian, entry, index)
            .map_err(damaged(format!("the section of symbol {name}")))?;
        let section =
            match section_index {
                Some(at) => Some(sections.get(at.0.wrapping_sub(1)).ok_or_else(|| {
                    content(format!("in section {}, which does not exist", at.0))
                })?),
                None => None,
            };
        let definition = match section {
            Some(_) => Definition::Defined,
            None => special_section(entry.st_shndx(endian), machine)
                .ok_or_else(|| content(format!("in unknown section {}", entry.st_shndx(endian))))?,
        };
        let symbol_type = entry.st_type();
        let kind = match symbol_type {
            elf::STT_FUNC => SymbolKind::Function,
            elf::STT_OBJECT | elf::STT_COMMON | elf::STT_TLS => SymbolKind::Data,
            elf::STT_GNU_IFUNC => SymbolKind::IndirectFunction,
            elf::STT_SECTION => SymbolKind::Section,
            elf::STT_FILE => SymbolKind::File,
            _ => SymbolKind::Unknown,
        };
        let visibility = match entry.st_visibility() {
            elf::STV_HIDDEN | elf::STV_INTERNAL => Visibility::Hidden,
            elf::STV_PROTECTED => Visibility::Protected,
            _ => Visibility::Default,
        };
        let is_function = matches!(kind, SymbolKind::Function | SymbolKind::IndirectFunction);
        let is_code = is_function || section.is_some_and(Section::is_executable);
        let is_format = matches!(kind, SymbolKind::Section | SymbolKind::File)
            || (binding == Binding::Local && is_mark(name, machine));
        let mut flags = SymbolFlags::default();
        flags.set(SymbolFlags::EXECUTABLE, is_code);
        flags.set(SymbolFlags::FORMAT_SPECIFIC, is_format);

        symbols.push(Symbol {
            index: SymbolIndex(index.0),
            name,
            binding,
            definition,
            visibility,
            kind,
            section: section.map(|section| section.index),
            section_name: section.map(|section| section.name),
            value: entry.st_value(endian).into(),
            size: entry.st_size(endian).into(),
            flags,
        });
    }
    Ok(symbols)
}

/// Returns whether a local symbol with this name is only for other tools: a mapping symbol, which tells
/// disassemblers where code and data begin, or a label of RISC-V for differences.
///
/// Sources: the ELF supplements of Arm (`$a`, `$t`, `$d`), 64-bit Arm (`$x`, `$d`) and RISC-V
/// (`$x`, `$d`); for the labels the output of assemblers. Arm allows a suffix after a dot, RISC-V after
/// `$x`.
fn is_mark(name: &str, machine: Machine) -> bool {
    let is = |mark| {
        name.strip_prefix(mark)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    match machine {
        elf::EM_ARM => is("$a") || is("$t") || is("$d"),
        elf::EM_AARCH64 => is("$x") || is("$d"),
        elf::EM_RISCV => is("$d") || name.starts_with("$x") || name == ".L0 ",
        _ => false,
    }
}

/// Returns the meaning of a reserved section number of a symbol.
///
/// Sources: the ELF specification; the processor supplements of x86-64 (`SHN_X86_64_LCOMMON`,
/// 0xff02) and MIPS.
fn special_section(number: elf::SymbolSection, machine: Machine) -> Option<Definition> {
    const SHN_X86_64_LCOMMON: elf::SymbolSection = elf::SymbolSection(0xff02);
    match (number, machine) {
        (elf::SHN_UNDEF, _) | (elf::SHN_MIPS_SUNDEFINED, elf::EM_MIPS) => {
            Some(Definition::Undefined)
        }
        (elf::SHN_ABS, _) => Some(Definition::Absolute),
        (elf::SHN_COMMON, _)
        | (SHN_X86_64_LCOMMON, elf::EM_X86_64)
        | (elf::SHN_MIPS_ACOMMON | elf::SHN_MIPS_SCOMMON, elf::EM_MIPS) => Some(Definition::Common),
        _ => None,
    }
}

fn relocations_in<E>(
    data: &[u8],
    endian: Endianness,
    section: &Section<'_>,
) -> Result<Vec<Relocation>, ReadError>
where
    E: FileHeader<Endian = Endianness>,
{
    let what = || format!("the relocations in {}", section.name);
    let header = E::parse(data).map_err(damaged(what()))?;
    let is_mips64el = header.is_mips64el(endian);
    let table = header.sections(endian, data).map_err(damaged(what()))?;
    let header = table
        .section(object::SectionIndex(section.index.0))
        .map_err(damaged(what()))?;
    let symbol = |index: Option<object::SymbolIndex>| index.map(|index| SymbolIndex(index.0));

    if let Some((entries, _)) = header.rela(endian, data).map_err(damaged(what()))? {
        let relocation = |entry: &E::Rela| Relocation {
            offset: entry.r_offset(endian).into(),
            kind: entry.r_type(endian, is_mips64el),
            symbol: symbol(entry.symbol(endian, is_mips64el)),
            addend: Some(entry.r_addend(endian).into()),
        };
        Ok(entries.iter().map(relocation).collect())
    } else if let Some((entries, _)) = header.rel(endian, data).map_err(damaged(what()))? {
        let relocation = |entry: &E::Rel| Relocation {
            offset: entry.r_offset(endian).into(),
            kind: entry.r_type(endian),
            symbol: symbol(entry.symbol(endian)),
            addend: None,
        };
        Ok(entries.iter().map(relocation).collect())
    } else if let Some((entries, _)) = header.crel(endian, data).map_err(damaged(what()))? {
        let explicit = entries.is_rela();
        let mut relocations = Vec::new();
        for entry in entries {
            let entry = entry.map_err(damaged(what()))?;
            relocations.push(Relocation {
                offset: entry.r_offset,
                kind: entry.r_type,
                symbol: symbol(entry.symbol()),
                addend: explicit.then_some(entry.r_addend),
            });
        }
        Ok(relocations)
    } else {
        Err(ReadError::ElfContent(format!(
            "section {}, which holds no relocations",
            section.name
        )))
    }
}

/// Returns `bytes` as text; `whose` says which name they are.
fn utf8(bytes: &[u8], whose: impl FnOnce() -> String) -> Result<&str, ReadError> {
    std::str::from_utf8(bytes).map_err(|_| {
        ReadError::ElfContent(format!(
            "the name \"{}\" of {}, which is not UTF-8",
            bytes.escape_ascii(),
            whose()
        ))
    })
}

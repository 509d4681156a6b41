// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Changes bytes of an ELF file of 64 bits, little-endian, without a change of its layout.

use object_model::{Elf, Section, SectionIndex, Symbol, SymbolIndex, elf};

/// Sizes of an entry of the symbol table, of the section table, and of relocations with addend.
const SYMBOL_SIZE: usize = 24;
const HEADER_SIZE: usize = 64;
const RELA_SIZE: usize = 24;

/// The offsets of fields in these entries, and of `e_machine` and `e_shoff` in the file.
const SYMBOL_INFO: usize = 4;
const SYMBOL_VALUE: usize = 8;
const SYMBOL_FIELD_SIZE: usize = 16;
const HEADER_TYPE: usize = 4;
const RELA_INFO: usize = 8;
const RELA_ADDEND: usize = 16;
const MACHINE: usize = 18;
const SECTION_TABLE: usize = 40;

/// Changed files of an object tree, by their paths in it; `None` is a file that is gone.
pub type Changes = Vec<(String, Option<Vec<u8>>)>;

/// A file and its changed bytes. Its sections and symbols are those before the change.
pub struct Patch {
    path: String,
    pub elf: Elf<'static>,
    bytes: Vec<u8>,
}

impl Patch {
    /// Returns the file, unchanged; `None` if its form is another.
    pub fn new(path: &str, elf: Elf<'static>, bytes: Vec<u8>) -> Option<Self> {
        (elf.is_64() && !elf.is_big_endian()).then(|| Self {
            path: path.to_owned(),
            elf,
            bytes,
        })
    }

    /// Returns the changed file.
    pub fn changes(self) -> Changes {
        vec![(self.path, Some(self.bytes))]
    }

    /// Returns the symbol of this name that is defined here.
    pub fn symbol(&self, name: &str) -> Option<Symbol<'static>> {
        let mut symbols = self.elf.symbols().iter();
        symbols
            .find(|symbol| symbol.name == name && symbol.is_defined())
            .copied()
    }

    /// Returns the address of the symbol of this name.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.symbol(name).map(|symbol| symbol.value)
    }

    /// Returns where the byte at `address` of a linked file is.
    pub fn at(&self, address: u64) -> Option<usize> {
        let offset = |section: &Section| {
            let offset = address.checked_sub(section.address)?;
            let is_here = section.is_allocated() && offset < section.data.len() as u64;
            is_here.then_some(section.offset + offset)
        };
        let offset = self.elf.sections().iter().find_map(offset)?;
        usize::try_from(offset).ok()
    }

    /// Returns where the object or table with this name begins.
    pub fn start(&self, name: &str) -> Option<usize> {
        self.at(self.address(name)?)
    }

    /// Returns where `text` is in the section with this name.
    pub fn offset_of_text(&self, section: &str, text: &[u8]) -> Option<usize> {
        let section = self.elf.section_by_name(section)?;
        let offset = section
            .data
            .windows(text.len())
            .position(|window| window == text)?;
        Some(usize::try_from(section.offset).ok()? + offset)
    }

    /// Returns `N` bytes.
    pub fn get<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at + N)?.try_into().ok()
    }

    /// Writes bytes over those that are there.
    pub fn set(&mut self, at: usize, bytes: &[u8]) -> Option<()> {
        self.bytes
            .get_mut(at..at + bytes.len())?
            .copy_from_slice(bytes);
        Some(())
    }

    /// Writes `length` times this byte.
    pub fn fill(&mut self, at: usize, length: usize, byte: u8) -> Option<()> {
        self.bytes.get_mut(at..at + length)?.fill(byte);
        Some(())
    }

    /// Adds to a number of 32 bits.
    pub fn add(&mut self, at: usize, number: i32) -> Option<()> {
        let old = i32::from_le_bytes(self.get(at)?);
        self.set(at, &old.wrapping_add(number).to_le_bytes())
    }

    /// Swaps two numbers of 32 bits that count from their own places, so that each keeps its target.
    pub fn swap_distances(&mut self, first: usize, second: usize) -> Option<()> {
        let distance = i32::try_from(second.checked_sub(first)?).ok()?;
        let (of_first, of_second): ([u8; 4], [u8; 4]) = (self.get(first)?, self.get(second)?);
        self.set(first, &of_second)?;
        self.set(second, &of_first)?;
        self.add(first, distance)?;
        self.add(second, -distance)
    }

    fn symbol_at(&self, index: SymbolIndex) -> Option<usize> {
        let mut sections = self.elf.sections().iter();
        let table = sections.find(|section| section.section_type == elf::SHT_SYMTAB)?;
        Some(usize::try_from(table.offset).ok()? + index.0 * SYMBOL_SIZE)
    }

    /// Takes the names of all symbols that `is_meant` is true of; `None` if there are none.
    pub fn unname(&mut self, is_meant: impl Fn(&Symbol) -> bool) -> Option<()> {
        let symbols = self.elf.symbols().iter();
        let meant: Vec<_> = symbols
            .filter(|symbol| is_meant(symbol))
            .map(|symbol| symbol.index)
            .collect();
        meant.first()?;
        for index in meant {
            let at = self.symbol_at(index)?;
            self.fill(at, 4, 0)?;
        }
        Some(())
    }

    /// Replaces the end of a symbol's name by `end`, of the same length.
    pub fn end_name(&mut self, symbol: SymbolIndex, end: &str) -> Option<()> {
        let mut symbols = self.elf.symbols().iter();
        let name = symbols.find(|found| found.index == symbol)?.name;
        let at = self.symbol_at(symbol)?;
        let position = u32::from_le_bytes(self.get(at)?);
        let mut sections = self.elf.sections().iter();
        let names = sections.find(|section| section.name == ".strtab")?;
        let start = usize::try_from(names.offset).ok()? + usize::try_from(position).ok()?;
        self.set(start + name.len().checked_sub(end.len())?, end.as_bytes())
    }

    /// Takes the name of the symbol that is called `name`.
    pub fn unname_one(&mut self, name: &str) -> Option<()> {
        self.unname(|symbol| symbol.name == name)
    }

    /// Gives the symbol called `name` this value.
    pub fn set_value(&mut self, name: &str, value: u64) -> Option<()> {
        let at = self.symbol_at(self.symbol(name)?.index)?;
        self.set(at + SYMBOL_VALUE, &value.to_le_bytes())
    }

    /// Gives a symbol this size.
    pub fn set_size(&mut self, symbol: SymbolIndex, size: u64) -> Option<()> {
        let at = self.symbol_at(symbol)?;
        self.set(at + SYMBOL_FIELD_SIZE, &size.to_le_bytes())
    }

    /// Makes a symbol local.
    pub fn make_local(&mut self, symbol: SymbolIndex) -> Option<()> {
        let at = self.symbol_at(symbol)? + SYMBOL_INFO;
        let [info] = self.get(at)?;
        // The binding is the upper half, and 0 is local.
        self.set(at, &[info & 0x0f])
    }

    fn header_at(&self, index: SectionIndex) -> Option<usize> {
        let table = u64::from_le_bytes(self.get(SECTION_TABLE)?);
        Some(usize::try_from(table).ok()? + index.0 * HEADER_SIZE)
    }

    /// Takes the names of all sections called `name`; `None` if there are none.
    pub fn unname_sections(&mut self, name: &str) -> Option<()> {
        let indices = self.sections(|section| section.name == name)?;
        for index in indices {
            let at = self.header_at(index)?;
            self.fill(at, 4, 0)?;
        }
        Some(())
    }

    /// Gives all sections that `is_meant` is true of this type; `None` if there are none.
    pub fn set_type(
        &mut self,
        section_type: elf::SectionType,
        is_meant: impl Fn(&Section<'static>) -> bool,
    ) -> Option<()> {
        let indices = self.sections(is_meant)?;
        for index in indices {
            let at = self.header_at(index)? + HEADER_TYPE;
            self.set(at, &section_type.0.to_le_bytes())?;
        }
        Some(())
    }

    fn sections(&self, is_meant: impl Fn(&Section<'static>) -> bool) -> Option<Vec<SectionIndex>> {
        let sections = self.elf.sections().iter();
        let meant: Vec<_> = sections
            .filter(|section| is_meant(section))
            .map(|section| section.index)
            .collect();
        (!meant.is_empty()).then_some(meant)
    }

    /// Gives the first section called `old` the name `new`, by a table of names at the end of the file.
    pub fn rename_section(&mut self, old: &str, new: &str) -> Option<()> {
        let renamed = self.elf.section_by_name(old)?.index;
        let names = *self.elf.section_by_name(".shstrtab")?;
        let offset = self.bytes.len() as u64;
        let position = u32::try_from(names.data.len()).ok()?;
        self.bytes.extend_from_slice(names.data);
        self.bytes.extend_from_slice(new.as_bytes());
        self.bytes.push(0);
        let size = self.bytes.len() as u64 - offset;
        let header = self.header_at(names.index)?;
        self.set(header + 24, &offset.to_le_bytes())?;
        self.set(header + 32, &size.to_le_bytes())?;
        let header = self.header_at(renamed)?;
        self.set(header, &position.to_le_bytes())
    }

    /// Makes it a file for the machine with this number.
    pub fn set_machine(&mut self, machine: elf::Machine) -> Option<()> {
        self.set(MACHINE, &machine.0.to_le_bytes())
    }

    /// Returns the relocations with addend of sections that `is_meant` is true of, and where each is in the
    /// file.
    pub fn relocations(
        &self,
        is_meant: impl Fn(&Section<'static>) -> bool,
    ) -> Vec<(usize, object_model::Relocation)> {
        let mut found = Vec::new();
        let sections = self.elf.sections().iter();
        for section in sections.filter(|section| section.section_type == elf::SHT_RELA) {
            let target = self.elf.section(SectionIndex(section.info as usize));
            if !target.is_some_and(&is_meant) {
                continue;
            }
            let start = section.offset as usize;
            let relocations = self.elf.relocations_in(section).unwrap_or_default();
            let with_place = relocations.into_iter().enumerate();
            found.extend(
                with_place.map(|(index, relocation)| (start + index * RELA_SIZE, relocation)),
            );
        }
        found
    }

    /// Gives the relocation at `at` another type.
    pub fn set_relocation_type(&mut self, at: usize, kind: elf::RelocationType) -> Option<()> {
        self.set(at + RELA_INFO, &kind.0.to_le_bytes())
    }

    /// Lets the relocation at `at` refer to another symbol.
    pub fn set_relocation_symbol(&mut self, at: usize, symbol: SymbolIndex) -> Option<()> {
        // The symbol is the upper half of r_info.
        self.set(
            at + RELA_INFO + 4,
            &u32::try_from(symbol.0).ok()?.to_le_bytes(),
        )
    }

    /// Changes the word of 64 bits at `address` of a linked file: in its bytes, or, if the kernel may be
    /// loaded anywhere, in the relocation that makes it.
    pub fn add_to_word(&mut self, address: u64, number: i32) -> Option<()> {
        let sections = self.elf.sections().iter();
        let dynamic = sections.filter(|section| section.section_type == elf::SHT_RELA);
        for section in dynamic {
            let relocations = self.elf.relocations_in(section).ok()?;
            let found = relocations
                .iter()
                .position(|relocation| relocation.offset == address);
            if let Some(index) = found {
                let at = section.offset as usize + index * RELA_SIZE + RELA_ADDEND;
                return self.add(at, number);
            }
        }
        self.add(self.at(address)?, number)
    }
}

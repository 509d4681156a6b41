// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the symbol table that LLVM writes for linkers into every bitcode file.
//!
//! Little-endian words. A header gives ranges of tables within the blob and of strings within the
//! string table. Source: `llvm/Object/IRSymtab.h`, version 3 (LLVM 13 to 22) and version 4, which
//! differs in the size of one field.

use super::string_table::StringTable;
use crate::symbol::SymbolFlags;
use crate::{Binding, Definition, ReadError, Symbol, SymbolIndex, SymbolKind, Visibility};

/// Positions of the header's words.
mod header {
    pub const VERSION: usize = 0;
    pub const MODULES: usize = 3;
    pub const SYMBOLS: usize = 7;
    pub const UNCOMMONS: usize = 9;
    pub const TARGET_TRIPLE: usize = 11;
    pub const SOURCE_FILE: usize = 13;
    /// The header's length in words.
    pub const WORDS: usize = 19;
}

/// Sizes of table entries in bytes.
const MODULE_SIZE: usize = 12;
const SYMBOL_SIZE: usize = 24;

/// Bits of a symbol's flags.
mod flag {
    pub const VISIBILITY_MASK: u32 = 3;
    pub const HAS_UNCOMMON: u32 = 1 << 2;
    pub const UNDEFINED: u32 = 1 << 3;
    pub const WEAK: u32 = 1 << 4;
    pub const COMMON: u32 = 1 << 5;
    pub const USED: u32 = 1 << 7;
    pub const GLOBAL: u32 = 1 << 10;
    pub const FORMAT_SPECIFIC: u32 = 1 << 11;
    pub const EXECUTABLE: u32 = 1 << 13;
}

/// The content of a symbol table.
pub struct SymbolTable<'data> {
    /// Number of modules it describes.
    pub modules: usize,
    pub triple: &'data str,
    pub source_file: &'data str,
    pub symbols: Vec<Symbol<'data>>,
}

/// The layout of the record with rare properties of symbols, which depends on the version.
#[derive(Clone, Copy)]
struct Uncommon {
    size: usize,
    /// The size of a common symbol has 8 bytes instead of 4.
    wide_common_size: bool,
    /// The place of the offset and length of the section name.
    section_name: usize,
}

impl Uncommon {
    fn of_version(version: u32) -> Option<Self> {
        match version {
            3 => Some(Self {
                size: 24,
                wide_common_size: false,
                section_name: 16,
            }),
            4 => Some(Self {
                size: 28,
                wide_common_size: true,
                section_name: 20,
            }),
            _ => None,
        }
    }
}

/// Reads the symbol table in `symtab`, whose names are in `strings`. `producer` is for messages.
pub fn parse<'data>(
    symtab: &'data [u8],
    strings: StringTable<'data>,
    producer: &str,
) -> Result<SymbolTable<'data>, ReadError> {
    let tables = Tables { symtab, strings };
    let version = word(symtab, header::VERSION * 4)?;
    let uncommon =
        Uncommon::of_version(version).ok_or_else(|| ReadError::BitcodeSymbolVersion {
            version,
            producer: producer.to_owned(),
        })?;
    if symtab.len() < header::WORDS * 4 {
        return Err(damaged("the symbol table ends too early"));
    }
    let modules = tables.range(header::MODULES, MODULE_SIZE, "modules")?;
    let entries = tables.range(header::SYMBOLS, SYMBOL_SIZE, "symbols")?;
    let uncommons = tables.range(header::UNCOMMONS, uncommon.size, "uncommon symbols")?;
    check_modules(modules, entries.len() / SYMBOL_SIZE)?;

    let mut uncommons = uncommons.chunks_exact(uncommon.size);
    let mut symbols = Vec::with_capacity(entries.len() / SYMBOL_SIZE);
    for (index, entry) in entries.chunks_exact(SYMBOL_SIZE).enumerate() {
        let flags = word(entry, 20)?;
        let mut symbol = tables.symbol(SymbolIndex(index), entry, flags)?;
        if flags & flag::HAS_UNCOMMON != 0 {
            let record = uncommons
                .next()
                .ok_or_else(|| damaged("fewer uncommon records than uncommon symbols"))?;
            let section = tables.string(record, uncommon.section_name)?;
            symbol.section_name = Some(section).filter(|name| !name.is_empty());
            symbol.size = u64::from(word(record, 0)?);
            if uncommon.wide_common_size {
                symbol.size |= u64::from(word(record, 4)?) << 32;
            }
        }
        symbols.push(symbol);
    }
    Ok(SymbolTable {
        modules: modules.len() / MODULE_SIZE,
        triple: tables.string(symtab, header::TARGET_TRIPLE * 4)?,
        source_file: tables.string(symtab, header::SOURCE_FILE * 4)?,
        symbols,
    })
}

fn damaged(what: &str) -> ReadError {
    ReadError::Bitcode(what.to_owned())
}

/// Checks that the modules' symbols cover the whole table, without gap or overlap; otherwise symbols
/// would be missing or counted twice.
fn check_modules(modules: &[u8], symbols: usize) -> Result<(), ReadError> {
    let mut expected = 0;
    for module in modules.chunks_exact(MODULE_SIZE) {
        let (begin, end) = (word(module, 0)?, word(module, 4)?);
        if begin != expected || end < begin {
            return Err(damaged("modules whose symbols do not follow each other"));
        }
        expected = end;
    }
    if expected as usize == symbols {
        Ok(())
    } else {
        Err(damaged("symbols that belong to no module"))
    }
}

fn word(bytes: &[u8], offset: usize) -> Result<u32, ReadError> {
    bytes
        .get(offset..)
        .and_then(<[u8]>::first_chunk)
        .map(|bytes| u32::from_le_bytes(*bytes))
        .ok_or_else(|| damaged("the symbol table ends too early"))
}

#[derive(Clone, Copy)]
struct Tables<'data> {
    symtab: &'data [u8],
    strings: StringTable<'data>,
}

impl<'data> Tables<'data> {
    /// Returns the table whose offset and number of entries are at `header_word`.
    fn range(
        self,
        header_word: usize,
        entry_size: usize,
        what: &str,
    ) -> Result<&'data [u8], ReadError> {
        let offset = word(self.symtab, header_word * 4)? as usize;
        let count = word(self.symtab, header_word * 4 + 4)? as usize;
        let bytes = || {
            let end = offset.checked_add(count.checked_mul(entry_size)?)?;
            self.symtab.get(offset..end)
        };
        bytes().ok_or_else(|| damaged(&format!("the table of {what} reaches beyond its block")))
    }

    /// Returns the string whose offset and length are at `offset` of `record`.
    fn string(self, record: &[u8], offset: usize) -> Result<&'data str, ReadError> {
        let start = word(record, offset)? as usize;
        let length = word(record, offset + 4)? as usize;
        self.strings.string(start, length)
    }

    fn symbol(
        self,
        index: SymbolIndex,
        entry: &[u8],
        flags: u32,
    ) -> Result<Symbol<'data>, ReadError> {
        let has = |flag| flags & flag != 0;
        let name = self.string(entry, 0)?;
        // Symbols of module assembly have no name in the IR, so its length is 0.
        let from_asm = word(entry, 12)? == 0;
        let binding = if has(flag::WEAK) {
            Binding::Weak
        } else if has(flag::GLOBAL) {
            Binding::Global
        } else {
            Binding::Local
        };
        let definition = if has(flag::UNDEFINED) {
            Definition::Undefined
        } else if has(flag::COMMON) {
            Definition::Common
        } else {
            Definition::Defined
        };
        let visibility = match flags & flag::VISIBILITY_MASK {
            0 => Visibility::Default,
            1 => Visibility::Hidden,
            2 => Visibility::Protected,
            _ => return Err(damaged(&format!("symbol {name} has an unknown visibility"))),
        };
        // Every definition of module assembly is marked as code.
        let kind = if from_asm {
            SymbolKind::Unknown
        } else if has(flag::EXECUTABLE) {
            SymbolKind::Function
        } else {
            SymbolKind::Data
        };
        let mut properties = SymbolFlags::default();
        properties.set(SymbolFlags::USED, has(flag::USED));
        properties.set(SymbolFlags::EXECUTABLE, has(flag::EXECUTABLE));
        properties.set(SymbolFlags::FROM_ASM, from_asm);
        properties.set(SymbolFlags::FORMAT_SPECIFIC, has(flag::FORMAT_SPECIFIC));
        Ok(Symbol {
            index,
            name,
            binding,
            definition,
            visibility,
            kind,
            section: None,
            section_name: None,
            value: 0,
            size: 0,
            flags: properties,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRTAB: &[u8] = b"tripleabc.sec";

    /// Returns a symbol table with one module and one common symbol `abc`, which asks for `.sec`.
    fn symtab(version: u32) -> Vec<u32> {
        let flags = flag::HAS_UNCOMMON | flag::COMMON | flag::GLOBAL;
        let uncommon: &[u32] = match version {
            4 => &[1, 2, 4, 0, 0, 9, 4],
            _ => &[1, 4, 0, 0, 9, 4],
        };
        let words = [
            // Version, producer, modules, comdats, symbols, uncommons.
            &[version, 0, 6, 76, 1, 88, 0, 88, 1, 112, 1][..],
            // Target triple, source file, linker options, dependent libraries.
            &[0, 6, 6, 3, 0, 0, 112, 0],
            &[0, 1, 0],
            &[6, 3, 6, 3, u32::MAX, flags],
            uncommon,
        ];
        words.concat()
    }

    fn parse_words(words: &[u32]) -> Result<(String, Vec<Symbol<'static>>), ReadError> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let table = parse(bytes.leak(), StringTable::new(STRTAB), "LLVM0")?;
        Ok((table.triple.to_owned(), table.symbols))
    }

    fn error(words: &[u32]) -> String {
        parse_words(words).expect_err("it is damaged").to_string()
    }

    #[test]
    fn versions_3_and_4_are_read_by_their_layout() {
        for (version, size) in [(3, 1), (4, 1 | 2 << 32)] {
            let (triple, symbols) = parse_words(&symtab(version)).unwrap();
            assert_eq!(triple, "triple");
            let [symbol] = symbols[..] else {
                panic!("{symbols:?}")
            };
            assert_eq!((symbol.name, symbol.size), ("abc", size));
            assert_eq!(symbol.section_name, Some(".sec"));
            assert_eq!(symbol.definition, Definition::Common);
        }
    }

    #[test]
    fn other_versions_are_refused_by_number() {
        for version in [0, 1, 2, 5] {
            assert_eq!(
                error(&symtab(version)),
                format!(
                    "is LLVM bitcode whose symbol table has version {version} (made by \
                     \"LLVM0\"); versions 3 (LLVM 13 and later) and 4 can be read"
                )
            );
        }
    }

    #[test]
    fn tables_that_contradict_each_other_are_refused() {
        let with = |changes: &[(usize, u32)]| {
            let mut words = symtab(3);
            for &(position, value) in changes {
                words[position] = value;
            }
            error(&words)
        };
        let damaged = |what: &str| format!("is damaged LLVM bitcode: {what}");
        let cases: [(&[(usize, u32)], &str); 9] = [
            (&[(8, 2)], "symbols that belong to no module"),
            (&[(20, 0)], "symbols that belong to no module"),
            (&[(19, 1)], "modules whose symbols do not follow each other"),
            (
                &[(4, u32::MAX)],
                "the table of modules reaches beyond its block",
            ),
            (
                &[(7, u32::MAX)],
                "the table of symbols reaches beyond its block",
            ),
            (
                &[(10, 2)],
                "the table of uncommon symbols reaches beyond its block",
            ),
            (&[(10, 0)], "fewer uncommon records than uncommon symbols"),
            (&[(22, 20)], "a name reaches beyond the string table"),
            (
                &[(27, flag::VISIBILITY_MASK)],
                "symbol abc has an unknown visibility",
            ),
        ];
        for (changes, what) in cases {
            assert_eq!(with(changes), damaged(what), "{changes:?}");
        }
        for length in 1..symtab(3).len() {
            assert!(
                error(&symtab(3)[..length]).starts_with("is damaged"),
                "{length}"
            );
        }
        assert_eq!(error(&[]), damaged("the symbol table ends too early"));
    }
}

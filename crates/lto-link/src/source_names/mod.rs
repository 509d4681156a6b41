// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Gives the object of a link the names of the source, as it has without LTO: one pass over its symbols and both of
//! its string tables. `suffix.rs` knows the names that LTO gives, `layout.rs` reads the object and lays out the new
//! tables, `change.rs` changes its bytes, and `class.rs` knows the fields of both classes of ELF.
//!
//! Thin LTO makes a static global if code of another file refers to it, and calls it `name.llvm.<hash>`. Full LTO
//! calls a second static function of a name `name.<number>`. After the join nothing outside of the object refers
//! to them, so they become local again, under their old names: tracers, debuggers and live patches look for these.
//!
//! The hash is of the bitcode, which contains the path of the source and, with debug information, that of the object
//! tree. The object must be the same wherever it is built, so both string tables are made new, with only the names
//! that are in use. Names of sections lose the suffix, too (`.text.name.llvm.<hash>`).
//!
//! Sources: `ModuleSummaryIndex::getGlobalNameForLocal` and `ValueSymbolTable::makeUniqueName` of LLVM; the ELF
//! specification (local symbols come first in the symbol table, and `sh_info` is their number).

mod change;
mod class;
mod layout;
mod suffix;

use object::Endianness;
use object::elf::{FileHeader32, FileHeader64};
use object_model::elf;

use crate::error::NameError;
use crate::source_names::class::Class;
use crate::source_names::layout::{Linked, SymbolNames};

pub use crate::source_names::suffix::RestoredName;

/// The place of the class in an ELF file.
const EI_CLASS: usize = 4;

/// An object whose symbols have the names of the source.
#[derive(Debug)]
pub(crate) struct Restored {
    /// The object, if any of its symbols had another name.
    pub(crate) bytes: Option<Vec<u8>>,
    /// The renamed symbols, in the order of the symbol table.
    pub(crate) names: Vec<RestoredName>,
    /// The names of its undefined symbols.
    pub(crate) undefined: Vec<String>,
}

/// Gives the relocatable object in `bytes` the names of the source.
///
/// # Errors
/// The object cannot be read, or has a section of an unknown type that depends on the order of symbols.
pub(crate) fn with_source_names(bytes: Vec<u8>) -> Result<Restored, NameError> {
    if bytes.get(EI_CLASS) == Some(&elf::ELFCLASS32.0) {
        restore::<FileHeader32<Endianness>>(bytes)
    } else {
        // A file that is not ELF has no such header either.
        restore::<FileHeader64<Endianness>>(bytes)
    }
}

fn restore<C: Class>(mut bytes: Vec<u8>) -> Result<Restored, NameError> {
    let linked = Linked::<C>::parse(&bytes)?;
    let SymbolNames {
        all,
        changed,
        restored,
        undefined,
    } = linked.symbol_names()?;
    let bytes = if changed.is_empty() {
        None
    } else {
        linked.change(&all, &changed)?.apply(&mut bytes)?;
        Some(bytes)
    };
    Ok(Restored {
        bytes,
        names: restored,
        undefined,
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use goblin::elf::Elf;
    use proptest::prelude::*;
    use test_support::{ARM64, Damage, TARGETS, TestDir, damaged_words, flipped_bits};

    use super::*;

    /// An object as thin and full LTO leave it: a promoted static function, a second static function of a name, and
    /// a promoted constant, among other symbols that tables refer to.
    const SOURCE: &str = "
        .file \"a.c\"
        .section .text.own, \"ax\", %progbits
        own: .long 0
        .type show.5, %function
        show.5: .long 0
        .section .text.helper.llvm.123, \"ax\", %progbits
        .globl helper.llvm.123
        .hidden helper.llvm.123
        .type helper.llvm.123, %function
        .long 0
        helper.llvm.123: .long 0
        .globl entry
        entry: .long 0
        .section .rodata.str, \"a\", %progbits
        .globl .str.llvm.77
        .hidden .str.llvm.77
        .str.llvm.77: .long 0
        .section .text.group, \"axG\", %progbits, signature, comdat
        .globl signature
        signature: .long 0
        .section .data.table, \"aw\", %progbits
        .globl table
        table: .long entry, helper.llvm.123, missing, signature, own, show.5, .str.llvm.77
        .section .data.last, \"aw\", %progbits
        .long 1
    ";

    fn assemble(source: &str, target: &str) -> Vec<u8> {
        let dir = TestDir::new();
        dir.asm("a.o", source, &[target]);
        dir.read("a.o")
    }

    fn sample() -> Vec<u8> {
        assemble(SOURCE, ARM64)
    }

    fn restored(bytes: &[u8]) -> Vec<u8> {
        let restored = with_source_names(bytes.to_vec()).expect("an object");
        restored.bytes.expect("a change")
    }

    fn fault(bytes: Vec<u8>) -> String {
        let error = with_source_names(bytes).expect_err("a damaged object");
        let error = error.to_string();
        let start = "is no relocatable ELF object whose symbol table can be changed: ";
        error.strip_prefix(start).unwrap_or(&error).to_owned()
    }

    fn contains(bytes: &[u8], text: &[u8]) -> bool {
        bytes.windows(text.len()).any(|window| window == text)
    }

    /// Returns the place of the header of a section in its file.
    fn header_of(bytes: &[u8], name: &str) -> usize {
        let elf = Elf::parse(bytes).expect("an object");
        let mut sections = elf.section_headers.iter();
        let is_it = |found: usize| elf.shdr_strtab.get_at(found) == Some(name);
        let index = sections.position(|section| is_it(section.sh_name));
        let index = index.expect("a section");
        let start = usize::try_from(elf.header.e_shoff).unwrap();
        start + index * usize::from(elf.header.e_shentsize)
    }

    /// The relocations: their places, and the places that they refer to.
    fn references(elf: &Elf) -> Vec<(usize, u64, usize, u64, Option<i64>)> {
        let mut all = Vec::new();
        for (section, relocations) in &elf.shdr_relocs {
            for relocation in relocations {
                let to = elf.syms.get(relocation.r_sym).expect("a symbol");
                let (offset, addend) = (relocation.r_offset, relocation.r_addend);
                all.push((*section, offset, to.st_shndx, to.st_value, addend));
            }
        }
        all
    }

    #[test]
    fn objects_of_each_class_and_byte_order_get_their_names() {
        for target in TARGETS {
            let before = assemble(SOURCE, &format!("--target={}", target.triple));
            let Restored {
                bytes,
                names,
                undefined,
            } = with_source_names(before.clone()).expect("an object");
            let after = bytes.expect("a change");
            let found: Vec<_> = names
                .iter()
                .map(|name| (name.lto_name.as_str(), name.source_name.as_str()))
                .collect();
            let expected = [("show.5", "show"), ("helper.llvm.123", "helper")];
            assert_eq!(found, expected, "{target:?}");
            assert_eq!(undefined, ["missing"], "{target:?}");

            let (old, new) = (Elf::parse(&before).unwrap(), Elf::parse(&after).unwrap());
            assert_eq!(new.is_64, target.is_64);
            assert_eq!(new.little_endian, !target.is_big_endian);
            assert_eq!(references(&new), references(&old), "{target:?}");
            assert_eq!(references(&new).len(), 7, "{target:?}");
            assert!(!contains(&after, b".llvm."), "{target:?}");
            let symbols: Vec<_> = new
                .syms
                .iter()
                .map(|symbol| (new.strtab.get_at(symbol.st_name).unwrap(), symbol))
                .collect();
            let symtab = new.section_headers.iter().find(|s| s.sh_type == 2).unwrap();
            for (index, (name, symbol)) in symbols.iter().enumerate() {
                let is_local = index < symtab.sh_info as usize;
                assert_eq!(symbol.st_bind() == 0, is_local, "{target:?} {name}");
            }
            for name in ["helper", ".L.str", "own", "show"] {
                let found = symbols.iter().find(|(found, _)| *found == name);
                let (_, symbol) = found.unwrap_or_else(|| panic!("{target:?}: no {name}"));
                assert_eq!((symbol.st_bind(), symbol.st_visibility()), (0, 0), "{name}");
            }
            let group = new.section_headers.iter().find(|s| s.sh_type == 17);
            let signature = symbols[group.unwrap().sh_info as usize].0;
            assert_eq!(signature, "signature", "{target:?}");
            // A second pass finds nothing to do.
            assert!(with_source_names(after).unwrap().bytes.is_none());
        }
    }

    #[test]
    fn an_object_with_the_names_of_the_source_does_not_change() {
        let source = SOURCE.replace(".llvm.123", "").replace(".llvm.77", "");
        let bytes = assemble(&source.replace("show.5", "show"), ARM64);
        let restored = with_source_names(bytes).unwrap();
        assert!(restored.bytes.is_none());
        assert_eq!((restored.names.len(), restored.undefined.len()), (0, 1));
    }

    #[test]
    fn symbols_in_sections_beyond_the_16_bits_of_their_field_are_renamed() {
        let mut source = String::new();
        for section in 0..65_300 {
            let _ = writeln!(source, ".section .data.n{section}, \"aw\"\n.byte 0");
        }
        let before = assemble(&(source + SOURCE), ARM64);
        let after = restored(&before);
        let (old, new) = (Elf::parse(&before).unwrap(), Elf::parse(&after).unwrap());
        assert_eq!(references(&new), references(&old));
        let dir = TestDir::new();
        dir.write("a.o", &after);
        let symbols = dir.run("llvm-readelf", &["-s", "-W", "a.o"]);
        let helper = symbols.lines().find(|line| line.ends_with(" helper"));
        let section = header_index(&after, ".text.helper").to_string();
        let helper = helper.expect("a symbol").split_whitespace();
        assert_eq!(helper.rev().nth(1), Some(section.as_str()));
    }

    fn header_index(bytes: &[u8], name: &str) -> usize {
        let object = object_model::Elf::parse(bytes).expect("an object");
        let section = object.section_by_name(name).expect("a section");
        section.index.0
    }

    #[test]
    fn old_names_do_not_stay_before_the_last_section() {
        let mut bytes = sample();
        // The last section moves behind the string tables.
        let header = header_of(&bytes, ".data.last");
        let end = u64::try_from(bytes.len()).unwrap();
        bytes[header + 24..header + 32].copy_from_slice(&end.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        let after = restored(&bytes);
        assert!(!contains(&after, b".llvm."));
        assert!(contains(&after, b".text.helper\0"));
    }

    #[test]
    fn a_truncated_object_is_refused_wherever_it_ends() {
        let whole = sample();
        for length in 0..whole.len() {
            let said = fault(whole[..length].to_vec());
            assert!(said.starts_with("the "), "{length}: {said}");
        }
    }

    #[test]
    fn faults_are_told_with_their_place() {
        let good = sample();
        let patched = |place: usize, value: u32| {
            let mut bytes = good.clone();
            bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
            fault(bytes)
        };
        let table = header_of(&good, ".data.table");
        assert_eq!(
            patched(table + 32, u32::MAX),
            "the bytes of section .data.table reach beyond the end of the file"
        );
        let symtab = header_of(&good, ".symtab");
        let said = patched(symtab + 44, 999);
        assert!(said.ends_with(", 999 of them local"), "{said}");
        let relocations = header_of(&good, ".rela.data.table");
        let said = patched(relocations + 32, 25);
        assert_eq!(
            said,
            "section .rela.data.table has 25 bytes, which are no whole entries"
        );
        let offset = good[relocations + 24..relocations + 32].try_into().unwrap();
        let first = usize::try_from(u64::from_le_bytes(offset)).unwrap();
        assert_eq!(
            patched(first + 24 + 12, 12_345),
            "relocation 1 of section .rela.data.table refers to symbol 12345, which does not exist"
        );
        let group = header_of(&good, ".group");
        assert_eq!(
            patched(group + 44, 12_345),
            "group .group is named by symbol 12345"
        );
        assert_eq!(
            patched(relocations + 4, 0x7000_0001),
            "section .rela.data.table (type 0x70000001) refers to the symbol table in an unknown way; \
             link it without what makes this section"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn damaged_objects_are_changed_or_refused(
            damages in (flipped_bits(), damaged_words())
        ) {
            static SAMPLES: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
                let targets = TARGETS.iter();
                let all = targets.map(|t| assemble(SOURCE, &format!("--target={}", t.triple)));
                all.collect()
            });
            let (one, other): (Damage, Damage) = damages;
            for damage in [one, other] {
                if let Err(error) = with_source_names(damage.of(&SAMPLES)) {
                    prop_assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}

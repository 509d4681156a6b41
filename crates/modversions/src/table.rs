// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The table of CRCs that the kernel reads when it loads a module: `__kcrctab`, beside `__ksymtab`.
//!
//! The CRC of the export with number n is the entry with number n, so the two must be in one order. Sources:
//! `include/linux/export.h` and `include/asm-generic/export.h` (what an entry holds),
//! `include/asm-generic/vmlinux.lds.h` (the symbols around the tables), `find_exported_symbol_in_section`
//! in `kernel/module.c` (which entry belongs to which).

use object_model::{Elf, Image, ReadError, TableName, TablePart};

use crate::Symvers;

/// The way in which an entry of the table stores its CRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcForm {
    /// The distance to the CRC (`CONFIG_MODULE_REL_CRCS`, up to Linux 5.18).
    Relative,
    /// The CRC itself; in a module it may be the value of a symbol.
    InPlace,
}

/// A table of CRCs that does not give each export the CRC of `Module.symvers`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableFault {
    /// Entries and exports cannot be told to belong together.
    #[error("{crcs} has {found} entries, {exports} has {expected}")]
    Length {
        /// The table of CRCs.
        crcs: &'static str,
        /// The table of exports.
        exports: &'static str,
        /// Entries of the table of exports.
        expected: u64,
        /// Entries of the table of CRCs.
        found: u64,
    },
    /// Modules that use the symbol are refused, or loaded though its type has changed.
    #[error(
        "{crcs} entry {index}: {symbol} has CRC {found}, expected {expected:#010x} of Module.symvers"
    )]
    Crc {
        /// The table of CRCs.
        crcs: &'static str,
        /// The entry, from 0.
        index: usize,
        /// The exported name.
        symbol: String,
        /// The CRC in `Module.symvers`.
        expected: u32,
        /// The CRC in the table, or a substitute text.
        found: String,
    },
    /// The symbols around a table enclose nothing.
    #[error("{0}")]
    Bounds(String),
}

/// Size of an entry of the table of exports, and where in it the distance to the name is, in bytes.
const EXPORT_SIZE: u64 = 12;
const NAME: u64 = 4;
const CRC_SIZE: u64 = 4;

/// The tables of a kind of exports: that of the exports, and that of their CRCs.
macro_rules! tables {
    ($kind:literal) => {
        (
            TableName {
                section: concat!("__ksymtab", $kind),
                start: concat!("__start___ksymtab", $kind),
                stop: concat!("__stop___ksymtab", $kind),
            },
            TableName {
                section: concat!("__kcrctab", $kind),
                start: concat!("__start___kcrctab", $kind),
                stop: concat!("__stop___kcrctab", $kind),
            },
        )
    };
}

const TABLES: [(TableName, TableName); 5] = [
    tables!(""),
    tables!("_gpl"),
    tables!("_unused"),
    tables!("_unused_gpl"),
    tables!("_gpl_future"),
];

/// Compares the tables of CRCs of `file`, a linked kernel or a module whose exports are 32-bit distances,
/// with `symvers`. Returns how many entries were read, and the faults. Names that `symvers` does not know are
/// skipped: other checks report them.
///
/// # Errors
/// Relocations that cannot be read.
pub fn check_table(
    file: &Elf,
    form: CrcForm,
    symvers: &Symvers,
) -> Result<(usize, Vec<TableFault>), ReadError> {
    let image = Image::new(file);
    let mut faults = Vec::new();
    let mut n_entries = 0;
    for (exports, crcs) in TABLES {
        let is_there = |name: &str| !image.symbols.named(name).is_empty();
        if !file.is_relocatable() && !is_there(exports.start) {
            continue;
        }
        let mut part = |table| match image.table(table) {
            Ok(parts) => parts.into_iter().next(),
            Err(reason) => {
                faults.push(TableFault::Bounds(reason));
                None
            }
        };
        let Some(of_exports) = part(exports).filter(|part| part.size > 0) else {
            continue;
        };
        let of_crcs = part(crcs);
        let expected = of_exports.size / EXPORT_SIZE;
        let found = of_crcs.map_or(0, |part| part.size / CRC_SIZE);
        let of_crcs = of_crcs.filter(|_| found == expected);
        let Some(of_crcs) = of_crcs else {
            faults.push(TableFault::Length {
                crcs: crcs.section,
                exports: exports.section,
                expected,
                found,
            });
            continue;
        };
        let names = image.prel32(&of_exports, EXPORT_SIZE, NAME)?;
        let values = values(&image, &of_crcs, form)?;
        for (index, (name, value)) in names.into_iter().zip(values).enumerate() {
            let name = name.and_then(|name| image.string(name));
            let name = name.and_then(|name| std::str::from_utf8(name).ok());
            let Some((symbol, export)) = name.and_then(|name| Some((name, symvers.get(name)?)))
            else {
                continue;
            };
            n_entries += 1;
            if value != Some(export.crc) {
                faults.push(TableFault::Crc {
                    crcs: crcs.section,
                    index,
                    symbol: symbol.to_owned(),
                    expected: export.crc,
                    found: value.map_or("nothing".to_owned(), |value| format!("{value:#010x}")),
                });
            }
        }
    }
    Ok((n_entries, faults))
}

/// Returns the CRCs of a table, in its order.
fn values(image: &Image, table: &TablePart, form: CrcForm) -> Result<Vec<Option<u32>>, ReadError> {
    let word = |section, offset| Some(image.elf.read_unsigned(section, offset, 4)? as u32);
    match form {
        CrcForm::InPlace => {
            // A module may have the CRC as the value of a symbol, `__crc_NAME`.
            let relocations = if image.elf.is_relocatable() {
                image.elf.relocations(table.section.index)?
            } else {
                Vec::new()
            };
            let by_symbol = |offset| {
                let relocation = relocations.iter().find(|found| found.offset == offset)?;
                Some(
                    image
                        .target(relocation)
                        .and_then(|crc| u32::try_from(crc).ok()),
                )
            };
            let offsets = (0..table.size / CRC_SIZE).map(|index| table.offset + index * CRC_SIZE);
            Ok(offsets
                .map(|offset| by_symbol(offset).unwrap_or_else(|| word(table.section, offset)))
                .collect())
        }
        CrcForm::Relative => {
            let places = image.prel32(table, CRC_SIZE, 0)?;
            let value = |address: u64| {
                let section = image.section_at(address)?;
                word(section, address - image.base(section))
            };
            Ok(places.into_iter().map(|place| value(place?)).collect())
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the CRCs in built files: those that a file exports, and those that a module expects.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use object_model::Elf;

use crate::Symvers;
use crate::collect::{crc_symbols, native_crc};

/// The section with the CRCs that a module expects. Source: `struct modversion_info` in
/// `include/linux/module.h`: an `unsigned long` and a name, 64 bytes together.
const BASIC: &str = "__versions";
const BASIC_SIZE: usize = 64;
/// The form for longer names, in two sections, since Linux 6.14: 32-bit CRCs, and names that end with a
/// zero. Source: `add_extended_versions` in `scripts/mod/modpost.c`.
const EXTENDED_CRCS: &str = "__version_ext_crcs";
const EXTENDED_NAMES: &str = "__version_ext_names";

/// A CRC in a built file that is not the one in `Module.symvers`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionFault {
    /// The file has another CRC, so a module that uses the symbol cannot be loaded.
    #[error("exports {symbol} with CRC {found:#010x}, expected {expected:#010x} of Module.symvers")]
    Exported {
        /// The exported name.
        symbol: String,
        /// The CRC in `Module.symvers`.
        expected: u32,
        /// The CRC in the file.
        found: u32,
    },
    /// An export has no CRC, although other exports of the file have one.
    #[error("exports {symbol} without a CRC, expected {expected:#010x} of Module.symvers")]
    NotExported {
        /// The exported name.
        symbol: String,
        /// The CRC in `Module.symvers`.
        expected: u32,
    },
    /// The file has no symbol for any CRC, so they cannot be compared.
    #[error(
        "has no __crc_ symbol, and Module.symvers names {n_exports} exports of it; run make again"
    )]
    NoSymbols {
        /// Exports of the file in `Module.symvers`.
        n_exports: usize,
    },
    /// `Module.symvers` lacks an export.
    #[error(
        "exports {symbol} with CRC {found:#010x}, which Module.symvers does not name; run make again"
    )]
    Unlisted {
        /// The exported name.
        symbol: String,
        /// The CRC in the file.
        found: u32,
    },
    /// Module.symvers belongs to another build, or the file is not at the path where it was built.
    #[error(
        "has {n_crcs} CRCs of exported symbols, the first of {symbol}, and Module.symvers names no \
         export of {exporter}; give the Module.symvers of this build and the file at its place in \
         the object tree"
    )]
    UnknownExporter {
        /// The number of CRCs in the file.
        n_crcs: usize,
        /// The first of the exported names, in byte order.
        symbol: String,
        /// The name that was looked up.
        exporter: String,
    },
    /// The module expects another CRC, so it will not be loaded.
    #[error(
        "{section}: expects {symbol} with CRC {found:#010x}, and {exporter} exports it with \
         {expected:#010x}"
    )]
    Used {
        /// The section with the expectation.
        section: &'static str,
        /// The symbol that the module uses.
        symbol: String,
        /// The exporter.
        exporter: String,
        /// The CRC of the export.
        expected: u32,
        /// The CRC that the module expects.
        found: u32,
    },
    /// The module has no CRC for a symbol, so it cannot be loaded, or will be loaded unchecked.
    #[error("uses {symbol} of {exporter}, and expects no CRC of it")]
    Unchecked {
        /// The symbol that the module uses.
        symbol: String,
        /// The exporter.
        exporter: String,
    },
    /// The module expects a symbol that nothing exports.
    #[error("{section}: expects {symbol}, which nobody exports")]
    Unknown {
        /// The section with the expectation.
        section: &'static str,
        /// The name.
        symbol: String,
    },
    /// The section has a wrong form.
    #[error("{section}: {reason}")]
    Malformed {
        /// The section.
        section: &'static str,
        /// The fault.
        reason: String,
    },
}

/// Compares the CRCs that `file`, a linked kernel or a module, exports with those of `symvers`,
/// which calls the file `exporter` (see [`crate::Exporters`]). Returns the number of CRCs, and the
/// faults.
pub fn check_exports(file: &Elf, exporter: &str, symvers: &Symvers) -> (usize, Vec<VersionFault>) {
    let found: BTreeMap<&str, Option<u64>> = crc_symbols(file.symbols())
        .map(|(name, symbol)| (name, native_crc(file, symbol)))
        .collect();
    let mut faults = Vec::new();
    let exports = || {
        let all = symvers.iter();
        all.filter(|(_, export)| export.exporter == exporter)
    };
    if found.is_empty() {
        let n_exports = exports().count();
        if n_exports > 0 {
            faults.push(VersionFault::NoSymbols { n_exports });
        }
        return (0, faults);
    }
    let mut exports = exports().peekable();
    if exports.peek().is_none() {
        let mut set = found.iter().filter(|(_, crc)| crc.is_some());
        if let Some((symbol, _)) = set.next() {
            faults.push(VersionFault::UnknownExporter {
                n_crcs: set.count() + 1,
                symbol: (*symbol).to_owned(),
                exporter: exporter.to_owned(),
            });
        }
        return (0, faults);
    }
    let mut n_crcs = 0;
    for (symbol, export) in exports {
        let (symbol, expected) = (symbol.to_owned(), export.crc);
        match found.get(symbol.as_str()).copied().flatten() {
            None => faults.push(VersionFault::NotExported { symbol, expected }),
            Some(found) if found as u32 != expected => faults.push(VersionFault::Exported {
                symbol,
                expected,
                found: found as u32,
            }),
            Some(_) => n_crcs += 1,
        }
    }
    for (symbol, crc) in found {
        if let Some(crc) = crc.filter(|_| symvers.get(symbol).is_none()) {
            faults.push(VersionFault::Unlisted {
                symbol: symbol.to_owned(),
                found: crc as u32,
            });
        }
    }
    (n_crcs, faults)
}

/// Compares the CRCs that `module` expects with those of `symvers`. Returns the number of CRCs, and the
/// faults.
pub fn check_uses(module: &Elf, symvers: &Symvers) -> (usize, Vec<VersionFault>) {
    let mut faults = Vec::new();
    let mut n_crcs = 0;
    let mut known = BTreeSet::new();
    for (section, expected) in [
        (BASIC, basic(module, &mut faults)),
        (EXTENDED_CRCS, extended(module, &mut faults)),
    ] {
        for (symbol, found) in expected {
            known.insert(symbol);
            n_crcs += 1;
            match symvers.get(symbol) {
                Some(export) if export.crc == found => {}
                Some(export) => faults.push(VersionFault::Used {
                    section,
                    symbol: symbol.to_owned(),
                    exporter: export.exporter.clone(),
                    expected: export.crc,
                    found,
                }),
                None => faults.push(VersionFault::Unknown {
                    section,
                    symbol: symbol.to_owned(),
                }),
            }
        }
    }
    // Names that are too long for the first section are left out of it.
    let longest = BASIC_SIZE - size_of_long(module) - 1;
    let has_extended = module.section_by_name(EXTENDED_CRCS).is_some();
    for symbol in module.symbols().iter().filter(|s| s.is_undefined()) {
        let Some(export) = symvers.get(symbol.name) else {
            continue;
        };
        let fits = has_extended || symbol.name.len() <= longest;
        if fits && !known.contains(symbol.name) {
            faults.push(VersionFault::Unchecked {
                symbol: symbol.name.to_owned(),
                exporter: export.exporter.clone(),
            });
        }
    }
    (n_crcs, faults)
}

fn size_of_long(file: &Elf) -> usize {
    if file.is_64() { 8 } else { 4 }
}

fn basic<'data>(module: &Elf<'data>, faults: &mut Vec<VersionFault>) -> Vec<(&'data str, u32)> {
    let Some(section) = module.section_by_name(BASIC) else {
        return Vec::new();
    };
    let size_of_long = size_of_long(module);
    if section.data.len() % BASIC_SIZE != 0 {
        faults.push(malformed(
            BASIC,
            "is not a multiple of the entry size, 64 bytes",
        ));
    }
    let mut expected = Vec::new();
    for (index, entry) in section.data.chunks_exact(BASIC_SIZE).enumerate() {
        let crc = module.read_unsigned(section, (index * BASIC_SIZE) as u64, size_of_long);
        let name = entry.get(size_of_long..).and_then(until_zero);
        match name.zip(crc) {
            Some((name, crc)) => expected.push((name, crc as u32)),
            None => faults.push(malformed(BASIC, &format!("entry {index} has no name"))),
        }
    }
    expected
}

fn extended<'data>(module: &Elf<'data>, faults: &mut Vec<VersionFault>) -> Vec<(&'data str, u32)> {
    let crcs = module.section_by_name(EXTENDED_CRCS);
    let names = module.section_by_name(EXTENDED_NAMES);
    let (Some(crcs), Some(names)) = (crcs, names) else {
        return Vec::new();
    };
    let mut rest = names.data;
    let mut expected = Vec::new();
    for index in 0..crcs.data.len() / 4 {
        let crc = module.read_unsigned(crcs, index as u64 * 4, 4);
        let Some((name, crc)) = until_zero(rest).zip(crc) else {
            let reason = format!("has no name for entry {index} of {EXTENDED_CRCS}");
            faults.push(malformed(EXTENDED_NAMES, &reason));
            return expected;
        };
        expected.push((name, crc as u32));
        rest = rest.get(name.len() + 1..).unwrap_or_default();
    }
    // The text in C ends with an additional zero, and sections are padded.
    if rest.iter().any(|byte| *byte != 0) {
        let reason = format!("has more names than {EXTENDED_CRCS} has entries");
        faults.push(malformed(EXTENDED_NAMES, &reason));
    }
    expected
}

fn malformed(section: &'static str, reason: &str) -> VersionFault {
    VersionFault::Malformed {
        section,
        reason: reason.to_owned(),
    }
}

/// Returns the name at the start of `bytes`, up to a zero.
fn until_zero(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let name = std::str::from_utf8(bytes.get(..end)?).ok()?;
    (!name.is_empty()).then_some(name)
}

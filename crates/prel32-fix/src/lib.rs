// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! PREL32 tables: arrays of 32-bit offsets, each from its own place to what it refers to.
//!
//! Their entries are written in assembly that names a function, and LTO renames functions without
//! looking into assembly. The headers that this plugin installs let entries name stubs that keep
//! their names; here is the check that every entry still resolves to the start of what it should.
//!
//! **Invariant:** knows tables and symbols of one ELF file.
//!
//! Sources: `include/asm-generic/vmlinux.lds.h` (which symbols stand around which table),
//! `include/linux/init.h`, `include/linux/pci.h`, `include/linux/export.h`,
//! `include/linux/jump_label.h`, `include/linux/static_call_types.h`, `include/linux/tracepoint.h`
//! (what an entry holds), of Linux 5.10 to 6.12.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod exports;
mod jump_labels;
mod linked;
mod names;
mod relocatable;

use std::collections::BTreeMap;

use object_model::{Elf, ReadError, Symbol, SymbolKind};

pub use linked::tables;
pub use names::source_name;

/// A table of a linked kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What it is: `initcall 6`, `pci_fixup final`, `ksymtab_gpl`.
    pub name: String,
    /// What its entries refer to.
    pub points_to: PointsTo,
    /// Its entries in table order.
    pub entries: Vec<Entry>,
}

/// What the entries of a table refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointsTo {
    /// The start of a function or object.
    Start,
    /// Any place in code.
    Code,
}

/// One entry of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Address of the entry.
    pub address: u64,
    /// Address that it refers to.
    pub target: u64,
    /// The symbol that begins there, as it is called in this file; functions before data.
    pub symbol: Option<String>,
    /// Whether it is in code.
    pub is_code: bool,
}

impl Entry {
    /// The name that the entry's function or object has in the source: stubs and the suffixes of
    /// LTO taken off.
    pub fn source_name(&self) -> Option<&str> {
        self.symbol.as_deref().map(source_name)
    }
}

/// An entry that does not resolve to what it should.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// In a linked file: it points into the middle of something, or nowhere.
    #[error(
        "{table} entry {index} at {address:#x}: expected the start of a function, found {target:#x}, where none starts"
    )]
    NoStart {
        /// The table.
        table: String,
        /// Which entry, from 0.
        index: usize,
        /// Where the entry is.
        address: u64,
        /// What it refers to.
        target: u64,
    },
    /// In a linked file: the kernel would patch something that is no instruction.
    #[error("{table} entry {index} at {address:#x}: expected a place in code, found {target:#x}")]
    NoCode {
        /// The table.
        table: String,
        /// Which entry, from 0.
        index: usize,
        /// Where the entry is.
        address: u64,
        /// What it refers to.
        target: u64,
    },
    /// In a relocatable object: the same.
    #[error("section {section} at {offset:#x}: expected a place in code, found {found}")]
    NoCodeRelocation {
        /// The section of the table.
        section: String,
        /// Where in it the entry is.
        offset: u64,
        /// What the relocation refers to.
        found: String,
    },
    /// In a relocatable object: it points into the middle of something.
    #[error(
        "section {section} at {offset:#x}: expected a relocation to the start of a function, found {found}"
    )]
    NoStartRelocation {
        /// The section of the table.
        section: String,
        /// Where in it the entry is.
        offset: u64,
        /// What the relocation refers to.
        found: String,
    },
    /// In a linked file: it does not refer to what it does in another build of the kernel.
    #[error("{table} entry {index} at {address:#x}: expected {expected}, found {found}")]
    Other {
        /// The table.
        table: String,
        /// Which entry, from 0.
        index: usize,
        /// Where the entry is.
        address: u64,
        /// The source name of what it refers to in the other build.
        expected: String,
        /// The same in this build.
        found: String,
    },
    /// In a linked file: it has not as many entries as in another build of the kernel.
    #[error("{table}: expected {expected} entries, found {found}")]
    Length {
        /// The table.
        table: String,
        /// Entries in the other build.
        expected: usize,
        /// Entries in this one.
        found: usize,
    },
    /// An export that gives modules something else.
    #[error("the entry of {export} in the table of exports leads to {found}")]
    Export {
        /// The exported name.
        export: String,
        /// What the entry refers to.
        found: String,
    },
    /// An export that the module loader finds by another name.
    #[error("the entry of {export} in the table of exports has the name {found}")]
    ExportName {
        /// The exported name.
        export: String,
        /// The string that the entry refers to.
        found: String,
    },
    /// A jump label that the kernel would patch wrongly.
    #[error(
        "jump label entry {index}: at {place} expected a no-op or a jump to its target, found {found}"
    )]
    JumpLabel {
        /// Which entry, from 0; of its section in a relocatable object.
        index: usize,
        /// Where the instruction is.
        place: String,
        /// What is wrong there.
        found: String,
    },
    /// The symbols around the table do not enclose one.
    #[error("table {table}: {reason}")]
    Bounds {
        /// The table.
        table: String,
        /// The fault.
        reason: String,
    },
}

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tables, or in a relocatable object sections, with entries.
    pub n_tables: usize,
    /// Entries in all of them.
    pub n_entries: usize,
}

/// Checks every PREL32 table of `elf`, a relocatable object or a linked kernel: entries lead to the
/// start of something, or into code; those of exports to the symbol that their label names; those of
/// jump labels to an instruction that the kernel may patch.
///
/// # Errors
/// Relocations that cannot be read, and a kernel without symbols, whose tables nobody can find.
pub fn check(elf: &Elf) -> Result<(Report, Vec<Fault>), ReadError> {
    let (report, mut faults) = if elf.is_relocatable() {
        relocatable::check(elf)?
    } else {
        check_linked(elf)?
    };
    faults.extend(exports::check(elf)?);
    faults.extend(jump_labels::check(elf)?);
    Ok((report, faults))
}

fn check_linked(elf: &Elf) -> Result<(Report, Vec<Fault>), ReadError> {
    if !elf.has_symbol_table() {
        return Err(ReadError::ElfContent("no symbol table".into()));
    }
    let (tables, mut faults) = tables(elf);
    let mut report = Report::default();
    for table in &tables {
        report.n_tables += 1;
        report.n_entries += table.entries.len();
        for (index, entry) in table.entries.iter().enumerate() {
            let (address, target) = (entry.address, entry.target);
            let table_name = || table.name.clone();
            match table.points_to {
                PointsTo::Start if entry.symbol.is_none() => faults.push(Fault::NoStart {
                    table: table_name(),
                    index,
                    address,
                    target,
                }),
                PointsTo::Code if !entry.is_code => faults.push(Fault::NoCode {
                    table: table_name(),
                    index,
                    address,
                    target,
                }),
                PointsTo::Start | PointsTo::Code => {}
            }
        }
    }
    Ok((report, faults))
}

/// In what the PCI fixups of the linked kernel `elf` differ from those of `reference`, the same
/// kernel built without LTO, by the names of the source. Their stubs lie side by side, so that an
/// entry that is off by one still points to the start of a function.
///
/// An entry that points to no start is left to [`check`].
pub fn differences(elf: &Elf, reference: &Elf) -> Vec<Fault> {
    let fixups = |elf| {
        let tables = linked::pci_fixups(elf).into_iter();
        tables
            .map(|table| (table.name, table.entries))
            .collect::<BTreeMap<_, _>>()
    };
    let (mut found, expected) = (fixups(elf), fixups(reference));
    for table in expected.keys() {
        found.entry(table.clone()).or_default();
    }
    let mut faults = Vec::new();
    for (table, entries) in found {
        let expected = expected.get(&table).map_or(&[][..], Vec::as_slice);
        if entries.len() != expected.len() {
            faults.push(Fault::Length {
                table,
                expected: expected.len(),
                found: entries.len(),
            });
            continue;
        }
        for (index, (entry, expected)) in entries.iter().zip(expected).enumerate() {
            if let (Some(found), Some(expected)) = (entry.source_name(), expected.source_name())
                && found != expected
            {
                faults.push(Fault::Other {
                    table: table.clone(),
                    index,
                    address: entry.address,
                    expected: expected.into(),
                    found: found.into(),
                });
            }
        }
    }
    faults
}

/// Of the symbols at one place, the one that names what begins there: a stub before a function
/// before data; assembly labels count. A [`SymbolMap`](object_model::SymbolMap) has no mapping
/// symbols (`$x`), which would name nothing.
fn best<'elf, 'data>(symbols: &[&'elf Symbol<'data>]) -> Option<&'elf Symbol<'data>> {
    let rank = |symbol: &Symbol| match symbol.kind {
        _ if names::is_stub(symbol.name) => 0,
        SymbolKind::Function | SymbolKind::IndirectFunction => 1,
        SymbolKind::Data => 2,
        SymbolKind::Unknown | SymbolKind::Section | SymbolKind::File => 3,
    };
    let named = symbols.iter().filter(|symbol| !symbol.name.is_empty());
    named
        .copied()
        .min_by_key(|symbol| (rank(symbol), symbol.index))
}

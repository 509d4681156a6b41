// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks PREL32 tables: arrays of 32-bit offsets, each from its own place to its target.
//!
//! Their entries are assembly that names a function, and LTO renames functions without changing
//! assembly. The headers that this plugin installs let entries name stubs that keep their names; this
//! crate checks that every entry resolves to the start of a function or object.
//!
//! **Invariant:** knows tables and symbols of one ELF file.
//!
//! Sources: `include/asm-generic/vmlinux.lds.h` (the symbols around each table),
//! `include/linux/init.h`, `include/linux/pci.h`, `include/linux/export.h`,
//! `include/linux/jump_label.h`, `include/linux/static_call_types.h`, `include/linux/tracepoint.h`
//! (the form of entries), of Linux 5.10 to 6.12.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod exports;
mod jump_labels;
mod linked;
mod names;
mod relocatable;

use std::collections::BTreeMap;

use object_model::{Elf, Image, ReadError, Symbol, SymbolKind};

pub use linked::{lost, tables};
pub use names::source_name;

/// A table of a linked kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name: `initcall 6`, `pci_fixup final`, `ksymtab_gpl`.
    pub name: String,
    /// The kind of target of its entries.
    pub points_to: PointsTo,
    /// Its entries in table order.
    pub entries: Vec<Entry>,
}

/// The kind of target of the entries of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointsTo {
    /// The start of a function or object.
    Start,
    /// A place in code.
    Code,
}

/// One entry of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Address of the entry.
    pub address: u64,
    /// Address that it refers to.
    pub target: u64,
    /// The symbol that begins there, by its name in this file; functions are preferred to data.
    pub symbol: Option<String>,
    /// Whether it is in code.
    pub is_code: bool,
}

impl Entry {
    /// Returns the source name of the entry's function or object, without stubs and the suffixes of LTO.
    pub fn source_name(&self) -> Option<&str> {
        self.symbol.as_deref().map(source_name)
    }
}

/// A fault of a table or of an entry.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An entry of a linked file does not point to the start of a symbol.
    #[error(
        "{table} entry {index} at {address:#x}: expected the start of a function, found {target:#x}, where none starts"
    )]
    NoStart {
        /// The table.
        table: String,
        /// The number of the entry, counted from 0.
        index: usize,
        /// The address of the entry.
        address: u64,
        /// The address that it refers to.
        target: u64,
    },
    /// An entry of a linked file does not point into code, so the kernel would patch data.
    #[error("{table} entry {index} at {address:#x}: expected a place in code, found {target:#x}")]
    NoCode {
        /// The table.
        table: String,
        /// The number of the entry, counted from 0.
        index: usize,
        /// The address of the entry.
        address: u64,
        /// The address that it refers to.
        target: u64,
    },
    /// An entry of a relocatable object does not point into code.
    #[error("section {section} at {offset:#x}: expected a place in code, found {found}")]
    NoCodeRelocation {
        /// The section of the table.
        section: String,
        /// The offset of the entry in the section.
        offset: u64,
        /// The target of the relocation.
        found: String,
    },
    /// An entry of a relocatable object does not point to the start of a symbol.
    #[error(
        "section {section} at {offset:#x}: expected a relocation to the start of a function, found {found}"
    )]
    NoStartRelocation {
        /// The section of the table.
        section: String,
        /// The offset of the entry in the section.
        offset: u64,
        /// The target of the relocation.
        found: String,
    },
    /// An entry of a linked file has another target than in another build of the kernel.
    #[error("{table} entry {index} at {address:#x}: expected {expected}, found {found}")]
    Other {
        /// The table.
        table: String,
        /// The number of the entry, counted from 0.
        index: usize,
        /// The address of the entry.
        address: u64,
        /// The source name of its target in the other build.
        expected: String,
        /// The same in this build.
        found: String,
    },
    /// A table of a linked file has another number of entries than in another build of the kernel.
    #[error("{table}: expected {expected} entries, found {found}")]
    Length {
        /// The table.
        table: String,
        /// Entries in the other build.
        expected: usize,
        /// Entries in this one.
        found: usize,
    },
    /// The linked kernel has fewer entries than the vmlinux.o that it was linked from.
    #[error(
        "{table}: vmlinux.o has {expected} entries, and the tables of the linked kernel have {found}"
    )]
    Lost {
        /// The table.
        table: String,
        /// Entries in vmlinux.o.
        expected: u64,
        /// Entries that were found.
        found: u64,
    },
    /// The entry of an export leads to another symbol.
    #[error("the entry of {export} in the table of exports leads to {found}")]
    Export {
        /// The exported name.
        export: String,
        /// The target of the entry.
        found: String,
    },
    /// The entry of an export leads to another name.
    #[error("the entry of {export} in the table of exports has the name {found}")]
    ExportName {
        /// The exported name.
        export: String,
        /// The string that the entry refers to.
        found: String,
    },
    /// The kernel would patch a jump label wrongly.
    #[error(
        "jump label entry {index}: at {place} expected a no-op or a jump to its target, found {found}"
    )]
    JumpLabel {
        /// The number of the entry, counted from 0; in a relocatable object, within its section.
        index: usize,
        /// The place of the instruction.
        place: String,
        /// The fault.
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

/// The numbers of what was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of tables with entries; in a relocatable object, of sections.
    pub n_tables: usize,
    /// The number of entries in all of them.
    pub n_entries: usize,
}

/// Checks every PREL32 table of `elf`, a relocatable object or a linked kernel. Entries must lead
/// to the start of a symbol, or into code; those of exports to the symbol that their label names;
/// those of jump labels to an instruction that the kernel may patch.
///
/// # Errors
/// The relocations cannot be read, or the kernel has no symbols, so its tables cannot be found.
pub fn check(elf: &Elf) -> Result<(Report, Vec<Fault>), ReadError> {
    let (report, mut faults) = if elf.is_relocatable() {
        relocatable::check(elf)?
    } else {
        check_linked(elf)?
    };
    let image = Image::new(elf);
    faults.extend(exports::check(&image)?);
    faults.extend(jump_labels::check(&image)?);
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

/// Returns the differences between the PCI fixups of the linked kernel `elf` and those of `reference`, the
/// same kernel built without LTO, by their names in the source. Their stubs lie side by side, so an entry
/// that is off by one still points to the start of a function.
///
/// [`check`] reports entries that do not point to a start.
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

/// Returns the best name among the symbols at one place: a stub, else a function, else data; assembly
/// labels count. A [`SymbolMap`](object_model::SymbolMap) has no mapping symbols (`$x`), which are not
/// names.
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

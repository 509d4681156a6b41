// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the tables of a relocatable object, by their sections.

use object_model::{Definition, Elf, ReadError, Relocation, Section, SymbolKind, SymbolMap};

use crate::{Fault, PointsTo, Report, best};

/// Sections whose relocations are entries: prefix of the name, size of an entry, place of the relocation
/// in the entry, in bytes, and its kind of target.
const TABLES: [(&str, u64, u64, PointsTo); 10] = [
    (".initcall", 4, 0, PointsTo::Start),
    (".con_initcall", 4, 0, PointsTo::Start),
    (".pci_fixup_", 16, 12, PointsTo::Start),
    ("___ksymtab", 12, 0, PointsTo::Start),
    ("__ksymtab", 12, 0, PointsTo::Start),
    ("__tracepoints_ptrs", 4, 0, PointsTo::Start),
    ("__jump_table", 16, 0, PointsTo::Code),
    ("__jump_table", 16, 4, PointsTo::Code),
    (".static_call_sites", 8, 0, PointsTo::Code),
    (".static_call_tramp_key", 8, 0, PointsTo::Start),
];

pub(crate) fn check(elf: &Elf) -> Result<(Report, Vec<Fault>), ReadError> {
    let symbols = elf.symbol_map();
    let mut report = Report::default();
    let mut faults = Vec::new();
    for section in elf
        .sections()
        .iter()
        .filter(|section| section.is_allocated())
    {
        let tables: Vec<_> = TABLES
            .iter()
            .filter(|(prefix, ..)| section.name.starts_with(prefix))
            .collect();
        if tables.is_empty() || section.name.starts_with("__ksymtab_strings") {
            continue;
        }
        let relocations = elf.relocations(section.index)?;
        for (_, stride, at, points_to) in tables {
            let entries: Vec<_> = relocations
                .iter()
                .filter(|entry| entry.offset % stride == *at)
                .collect();
            if !entries.is_empty() {
                report.n_tables += 1;
                report.n_entries += entries.len();
            }
            let entries = entries.into_iter();
            faults.extend(entries.filter_map(|entry| match points_to {
                PointsTo::Start => fault(elf, &symbols, section, entry),
                PointsTo::Code => code_fault(elf, section, entry),
            }));
        }
    }
    Ok((report, faults))
}

fn fault(elf: &Elf, symbols: &SymbolMap, section: &Section, entry: &Relocation) -> Option<Fault> {
    let report = |found: String| {
        let section = section.name.to_owned();
        Some(Fault::NoStartRelocation {
            section,
            offset: entry.offset,
            found,
        })
    };
    let Some(symbol) = entry.symbol.and_then(|index| elf.symbol(index)) else {
        return report("a relocation without a symbol".into());
    };
    // With SHT_REL the table itself contains the addend.
    let in_place = || {
        let word = elf.read_unsigned(section, entry.offset, 4)?;
        Some(i64::from((word as u32).cast_signed()))
    };
    let addend = entry.addend.or_else(in_place).unwrap_or_default();
    if symbol.definition == Definition::Undefined {
        return match addend {
            0 => None,
            _ => report(format!("{} + {addend:#x}", symbol.name)),
        };
    }
    let target = symbol.value.wrapping_add_signed(addend);
    let found = symbol
        .section
        .and_then(|section| best(symbols.at(section, target)));
    if found.is_some() {
        return None;
    }
    let base = match symbol.kind {
        SymbolKind::Section => symbol.section_name.unwrap_or("a section"),
        _ => symbol.name,
    };
    report(format!("{base} + {addend:#x}"))
}

/// Returns the fault of an entry that does not refer to code.
fn code_fault(elf: &Elf, section: &Section, entry: &Relocation) -> Option<Fault> {
    let symbol = entry.symbol.and_then(|index| elf.symbol(index));
    let target = symbol.and_then(|symbol| elf.section(symbol.section?));
    if target.is_some_and(Section::is_executable) {
        return None;
    }
    let found = symbol.map_or("a relocation without a symbol", |symbol| {
        symbol.section_name.unwrap_or(symbol.name)
    });
    Some(Fault::NoCodeRelocation {
        section: section.name.to_owned(),
        offset: entry.offset,
        found: found.to_owned(),
    })
}

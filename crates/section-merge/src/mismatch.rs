// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds references from code or data that stay in memory to init code or data.
//!
//! modpost finds them by the names of sections. Under LTO each function has a separate section,
//! `.text.foo`, which modpost of Linux before 6.0 does not recognize as code, and each variable one that
//! no version recognizes as data; so all its warnings are lost. Here a split section counts as the one it
//! was split from.
//!
//! The wrong and the allowed references are those of `sectioncheck` and `secref_whitelist` in
//! `scripts/mod/modpost.c` of Linux 5.10 and 6.12. A reference that either version allows is allowed.

use std::collections::BTreeSet;

use object_model::{Elf, ReadError, Section, Symbol, SymbolKind, SymbolMap, source_name};

use crate::names::is_named_after;

/// Sections of code that stays, by name; further names begin with `.text.`.
const TEXT: [&str; 6] = [
    ".text",
    ".sched.text",
    ".kprobes.text",
    ".cpuidle.text",
    ".noinstr.text",
    ".ltext",
];
/// Sections of data that stays, by name.
const DATA: [&str; 2] = [".data", ".data.rel"];
/// The sections that others are split from.
const SPLIT_DATA: [&str; 2] = [".data.rel.", ".data."];
/// Names of variables that may refer to freed code or data: drivers' tables, which are used before.
const ALLOWED_DATA: [&str; 7] = [
    "_template",
    "_timer",
    "_sht",
    "_ops",
    "_probe",
    "_probe_one",
    "_console",
];
/// The same for code and data that is freed only when a module is removed.
const ALLOWED_DATA_TO_EXIT: &str = "driver";
/// Symbols of which only the address is used.
const BOUNDARIES: [&str; 3] = ["__init_begin", "_sinittext", "_einittext"];

/// A reference from code or data that stays to code or data that is freed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error(
    "{from} in {from_section} refers to {to} in {to_section}: expected no reference from there to \
     init code or data"
)]
pub struct Mismatch {
    /// The function or variable that has the reference, or `?`.
    pub from: String,
    /// Its section.
    pub from_section: String,
    /// The function or variable that it refers to, or `?`.
    pub to: String,
    /// Its section.
    pub to_section: String,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatches {
    /// The number of references from code and data that stay.
    pub n_references: usize,
    /// The wrong references, each pair of names once.
    pub faults: Vec<Mismatch>,
}

/// The time at which a section is freed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Freed {
    AfterStart,
    WithModule,
}

fn freed(section: &str) -> Option<Freed> {
    if section.starts_with(".init.") || section.starts_with(".meminit.") {
        Some(Freed::AfterStart)
    } else if section.starts_with(".exit.") || section.starts_with(".memexit.") {
        Some(Freed::WithModule)
    } else {
        None
    }
}

/// The kind of a section that stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Text,
    Data,
    Export,
}

/// Finds the references of the relocatable object `object` (a module, or vmlinux.o) from code and
/// data that stay to code and data that are freed.
///
/// # Errors
/// The relocations cannot be read.
pub fn mismatches(object: &Elf) -> Result<Mismatches, ReadError> {
    let symbols = object.symbol_map();
    // Most relocations refer to sections that are not freed.
    let is_freed: Vec<bool> = object
        .symbols()
        .iter()
        .map(|symbol| symbol.section_name.and_then(freed).is_some())
        .collect();
    let mut n_references = 0;
    let mut faults = BTreeSet::new();
    for section in object.sections().iter().filter(|s| s.is_allocated()) {
        let Some(kept) = kept(section, &symbols) else {
            continue;
        };
        let relocations = object.relocations(section.index)?;
        n_references += relocations.len();
        for relocation in relocations {
            let Some(symbol) = relocation.symbol.and_then(|index| object.symbol(index)) else {
                continue;
            };
            let position = symbol.index.0.wrapping_sub(1);
            if is_freed.get(position) != Some(&true) {
                continue;
            }
            let from = name_before(object, &symbols, section, relocation.offset);
            let to = referred(object, &symbols, symbol, relocation.addend);
            let to_section = symbol.section_name.unwrap_or_default();
            if is_allowed(kept, from, to, to_section) {
                continue;
            }
            faults.insert(Mismatch {
                from: from.unwrap_or("?").to_owned(),
                from_section: section.name.to_owned(),
                to: to.unwrap_or("?").to_owned(),
                to_section: to_section.to_owned(),
            });
        }
    }
    Ok(Mismatches {
        n_references,
        faults: faults.into_iter().collect(),
    })
}

/// Returns whether `section` is freed after boot, or when a module is removed.
pub fn is_freed(section: &str) -> bool {
    freed(section).is_some()
}

/// Returns whether `section`, which has code, stays in memory and must not refer to freed code or data.
pub fn is_staying_code(section: &str) -> bool {
    TEXT.contains(&section) || section.starts_with(".text.") || section.starts_with(".ltext.")
}

/// Returns the kind of the section if it stays in memory.
fn kept(section: &Section, symbols: &SymbolMap) -> Option<Kept> {
    let name = section.name;
    if is_staying_code(name) {
        return Some(Kept::Text);
    }
    if name.starts_with("___ksymtab") {
        return Some(Kept::Export);
    }
    let is_split = || {
        let suffix = SPLIT_DATA
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        // Names with two dots are the kernel's own.
        suffix
            .filter(|suffix| !suffix.starts_with('.'))
            .is_some_and(|suffix| {
                let mut within = symbols.in_section(section.index).iter();
                within.any(|symbol| is_named_after(suffix, symbol.name))
            })
    };
    (DATA.contains(&name) || is_split()).then_some(Kept::Data)
}

/// Returns the function or variable that contains the place.
fn name_before<'data>(
    object: &Elf<'data>,
    symbols: &SymbolMap<'_, 'data>,
    section: &Section,
    offset: u64,
) -> Option<&'data str> {
    let symbols = symbols.in_section(section.index);
    let behind = symbols.partition_point(|symbol| symbol.value <= offset);
    let mut before = symbols.get(..behind)?.iter().rev();
    let is_name = |symbol: &&&Symbol| match symbol.kind {
        SymbolKind::Function | SymbolKind::IndirectFunction => object.is_function(symbol),
        SymbolKind::Data | SymbolKind::Unknown => !symbol.name.is_empty(),
        SymbolKind::Section | SymbolKind::File => false,
    };
    before.find(is_name).map(|symbol| symbol.name)
}

/// Returns the function or variable that a relocation to `symbol` refers to.
pub(crate) fn referred<'data>(
    object: &Elf<'data>,
    symbols: &SymbolMap<'_, 'data>,
    symbol: &Symbol<'data>,
    addend: Option<i64>,
) -> Option<&'data str> {
    if symbol.kind != SymbolKind::Section {
        return Some(symbol.name);
    }
    let section = object.section(symbol.section?)?;
    let offset = symbol.value.wrapping_add_signed(addend.unwrap_or_default());
    name_before(object, symbols, section, offset)
}

fn is_allowed(kept: Kept, from: Option<&str>, to: Option<&str>, to_section: &str) -> bool {
    let from = source_name(from.unwrap_or_default());
    let is_data_for_start = [".init.setup", ".init.rodata", ".init.data"].contains(&to_section)
        || to_section.starts_with(".meminit.");
    to.is_some_and(|to| BOUNDARIES.contains(&to))
        || kept == Kept::Data
            && (ALLOWED_DATA.iter().any(|end| from.ends_with(end))
                || is_data_for_start && from.starts_with("__param")
                || to_section == ".init.text" && from.starts_with("__param_ops_")
                || freed(to_section) == Some(Freed::WithModule)
                    && from.ends_with(ALLOWED_DATA_TO_EXIT))
}

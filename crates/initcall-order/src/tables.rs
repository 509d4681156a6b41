// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The tables of initcalls that a linked kernel runs through.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use object_model::{Elf, Image, ReadError, Symbol, TableName, source_name};

use crate::Initcalls;
use crate::initcall::{Initcall, MARK};

/// What the name of a stub begins with, which calls an initcall and keeps its name under LTO; the
/// rest of it is that of the initcall's label. Source: `__initcall_stub` in `include/linux/init.h`
/// of Linux 5.12 and later.
const STUB: &str = "__initstub__";

/// Levels and the symbols around their tables, in the order in which they stand in memory; the
/// table of a level ends with the initcalls of its `_sync` form. Source: `INIT_CALLS` and
/// `CON_INITCALL` in `include/asm-generic/vmlinux.lds.h`.
const TABLES: [(&str, &str, &str); 11] = [
    ("early", "__initcall_start", "__initcall0_start"),
    ("0", "__initcall0_start", "__initcall1_start"),
    ("1", "__initcall1_start", "__initcall2_start"),
    ("2", "__initcall2_start", "__initcall3_start"),
    ("3", "__initcall3_start", "__initcall4_start"),
    ("4", "__initcall4_start", "__initcall5_start"),
    ("5", "__initcall5_start", "__initcallrootfs_start"),
    ("rootfs", "__initcallrootfs_start", "__initcall6_start"),
    ("6", "__initcall6_start", "__initcall7_start"),
    ("7", "__initcall7_start", "__initcall_end"),
    ("con", "__con_initcall_start", "__con_initcall_end"),
];

/// Size of an entry, which is the distance to the function. Source: `initcall_entry_t` with
/// `HAVE_ARCH_PREL32_RELOCATIONS`.
const ENTRY_SIZE: u64 = 4;

/// The functions of each level, by their names in the source and their modules, in the order in which
/// they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    levels: BTreeMap<&'static str, Vec<Entry>>,
    /// Whether they are those of a link, whose labels have the same lines as those of its kernel. In
    /// another build the line of a macro with several lines may be another one.
    is_of_link: bool,
}

/// One initcall of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    function: String,
    /// Module and line by its label or stub. Kernels before 5.12 have neither.
    source: Option<(String, String)>,
}

impl Entry {
    fn new(function: &str, label: Option<&Initcall>) -> Self {
        Self {
            function: function.to_owned(),
            source: label.map(|label| (label.module.clone(), label.line.clone())),
        }
    }

    /// Whether they can be the same, as far as they are known.
    fn goes_with(&self, other: &Self, has_same_lines: bool) -> bool {
        let is_same = match (&self.source, &other.source) {
            (Some((module, line)), Some((other_module, other_line))) => {
                module == other_module && (line == other_line || !has_same_lines)
            }
            _ => true,
        };
        self.function == other.function && is_same
    }

    /// The function; with module and line if `other` has the same name.
    fn describe(&self, other: Option<&Self>) -> String {
        match (&self.source, other) {
            (Some((module, line)), Some(other)) if other.function == self.function => {
                format!("{} of {module} (line {line})", self.function)
            }
            _ => self.function.clone(),
        }
    }
}

/// Something that is wrong with the tables of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderFault {
    /// Another function stands in a place.
    #[error(
        "initcall level {level}, place {place}: expected {expected} by {reference}, found {found}"
    )]
    Place {
        /// The level.
        level: &'static str,
        /// Which entry of the level, from 0.
        place: usize,
        /// The function that should be there, or `none`.
        expected: String,
        /// The function that is, or `none`.
        found: String,
        /// What says so.
        reference: String,
    },
    /// The symbols around a table do not enclose one.
    #[error("initcall level {level}: {reason}")]
    Bounds {
        /// The level.
        level: &'static str,
        /// The fault.
        reason: String,
    },
}

impl Tables {
    /// The tables of the linked kernel `vmlinux`, and what is wrong with their bounds.
    ///
    /// # Errors
    /// A kernel without symbols, whose tables nobody can find, and relocations that cannot be read.
    pub fn of_kernel(vmlinux: &Elf) -> Result<(Self, Vec<OrderFault>), ReadError> {
        if !vmlinux.has_symbol_table() {
            return Err(ReadError::ElfContent("no symbol table".into()));
        }
        let image = Image::new(vmlinux);
        let mut tables = BTreeMap::new();
        let mut faults = Vec::new();
        for (level, start, stop) in TABLES {
            // A kernel without consoles, or of a time without the level.
            if image.symbols.named(start).is_empty() {
                continue;
            }
            let name = TableName {
                section: "",
                start,
                stop,
            };
            let parts = match image.table(name) {
                Ok(parts) => parts,
                Err(reason) => {
                    faults.push(OrderFault::Bounds { level, reason });
                    continue;
                }
            };
            let mut functions = Vec::new();
            for part in parts {
                let start = image.base(part.section).wrapping_add(part.offset);
                let targets = image.prel32(&part, ENTRY_SIZE, 0)?.into_iter();
                let places = (0..).map(|index| start.wrapping_add(index * ENTRY_SIZE));
                functions.extend(
                    targets
                        .zip(places)
                        .map(|(target, place)| entry(&image, target, place)),
                );
            }
            if !functions.is_empty() {
                tables.insert(level, functions);
            }
        }
        let tables = Self {
            levels: tables,
            is_of_link: false,
        };
        Ok((tables, faults))
    }

    /// The tables that a link of these initcalls should have.
    pub fn of_link(initcalls: &Initcalls) -> Self {
        let mut tables: BTreeMap<_, Vec<Entry>> = BTreeMap::new();
        // The order is that of names, in which the _sync form of a level comes after it.
        for (level, initcalls) in initcalls.levels() {
            let level = match level.name().strip_suffix('s') {
                Some(number) if number != "rootf" => number,
                _ => level.name(),
            };
            let entry = |initcall: &Initcall| Entry::new(&initcall.function, Some(initcall));
            let entries = initcalls.iter().map(entry);
            tables.entry(level).or_default().extend(entries);
        }
        Self {
            levels: tables,
            is_of_link: true,
        }
    }

    /// How many initcalls there are.
    pub fn len(&self) -> usize {
        self.levels.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// A fault for every place at which another function stands than in `expected`, which is what
    /// messages call `reference`. Functions of one name are told apart by their modules, and by their
    /// lines if one of the two is a link, where both are known.
    pub fn differences(&self, expected: &Self, reference: &str) -> Vec<OrderFault> {
        let has_same_lines = self.is_of_link || expected.is_of_link;
        let levels: BTreeSet<_> = self.levels.keys().chain(expected.levels.keys()).collect();
        let mut faults = Vec::new();
        for level in levels {
            let entries = |tables: &'_ Self| tables.levels.get(level).map_or(0, Vec::len);
            for place in 0..entries(self).max(entries(expected)) {
                let found = self.entry(level, place);
                let expected = expected.entry(level, place);
                let goes = found.zip(expected);
                if goes.is_some_and(|(found, expected)| found.goes_with(expected, has_same_lines)) {
                    continue;
                }
                let describe = |entry: Option<&Entry>, other| {
                    entry.map_or_else(|| "none".to_owned(), |entry| entry.describe(other))
                };
                faults.push(OrderFault::Place {
                    level,
                    place,
                    expected: describe(expected, found),
                    found: describe(found, expected),
                    reference: reference.to_owned(),
                });
            }
        }
        faults
    }

    fn entry(&self, level: &str, place: usize) -> Option<&Entry> {
        self.levels.get(level)?.get(place)
    }
}

/// The entry at the address `place`, which refers to `target`; its function is `?` where none begins.
fn entry(image: &Image, target: Option<u64>, place: u64) -> Entry {
    let symbols = target.map_or(&[][..], |target| image.symbols_at(target));
    let rank = |symbol: &Symbol| match symbol {
        _ if symbol.name.starts_with(STUB) => 0,
        _ if image.elf.is_function(symbol) => 1,
        _ => 2,
    };
    let found = symbols.iter().min_by_key(|symbol| rank(symbol));
    let Some(name) = found.map(|symbol| source_name(symbol.name)) else {
        return Entry::new("?", None);
    };
    // The stub says what runs; the label of the entry only what was meant to.
    let stub = name.strip_prefix(STUB);
    let stub = stub.and_then(|rest| Initcall::parse(&format!("{MARK}{rest}"), "").ok());
    if let Some(stub) = stub {
        return Entry::new(&stub.function, Some(&stub));
    }
    let labels = image.symbols_at(place).iter();
    let label = labels
        .filter_map(|symbol| Initcall::parse(symbol.name, "").ok())
        .find(|label| label.function == name);
    Entry::new(name, label.as_ref())
}

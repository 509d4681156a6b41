// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the tables of initcalls of a linked kernel.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use object_model::{Elf, Image, ReadError, Symbol, TableName, source_name};

use crate::Initcalls;
use crate::initcall::{Initcall, MARK};

/// The prefix of stubs, which call an initcall and keep their names under LTO; the rest of the name is
/// that of the initcall's label. Source: `__initcall_stub` in `include/linux/init.h`
/// of Linux 5.12 and later.
const STUB: &str = "__initstub__";

/// The levels and the symbols around their tables, in memory order; the
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

/// The size of an entry, which is the distance to the function. Source: `initcall_entry_t` with
/// `HAVE_ARCH_PREL32_RELOCATIONS`.
const ENTRY_SIZE: u64 = 4;

/// The functions of each level, by their names in the source and their modules, in the order in which
/// they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    levels: BTreeMap<&'static str, Vec<Entry>>,
    /// Whether they are the tables of a link, whose labels have the same lines as its kernel. In
    /// another build, a macro with several lines may have another line.
    is_of_link: bool,
}

/// One initcall of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    function: String,
    /// Module and line, from its label or stub. Kernels before 5.12 have neither.
    source: Option<(String, String)>,
}

impl Entry {
    fn new(function: &str, label: Option<&Initcall>) -> Self {
        Self {
            function: function.to_owned(),
            source: label.map(|label| (label.module.clone(), label.line.clone())),
        }
    }

    /// Returns whether the two can be the same, as far as module and line are known.
    fn goes_with(&self, other: &Self, has_same_lines: bool) -> bool {
        let is_same = match (&self.source, &other.source) {
            (Some((module, line)), Some((other_module, other_line))) => {
                module == other_module && (line == other_line || !has_same_lines)
            }
            _ => true,
        };
        self.function == other.function && is_same
    }

    /// Returns the name of the function; with module and line if `other` has the same name.
    fn describe(&self, other: Option<&Self>) -> String {
        match (&self.source, other) {
            (Some((module, line)), Some(other)) if other.function == self.function => {
                format!("{} of {module} (line {line})", self.function)
            }
            _ => self.function.clone(),
        }
    }
}

/// A fault of the tables of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderFault {
    /// An entry has another function than expected.
    #[error(
        "initcall level {level}, place {place}: expected {expected} by {reference}, found {found}"
    )]
    Place {
        /// The level.
        level: &'static str,
        /// The number of the entry in the level, from 0.
        place: usize,
        /// The expected function, or `none`.
        expected: String,
        /// The function found, or `none`.
        found: String,
        /// The name of the reference.
        reference: String,
    },
    /// An entry leads to no function, so nothing can be said of it.
    #[error(
        "initcall level {level}, place {place}: leads to no function in {kernel}; only tables of distances of 32 bits \
         are read (HAVE_ARCH_PREL32_RELOCATIONS)"
    )]
    Unnamed {
        /// The level.
        level: &'static str,
        /// Which entry of the level, from 0.
        place: usize,
        /// The kernel, or the name of the reference.
        kernel: String,
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
    /// Returns the tables of the linked kernel `vmlinux`, and the faults of their bounds.
    ///
    /// # Errors
    /// The kernel has no symbols, so its tables cannot be found, or the relocations cannot be read.
    pub fn of_kernel(vmlinux: &Elf) -> Result<(Self, Vec<OrderFault>), ReadError> {
        if !vmlinux.has_symbol_table() {
            return Err(ReadError::ElfContent("no symbol table".into()));
        }
        let image = Image::new(vmlinux);
        let mut tables = BTreeMap::new();
        let mut faults = Vec::new();
        for (level, start, stop) in TABLES {
            // The kernel has no consoles, or its version does not have the level.
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

    /// Returns the tables that a link of these initcalls should have.
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

    /// Returns the number of initcalls.
    pub fn len(&self) -> usize {
        self.levels.values().map(Vec::len).sum()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Returns a fault for every place with another function than in `expected`, which messages call
    /// `reference`. Functions of one name are told apart by their modules, and by their
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
                let is_unnamed =
                    |entry: Option<&Entry>| entry.is_some_and(|entry| entry.function == UNNAMED);
                let unnamed = [(found, "this kernel"), (expected, reference)];
                let unnamed = unnamed.into_iter().find(|(entry, _)| is_unnamed(*entry));
                if let Some((_, kernel)) = unnamed {
                    faults.push(OrderFault::Unnamed {
                        level,
                        place,
                        kernel: kernel.to_owned(),
                    });
                    continue;
                }
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

/// The function of an entry that leads to none.
const UNNAMED: &str = "?";

/// Returns the entry at the address `place`, which refers to `target`; its function is [`UNNAMED`] if none begins
/// there.
fn entry(image: &Image, target: Option<u64>, place: u64) -> Entry {
    let symbols = target.map_or(&[][..], |target| image.symbols_at(target));
    let rank = |symbol: &Symbol| match symbol {
        _ if symbol.name.starts_with(STUB) => 0,
        _ if image.elf.is_function(symbol) => 1,
        _ => 2,
    };
    let found = symbols.iter().min_by_key(|symbol| rank(symbol));
    let Some(name) = found.map(|symbol| source_name(symbol.name)) else {
        return Entry::new(UNNAMED, None);
    };
    // The stub tells which function runs; the label of the entry only tells which one was meant.
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

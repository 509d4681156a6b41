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

/// The functions of each level, by their names in the source, in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables(BTreeMap<&'static str, Vec<String>>);

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
                let entries = image.prel32(&part, ENTRY_SIZE, 0)?.into_iter();
                functions.extend(entries.map(|target| function(&image, target)));
            }
            if !functions.is_empty() {
                tables.insert(level, functions);
            }
        }
        Ok((Self(tables), faults))
    }

    /// The tables that a link of these initcalls should have.
    pub fn of_link(initcalls: &Initcalls) -> Self {
        let mut tables: BTreeMap<_, Vec<String>> = BTreeMap::new();
        // The order is that of names, in which the _sync form of a level comes after it.
        for (level, initcalls) in initcalls.levels() {
            let level = match level.name().strip_suffix('s') {
                Some(number) if number != "rootf" => number,
                _ => level.name(),
            };
            let functions = initcalls.iter().map(|initcall| initcall.function.clone());
            tables.entry(level).or_default().extend(functions);
        }
        Self(tables)
    }

    /// How many initcalls there are.
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A fault for every place at which another function stands than in `expected`, which is what
    /// messages call `reference`.
    pub fn differences(&self, expected: &Self, reference: &str) -> Vec<OrderFault> {
        let levels: BTreeSet<_> = self.0.keys().chain(expected.0.keys()).collect();
        let mut faults = Vec::new();
        for level in levels {
            let at = |tables: &Self, place| {
                let function = tables.0.get(level).and_then(|level| level.get(place));
                function.map_or("none", String::as_str).to_owned()
            };
            let length = |tables: &Self| tables.0.get(level).map_or(0, Vec::len);
            for place in 0..length(self).max(length(expected)) {
                let (found, expected) = (at(self, place), at(expected, place));
                if found != expected {
                    faults.push(OrderFault::Place {
                        level,
                        place,
                        expected,
                        found,
                        reference: reference.to_owned(),
                    });
                }
            }
        }
        faults
    }
}

/// The source name of the function at an address; `?` where none begins.
fn function(image: &Image, target: Option<u64>) -> String {
    let symbols = target.map_or(&[][..], |target| image.symbols_at(target));
    let rank = |symbol: &Symbol| match symbol {
        _ if symbol.name.starts_with(STUB) => 0,
        _ if image.elf.is_function(symbol) => 1,
        _ => 2,
    };
    let found = symbols.iter().min_by_key(|symbol| rank(symbol));
    let Some(name) = found.map(|symbol| source_name(symbol.name)) else {
        return "?".to_owned();
    };
    let stub = name.strip_prefix(STUB);
    let label = stub.and_then(|rest| Initcall::parse(&format!("{MARK}{rest}"), "").ok());
    label.map_or_else(|| name.to_owned(), |label| label.function)
}

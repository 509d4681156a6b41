// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The tables by which the kernel of x86 unwinds its stacks: which way of unwinding begins at
//! which place in the code.
//!
//! Sources, of Linux 5.10: `arch/x86/include/asm/orc_types.h` (an entry), `tools/objtool/orc_gen.c`
//! (what is in the tables), `scripts/sorttable.h` (their order), `arch/x86/kernel/unwind_orc.c`
//! (how they are read).

use std::collections::BTreeMap;

use anyhow::Context as _;
use object_model::{Elf, Image, ReadError, TableName, TablePart, elf, source_name};
use object_tree::{Artefact, Objtree};

use super::Finding;

/// The places, each as distance from its own entry in 4 bytes.
const PLACES: TableName = TableName {
    section: ".orc_unwind_ip",
    start: "__start_orc_unwind_ip",
    stop: "__stop_orc_unwind_ip",
};
const PLACE_SIZE: u64 = 4;

/// The table with the unwinding rule of each of these places.
const UNWIND: TableName = TableName {
    section: ".orc_unwind",
    start: "__start_orc_unwind",
    stop: "__stop_orc_unwind",
};
/// `struct orc_entry`: two distances of 16 bits, and 16 bits of registers and flags. All zero, no
/// register leads further up, and it is not the end of a stack either: nothing is known of the
/// code. Later kernels use other bits for the same.
const UNWIND_SIZE: u64 = 6;

/// The unwinder knows all code that it knows without LTO, and finds it.
pub fn orc(tree: &Objtree, against: Option<&Objtree>) -> anyhow::Result<Finding> {
    if tree.vmlinux.machine() != elf::EM_X86_64 || !tree.vmlinux.is_64() {
        return Ok(Finding::not_applicable(
            "there are such tables on 64-bit x86 only",
        ));
    }
    if !tree.settings.is_set("UNWINDER_ORC") {
        return Ok(Finding::not_applicable(
            "the kernel is configured without UNWINDER_ORC",
        ));
    }
    let mut faults = lookup_faults(&tree.vmlinux);
    faults.extend(tree.object_fault());
    let (mut n_entries, mut n_functions, mut n_compared) = (0, 0, 0);
    for (artefact, elf) in tree.running() {
        let read = |elf| Table::read(elf).with_context(|| artefact.to_string());
        let table = read(elf)?;
        let prefix = |fault: &String| format!("{artefact}: {fault}");
        faults.extend(table.faults.iter().map(prefix));
        // The loader sorts the tables of modules.
        if artefact == Artefact::Vmlinux && tree.settings.is_set("BUILDTIME_TABLE_SORT") {
            faults.extend(table.order_faults().iter().map(prefix));
        }
        if let Some((name, object)) = object_of(tree, artefact)? {
            let lost = lost_rules(elf, &object).map_err(anyhow::Error::msg)?;
            faults.extend(lost.map(|lost| {
                format!(
                    "{artefact}: {}: {lost} of {name}; run make again",
                    UNWIND.section
                )
            }));
        }
        n_entries += table.entries.len();
        let covers = table.covers();
        n_functions += covers
            .values()
            .filter(|cover| **cover > Cover::None)
            .count();
        let other = against.and_then(|against| against.elf(artefact));
        if let Some(other) = other {
            let compared = compare(&covers, &read(other)?.covers());
            n_compared += compared.n_functions;
            faults.extend(compared.faults.iter().map(prefix));
        }
    }
    let mut figures = vec![format!(
        "{n_entries} entries for the functions of {n_functions} names in vmlinux and {} modules",
        tree.modules.len()
    )];
    if against.is_some() {
        figures.push(format!("{n_compared} are in the build to compare with"));
    }
    Ok(Finding::new(figures.join("; "), faults))
}

/// Returns the object that a file was linked from, and its name, if it is native code.
fn object_of<'files>(
    tree: &Objtree<'files>,
    artefact: Artefact,
) -> anyhow::Result<Option<(String, Elf<'files>)>> {
    let name = artefact.object();
    if artefact == Artefact::Vmlinux {
        return Ok(tree.object.clone().map(|object| (name, object)));
    }
    let path = tree.root.join(&name);
    if !path.exists() {
        return Ok(None);
    }
    let object = tree.files.object(&path)?.object;
    Ok(object.as_elf().map(|elf| (name, elf.clone())))
}

/// Returns how the rules of `linked` differ from those of the object that it was linked from. The build sorts
/// them after the link, and changes none.
fn lost_rules(linked: &Elf, object: &Elf) -> Result<Option<String>, String> {
    let found = rules(linked).unwrap_or_default();
    let expected = rules(object)?;
    let n_expected: usize = expected.values().sum();
    let n_lost: usize = expected
        .iter()
        .map(|(rule, n)| n.saturating_sub(found.get(rule).copied().unwrap_or_default()))
        .sum();
    Ok((n_lost > 0).then(|| format!("lacks {n_lost} of the {n_expected} rules")))
}

/// Returns the rules, and how many entries have each.
fn rules<'data>(elf: &Elf<'data>) -> Result<BTreeMap<&'data [u8], usize>, String> {
    let image = Image::new(elf);
    let mut rules = BTreeMap::new();
    for TablePart {
        section,
        offset,
        size,
    } in image.table(UNWIND)?
    {
        let start = offset as usize;
        let bytes = section.data.get(start..start + size as usize);
        for rule in bytes.unwrap_or_default().chunks_exact(UNWIND_SIZE as usize) {
            *rules.entry(rule).or_default() += 1;
        }
    }
    Ok(rules)
}

/// The table that the kernel fills when it starts: the entry for each block of code. Source: `ORC_UNWIND_TABLE`
/// in `include/asm-generic/vmlinux.lds.h`, `unwind_init`.
const LOOKUP: TableName = TableName {
    section: ".orc_lookup",
    start: "orc_lookup",
    stop: "orc_lookup_end",
};
const BLOCK_SIZE: u64 = 256;
const LOOKUP_SIZE: u64 = 4;

/// Returns the faults of the look-up table: it has no entry for some block, or is filled already.
fn lookup_faults(vmlinux: &Elf) -> Vec<String> {
    let image = Image::new(vmlinux);
    let address = |name| image.symbols.named(name).first().map(|symbol| symbol.value);
    let (Some(start), Some(stop)) = (address(LOOKUP.start), address(LOOKUP.stop)) else {
        let (start, stop) = (LOOKUP.start, LOOKUP.stop);
        return vec![format!("vmlinux: there is no {start} or no {stop}")];
    };
    let text = vmlinux
        .section_by_name(".text")
        .map_or(0, |section| section.size);
    let expected = (text.div_ceil(BLOCK_SIZE) + 1) * LOOKUP_SIZE;
    let found = stop.saturating_sub(start);
    let mut faults = Vec::new();
    if found < expected {
        faults.push(format!(
            "vmlinux: {} has {found} bytes, expected {expected} for the {text} bytes of .text",
            LOOKUP.start
        ));
    }
    let bytes = image.bytes(start).unwrap_or_default();
    let bytes = bytes.get(..found as usize).unwrap_or(bytes);
    if let Some(at) = bytes.iter().position(|byte| *byte != 0) {
        faults.push(format!(
            "vmlinux: {}+{at:#x} is {:#04x}, expected zeros, which the kernel fills in at its start",
            LOOKUP.start,
            bytes.get(at).copied().unwrap_or_default()
        ));
    }
    faults
}

/// The part of a function that the tables cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cover {
    None,
    /// Some of it, but not where it begins.
    Partial,
    FromStart,
}

/// The tables of one file.
struct Table<'elf, 'data> {
    image: Image<'elf, 'data>,
    /// Places, and whether something is known from there on; as they stand in the table.
    entries: Vec<(u64, bool)>,
    faults: Vec<String>,
}

impl<'elf, 'data> Table<'elf, 'data> {
    fn read(elf: &'elf Elf<'data>) -> Result<Self, ReadError> {
        let mut table = Self {
            image: Image::new(elf),
            entries: Vec::new(),
            faults: Vec::new(),
        };
        let parts = |name: TableName| table.image.table(name);
        match parts(PLACES).and_then(|places| Ok((places, parts(UNWIND)?))) {
            Ok((places, unwind)) => table.read_parts(&places, &unwind)?,
            Err(reason) => table.faults.push(reason),
        }
        Ok(table)
    }

    fn read_parts(&mut self, places: &[TablePart], unwind: &[TablePart]) -> Result<(), ReadError> {
        let size = |parts: &[TablePart]| parts.iter().map(|part| part.size).sum::<u64>();
        let (n_places, n_unwind) = (size(places) / PLACE_SIZE, size(unwind) / UNWIND_SIZE);
        if size(places) % PLACE_SIZE != 0 || size(unwind) % UNWIND_SIZE != 0 {
            self.faults.push(format!(
                "{} has {} bytes and {} has {}: expected whole entries of {PLACE_SIZE} and \
                 {UNWIND_SIZE}",
                PLACES.section,
                size(places),
                UNWIND.section,
                size(unwind)
            ));
        }
        if n_places != n_unwind {
            self.faults.push(format!(
                "{} has {n_places} entries, {} has {n_unwind}",
                PLACES.section, UNWIND.section
            ));
        }
        let known = unwind.iter().flat_map(|part| {
            let start = part.offset as usize;
            let bytes = part.section.data.get(start..start + part.size as usize);
            let entries = bytes.unwrap_or_default().chunks_exact(UNWIND_SIZE as usize);
            entries.map(|entry| entry.iter().any(|byte| *byte != 0))
        });
        let mut found = Vec::new();
        for part in places {
            found.extend(self.image.prel32(part, PLACE_SIZE, 0)?);
        }
        for (index, (place, known)) in found.into_iter().zip(known).enumerate() {
            match place {
                Some(place) if self.image.is_loaded(place) => self.entries.push((place, known)),
                Some(place) => self.faults.push(format!(
                    "{} entry {index}: expected a place in code, found {}",
                    PLACES.section,
                    self.image.place(place)
                )),
                None => self.faults.push(format!(
                    "{} entry {index} refers to nothing",
                    PLACES.section
                )),
            }
        }
        Ok(())
    }

    /// Entries that the search for a place would miss. Where one section ends and another begins
    /// there are two entries, and the one that ends comes first.
    fn order_faults(&self) -> Vec<String> {
        let pairs = self.entries.iter().zip(self.entries.iter().skip(1));
        let wrong = pairs
            .enumerate()
            .filter(|(_, (first, second))| first > second);
        wrong
            .map(|(index, (first, second))| {
                format!(
                    "{} entry {}: expected one behind {}, found {}",
                    PLACES.section,
                    index + 1,
                    self.image.place(first.0),
                    self.image.place(second.0)
                )
            })
            .collect()
    }

    /// Returns the coverage of each function name; if several functions share it, the lowest.
    fn covers(&self) -> BTreeMap<&'data str, Cover> {
        let mut entries = self.entries.clone();
        entries.sort_unstable();
        let mut covers = BTreeMap::new();
        let elf = self.image.elf;
        for symbol in elf.symbols().iter().filter(|s| elf.is_function(s)) {
            let start = self.image.address(symbol);
            let cover = cover(&entries, start, start.saturating_add(symbol.size.max(1)));
            let least = covers.entry(source_name(symbol.name)).or_insert(cover);
            *least = cover.min(*least);
        }
        covers
    }
}

/// Returns how far `entries`, which are sorted, cover the code from `start` to `end`.
fn cover(entries: &[(u64, bool)], start: u64, end: u64) -> Cover {
    let behind = entries.partition_point(|&(place, _)| place <= start);
    let last = behind.checked_sub(1).and_then(|last| entries.get(last));
    if last.is_some_and(|&(_, known)| known) {
        return Cover::FromStart;
    }
    let within = entries.get(behind..).unwrap_or_default().iter();
    let mut within = within.take_while(|&&(place, _)| place < end);
    if within.any(|&(_, known)| known) {
        Cover::Partial
    } else {
        Cover::None
    }
}

/// The result of a comparison.
struct Compared {
    /// Names of functions that both builds have, and of which the other knows something.
    n_functions: usize,
    faults: Vec<String>,
}

/// Functions of which less is known than in the build to compare with.
fn compare(found: &BTreeMap<&str, Cover>, expected: &BTreeMap<&str, Cover>) -> Compared {
    let mut compared = Compared {
        n_functions: 0,
        faults: Vec::new(),
    };
    for (name, expected) in expected {
        // A function that was inlined everywhere is missing.
        let Some(found) = found.get(name).filter(|_| *expected > Cover::None) else {
            continue;
        };
        compared.n_functions += 1;
        if found < expected {
            let how_much = match found {
                Cover::None => "no entry in",
                Cover::Partial | Cover::FromStart => "no entry for its start in",
            };
            compared.faults.push(format!(
                "{name} has {how_much} {}, but has one in the build to compare with",
                PLACES.section
            ));
        }
    }
    compared
}

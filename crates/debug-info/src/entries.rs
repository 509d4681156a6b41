// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The entries of debug information that describe functions and inlined calls.
//!
//! An entry may refer to another for its name and place (`DW_AT_abstract_origin`), also to one of another unit: LTO
//! inlines functions of other source files. So names are looked up when all units are read.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::rc::Rc;

use gimli::{AttributeValue, DebuggingInformationEntry, Dwarf, Unit};
use object_model::{Image, Symbol};

use crate::calls::{CodeCall, CodeCalls, Inner, Target};
use crate::lines::Files;
use crate::sections::Reader;
use crate::{Call, DebugInfo, Error, Function, IndirectCall, Place, Site};

type Entry<'abbrev, 'unit, 'a> = DebuggingInformationEntry<'abbrev, 'unit, Reader<'a>>;

/// The place of an entry in `.debug_info`.
type Offset = usize;

/// The number of references that are followed for a name: a copy refers to its abstract entry, which may refer to a
/// declaration.
const MAX_REFERENCES: usize = 4;

/// A function, or one inlined copy of it.
#[derive(Debug)]
struct Subprogram {
    name: Option<Rc<str>>,
    linkage_name: Option<Rc<str>>,
    place: Option<Place>,
    origin: Option<Offset>,
    is_declaration: bool,
    address: Option<u64>,
    /// For an inlined copy, the entry that contains it and the place of the call.
    inlined: Option<(Offset, Option<Place>)>,
}

/// The entries of all units that were read.
#[derive(Debug)]
pub(crate) struct Entries<'p> {
    prefixes: &'p [String],
    names: HashMap<String, Rc<str>>,
    subprograms: HashMap<Offset, Subprogram>,
    compiled: Vec<Range<u64>>,
}

impl<'p> Entries<'p> {
    pub(crate) fn new(prefixes: &'p [String]) -> Self {
        Self {
            prefixes,
            names: HashMap::new(),
            subprograms: HashMap::new(),
            compiled: Vec::new(),
        }
    }

    /// Reads one unit, and notes in `calls` what it says of their addresses.
    pub(crate) fn add_unit(
        &mut self,
        dwarf: &Dwarf<Reader<'_>>,
        unit: &Unit<Reader<'_>>,
        calls: &mut CodeCalls,
    ) -> Result<(), Error> {
        let files = Files::of(dwarf, unit, self.prefixes)?;
        files.mark(unit, calls)?;
        let mut entries = unit.entries();
        let mut depth = 0_usize;
        // The entries of functions that contain the present one.
        let mut parents: Vec<(usize, Offset)> = Vec::new();
        while let Some((change, entry)) = entries.next_dfs()? {
            depth = depth.saturating_add_signed(change);
            while parents.last().is_some_and(|(parent, _)| *parent >= depth) {
                parents.pop();
            }
            let is_inlined = entry.tag() == gimli::DW_TAG_inlined_subroutine;
            if entry.tag() == gimli::DW_TAG_compile_unit {
                self.add_root(dwarf, unit, entry)?;
            }
            let offset = entry.offset().to_debug_info_offset(&unit.header);
            let Some(gimli::DebugInfoOffset(offset)) = offset else {
                continue;
            };
            if !is_inlined && entry.tag() != gimli::DW_TAG_subprogram {
                continue;
            }
            let mut subprogram = self.subprogram(dwarf, unit, entry, &files)?;
            if is_inlined && let Some(&(_, parent)) = parents.last() {
                let line = number(entry, gimli::DW_AT_call_line)?;
                let file = number(entry, gimli::DW_AT_call_file)?;
                subprogram.inlined = Some((parent, files.place(file, line)));
            }
            self.subprograms.insert(offset, subprogram);
            parents.push((depth, offset));
            for range in ranges(dwarf, unit, entry)? {
                for call in calls.within(&range) {
                    if call.inner.is_none_or(|inner| inner.depth < depth) {
                        let entry = offset;
                        call.inner = Some(Inner { depth, entry });
                    }
                }
            }
        }
        Ok(())
    }

    /// Notes the addresses of a unit that was not assembled.
    fn add_root(
        &mut self,
        dwarf: &Dwarf<Reader<'_>>,
        unit: &Unit<Reader<'_>>,
        root: &Entry<'_, '_, '_>,
    ) -> Result<(), Error> {
        let language = root.attr_value(gimli::DW_AT_language)?;
        if language == Some(AttributeValue::Language(gimli::DW_LANG_Mips_Assembler)) {
            return Ok(());
        }
        let found = ranges(dwarf, unit, root)?.into_iter();
        self.compiled
            .extend(found.filter(|range| range.start < range.end));
        Ok(())
    }

    fn subprogram(
        &mut self,
        dwarf: &Dwarf<Reader<'_>>,
        unit: &Unit<Reader<'_>>,
        entry: &Entry<'_, '_, '_>,
        files: &Files,
    ) -> Result<Subprogram, Error> {
        let line = number(entry, gimli::DW_AT_decl_line)?;
        let file = number(entry, gimli::DW_AT_decl_file)?;
        let address = match entry.attr_value(gimli::DW_AT_low_pc)? {
            Some(value) => dwarf.attr_address(unit, value)?,
            None => None,
        };
        let is_declaration = entry.attr_value(gimli::DW_AT_declaration)?;
        Ok(Subprogram {
            name: self.name(dwarf, unit, entry, gimli::DW_AT_name)?,
            linkage_name: self.name(dwarf, unit, entry, gimli::DW_AT_linkage_name)?,
            place: files.place(file, line),
            origin: reference(unit, entry)?,
            is_declaration: is_declaration == Some(AttributeValue::Flag(true)),
            // Code that the linker left out is at 0.
            address: address.filter(|address| *address != 0),
            inlined: None,
        })
    }

    fn name(
        &mut self,
        dwarf: &Dwarf<Reader<'_>>,
        unit: &Unit<Reader<'_>>,
        entry: &Entry<'_, '_, '_>,
        attribute: gimli::DwAt,
    ) -> Result<Option<Rc<str>>, Error> {
        let Some(value) = entry.attr_value(attribute)? else {
            return Ok(None);
        };
        let text = dwarf.attr_string(unit, value)?.to_string_lossy();
        Ok(Some(shared(&mut self.names, &text)))
    }

    /// Follows the references of an entry until one has what `get` returns.
    fn find<T>(&self, offset: Offset, get: impl Fn(&Subprogram) -> Option<T>) -> Option<T> {
        let mut next = Some(offset);
        for _ in 0..MAX_REFERENCES {
            let subprogram = self.subprograms.get(&next?)?;
            if let Some(found) = get(subprogram) {
                return Some(found);
            }
            next = subprogram.origin;
        }
        None
    }

    fn name_of(&self, offset: Offset) -> Option<Rc<str>> {
        self.find(offset, |subprogram| subprogram.name.clone())
    }

    /// Returns all that was read. `calls` are those of `image`.
    pub(crate) fn finish(mut self, image: &Image<'_, '_>, calls: CodeCalls) -> DebugInfo {
        let mut info = DebugInfo::default();
        for (&offset, subprogram) in &self.subprograms {
            let (name, place) = (&subprogram.name, &subprogram.place);
            if let (Some(name), Some(place), false) = (name, place, subprogram.is_declaration) {
                let key = (Rc::clone(name), Rc::clone(&place.file));
                info.definitions.entry(key).or_default().insert(place.line);
            }
            let Some(name) = self.name_of(offset) else {
                continue;
            };
            if let Some((parent, Some(place))) = &subprogram.inlined
                && let Some(caller) = self.name_of(*parent)
            {
                let (callee, place) = (name, place.clone());
                info.calls.insert(Call {
                    caller,
                    callee,
                    place,
                });
            } else if let (Some(address), None) = (subprogram.address, &subprogram.inlined) {
                info.functions.push(Function {
                    name,
                    linkage_name: self.find(offset, |found| found.linkage_name.clone()),
                    place: self.find(offset, |found| found.place.clone()),
                    address,
                });
            }
        }
        info.functions
            .sort_by(|one, other| (one.address, &one.name).cmp(&(other.address, &other.name)));
        self.add_calls(&mut info, image, calls);
        self.compiled.sort_by_key(|range| range.start);
        info.compiled = self.compiled;
        info
    }

    fn add_calls(&self, info: &mut DebugInfo, image: &Image<'_, '_>, calls: CodeCalls) {
        info.n_call_instructions = calls.0.len();
        let mut direct = BTreeSet::new();
        for call in calls.0 {
            let CodeCall {
                address,
                target,
                place,
                inner,
            } = call;
            // Assembly is not in a function of debug information.
            let Some(caller) = inner.and_then(|inner| self.name_of(inner.entry)) else {
                continue;
            };
            let Some(place) = place else {
                info.n_without_line += 1;
                continue;
            };
            info.sites.push(Site {
                address,
                function: Rc::clone(&caller),
                place: place.clone(),
            });
            match target {
                Target::Pointer => {
                    info.indirect.insert(IndirectCall { caller, place });
                }
                Target::Address(address) => {
                    if let Some(callee) = function_at(info, image, address) {
                        direct.insert(Call {
                            caller,
                            callee,
                            place,
                        });
                    }
                }
            }
        }
        info.calls.append(&mut direct);
    }
}

/// Returns the name of the function at an address: that of debug information or, for assembly and undefined
/// functions, the first one of symbols.
fn function_at(info: &DebugInfo, image: &Image<'_, '_>, address: u64) -> Option<Rc<str>> {
    let first = info
        .functions
        .partition_point(|function| function.address < address);
    if let Some(function) = info.functions.get(first)
        && function.address == address
    {
        return Some(Rc::clone(&function.name));
    }
    let defined = image.symbols_at(address).iter().copied();
    let undefined = image.elf.symbols().iter();
    let undefined = undefined
        .filter(|symbol| symbol.is_undefined() && image.address(symbol) == address)
        .take(1);
    let is_named = |symbol: &&Symbol<'_>| !symbol.name.is_empty() && !symbol.name.starts_with('$');
    let names = defined.chain(undefined).filter(is_named);
    names.map(|symbol| symbol.name).min().map(Rc::from)
}

fn shared(names: &mut HashMap<String, Rc<str>>, text: &str) -> Rc<str> {
    if let Some(name) = names.get(text) {
        return Rc::clone(name);
    }
    let name: Rc<str> = Rc::from(text);
    names.insert(text.to_owned(), Rc::clone(&name));
    name
}

/// Returns the addresses of an entry's code.
fn ranges(
    dwarf: &Dwarf<Reader<'_>>,
    unit: &Unit<Reader<'_>>,
    entry: &Entry<'_, '_, '_>,
) -> Result<Vec<Range<u64>>, Error> {
    let mut found = Vec::new();
    if let Some(value) = entry.attr_value(gimli::DW_AT_ranges)? {
        if let Some(mut list) = dwarf.attr_ranges(unit, value)? {
            while let Some(range) = list.next()? {
                found.push(range.begin..range.end);
            }
        }
        return Ok(found);
    }
    let start = entry.attr_value(gimli::DW_AT_low_pc)?;
    let end = entry.attr_value(gimli::DW_AT_high_pc)?;
    if let (Some(start), Some(end)) = (start, end)
        && let Some(start) = dwarf.attr_address(unit, start)?
    {
        // From DWARF 4 on, the end is usually a number of bytes.
        let end = match end.udata_value() {
            Some(size) => start.checked_add(size),
            None => dwarf.attr_address(unit, end)?,
        };
        found.extend(end.map(|end| start..end));
    }
    Ok(found)
}

/// Returns the entry that has the name and the place of this one.
fn reference(unit: &Unit<Reader<'_>>, entry: &Entry<'_, '_, '_>) -> Result<Option<Offset>, Error> {
    for attribute in [gimli::DW_AT_abstract_origin, gimli::DW_AT_specification] {
        let offset = match entry.attr_value(attribute)? {
            Some(AttributeValue::UnitRef(offset)) => offset.to_debug_info_offset(&unit.header),
            Some(AttributeValue::DebugInfoRef(offset)) => Some(offset),
            _ => None,
        };
        if let Some(gimli::DebugInfoOffset(offset)) = offset {
            return Ok(Some(offset));
        }
    }
    Ok(None)
}

fn number(entry: &Entry<'_, '_, '_>, attribute: gimli::DwAt) -> Result<Option<u64>, Error> {
    Ok(match entry.attr_value(attribute)? {
        Some(AttributeValue::FileIndex(index)) => Some(index),
        Some(value) => value.udata_value(),
        None => None,
    })
}

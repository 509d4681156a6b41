// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the summary that LLVM writes for a link: the global values of a module, and the references of
//! each definition.
//!
//! The values are records of the module; the rest is in a separate block, with numbers for values.
//! Source: `llvm/Bitcode/LLVMBitCodes.h` (records), `llvm/IR/ModuleSummaryIndex.h` (their meaning, and
//! the version), `llvm/IR/GlobalValue.h` (linkage); versions 9 (LLVM 12 to 18) to 12 (LLVM 22). They
//! differ in the form of a GUID, and in records that have no references.

use std::collections::{BTreeMap, HashSet};

use super::bitstream::{Block, BlockInfo, Item, Record};
use super::block_id;
use super::global_value::{
    GlobalValue, GlobalValueKind, Guid, Linkage, Summary, ValueIndex, ValueSummary,
};
use super::string_table::StringTable;
use super::types::Types;
use crate::ReadError;

/// The versions of the summary that this crate can read.
const VERSIONS: std::ops::RangeInclusive<u64> = 9..=12;
/// The first version that writes a GUID in two halves.
const GUID_IN_HALVES: u64 = 11;

/// The version of modules whose names are in the string table (LLVM 5 and later).
const MODULE_WITH_STRTAB: u64 = 2;
/// The number of operands that are read of a value's record: offset and length of the name, then four
/// others, the last of which is the linkage.
const VALUE_NUMBERS: usize = 6;

/// Records of a module.
mod module_code {
    pub const VERSION: u64 = 1;
    pub const GLOBALVAR: u64 = 7;
    pub const FUNCTION: u64 = 8;
    pub const ALIAS: u64 = 14;
    pub const IFUNC: u64 = 18;
}

/// Records of a summary.
mod code {
    /// `[value, flags, instructions, function flags, n, read-only, write-only, n references,
    /// callees]`. The read-only and write-only references are the last of the n.
    pub const FUNCTION: u64 = 1;
    /// The same, with hotness and tail call after each callee.
    pub const FUNCTION_PROFILE: u64 = 2;
    /// `[value, flags, variable flags, references]`.
    pub const VARIABLE: u64 = 3;
    /// `[value, flags, aliasee]`.
    pub const ALIAS: u64 = 7;
    pub const VERSION: u64 = 10;
    /// `[value, GUID]`, or the GUID in two halves, the upper first.
    pub const VALUE_GUID: u64 = 16;
    /// Like `FUNCTION`, with frequency and tail call after each callee.
    pub const FUNCTION_RELBF: u64 = 19;
    /// `[value, flags, variable flags, n, n references, pairs of function and offset]`.
    pub const VTABLE: u64 = 23;

    /// Records that add no references to a definition: type tests and virtual calls (11 to 15),
    /// names of jump tables (17, 18), flags of the module (20), type ids (21), vtables of a type
    /// (22), number of blocks (24), uses of parameters (25), call sites and allocations of a memory
    /// profile (26, 27, 30 to 32). If they name a function, the record of a function does, too.
    pub const WITHOUT_REFERENCES: [u64; 17] = [
        11, 12, 13, 14, 15, 17, 18, 20, 21, 22, 24, 25, 26, 27, 30, 31, 32,
    ];
}

fn damaged(what: &str) -> ReadError {
    ReadError::Bitcode(what.to_owned())
}

/// Reads the summaries of `modules`, whose names are in `strings`; `None` unless each has one.
/// `producer` is for messages.
pub fn parse<'data>(
    modules: &[Block<'data>],
    strings: StringTable<'data>,
    producer: &str,
) -> Result<Option<Summary<'data>>, ReadError> {
    if modules.is_empty() {
        return Ok(None);
    }
    let mut values = Vec::new();
    for block in modules {
        let module = Module::read(block, strings)?;
        let Some(summary) = module.summary else {
            return Ok(None);
        };
        let mut reader = SummaryReader {
            first: values.len(),
            values: module.values,
            guids: BTreeMap::new(),
            producer,
        };
        reader.read(&summary, &module.info)?;
        values.append(&mut reader.values);
    }
    Ok(Some(Summary { values }))
}

/// The values of the module itself.
struct Module<'data> {
    values: Vec<GlobalValue<'data>>,
    info: BlockInfo,
    types: Types,
    summary: Option<Block<'data>>,
}

impl<'data> Module<'data> {
    fn read(block: &Block<'data>, strings: StringTable<'data>) -> Result<Self, ReadError> {
        let mut module = Self {
            values: Vec::new(),
            info: BlockInfo::default(),
            types: Types::default(),
            summary: None,
        };
        let mut version = None;
        let mut items = block.items_with_numbers(VALUE_NUMBERS, &module.info);
        while let Some(item) = items.next_item()? {
            match item {
                Item::Block(block) if BlockInfo::is_in(&block) => module.info.read(&block)?,
                // This record precedes the values.
                Item::Block(block) if Types::is_in(&block) => {
                    module.types = Types::read(&block, &module.info)?;
                }
                Item::Block(block)
                    if [block_id::THIN_LTO_SUMMARY, block_id::FULL_LTO_SUMMARY]
                        .contains(&block.id) =>
                {
                    if module.summary.replace(block).is_some() {
                        return Err(damaged("a module with two summaries"));
                    }
                }
                Item::Record(record) if record.code == module_code::VERSION => {
                    version = record.numbers.first().copied();
                }
                Item::Record(record) => {
                    if let Some(kind) = value_kind(record.code) {
                        if version != Some(MODULE_WITH_STRTAB) {
                            return Err(damaged("a module without names in the string table"));
                        }
                        let value = global_value(kind, &record.numbers, strings, &module.types)?;
                        module.values.push(value);
                    }
                }
                Item::Block(_) => {}
            }
        }
        Ok(module)
    }
}

/// Returns the kind of global value that records with this code describe, if they describe one.
pub fn value_kind(code: u64) -> Option<GlobalValueKind> {
    match code {
        module_code::GLOBALVAR => Some(GlobalValueKind::Variable),
        module_code::FUNCTION => Some(GlobalValueKind::Function),
        module_code::ALIAS => Some(GlobalValueKind::Alias),
        module_code::IFUNC => Some(GlobalValueKind::IndirectFunction),
        _ => None,
    }
}

/// Returns the name of the function that `record` of a module describes, if its body is in the module.
///
/// # Errors
/// The record ends too early, or the name is not in `strings`.
pub fn function_name<'data>(
    record: &Record<'_>,
    strings: StringTable<'data>,
) -> Result<Option<&'data str>, ReadError> {
    if record.code != module_code::FUNCTION {
        return Ok(None);
    }
    let &[start, length, _, _, is_prototype, ..] = &record.numbers[..] else {
        return Err(damaged("the record of a function ends too early"));
    };
    let name = name(start, length, strings)?;
    Ok((is_prototype == 0).then_some(name))
}

/// Returns the name at `start` of `strings`, without the `\x01` that keeps LLVM from changing it.
fn name(start: u64, length: u64, strings: StringTable<'_>) -> Result<&str, ReadError> {
    // A number that does not fit reaches beyond the table.
    let position = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let name = strings.string(position(start), position(length))?;
    Ok(name.strip_prefix('\x01').unwrap_or(name))
}

/// A variable is `[name, type, flags, initializer, linkage]`, where initializer 0 is none; a
/// function `[name, type, calling convention, is prototype, linkage]`; an alias and an indirect
/// function `[name, type, address space, what it stands for, linkage]`. The name is two numbers.
fn global_value<'data>(
    kind: GlobalValueKind,
    numbers: &[u64],
    strings: StringTable<'data>,
    types: &Types,
) -> Result<GlobalValue<'data>, ReadError> {
    let &[start, length, of_type, flags, content, linkage] = numbers else {
        return Err(damaged("the record of a global value ends too early"));
    };
    let name = name(start, length, strings)?;
    let is_declaration = match kind {
        GlobalValueKind::Variable => content == 0,
        GlobalValueKind::Function => content != 0,
        GlobalValueKind::Alias | GlobalValueKind::IndirectFunction => false,
    };
    // Without this flag, which old LLVMs did not write, the type is that of a pointer to the variable.
    let is_sized = kind == GlobalValueKind::Variable && !is_declaration && flags & 1 << 1 != 0;
    Ok(GlobalValue {
        name,
        linkage: Linkage::of_record(linkage)
            .ok_or_else(|| damaged(&format!("{name} has unknown linkage {linkage}")))?,
        is_declaration,
        size: is_sized.then(|| types.size(of_type)).flatten(),
        kind,
        summary: None,
    })
}

/// Adds the summary of a module to its values.
struct SummaryReader<'a, 'data> {
    /// The number of values in the file before those of the module.
    first: usize,
    values: Vec<GlobalValue<'data>>,
    /// Numbers beyond those of the values, for values that the module does not have.
    guids: BTreeMap<u64, Guid>,
    producer: &'a str,
}

impl SummaryReader<'_, '_> {
    fn read(&mut self, block: &Block<'_>, info: &BlockInfo) -> Result<(), ReadError> {
        let mut version = None;
        let mut items = block.items_with_numbers(usize::MAX, info);
        while let Some(item) = items.next_item()? {
            // A summary contains no blocks; LLVM skips any.
            let Item::Record(record) = item else { continue };
            match version {
                // The version comes first, and all other records depend on it.
                None => version = Some(self.version(&record)?),
                Some(version) => self.record(version, &record)?,
            }
        }
        match version {
            Some(_) => Ok(()),
            None => Err(damaged("a summary without version")),
        }
    }

    fn version(&self, record: &Record<'_>) -> Result<u64, ReadError> {
        match record.numbers[..] {
            [version] if record.code == code::VERSION => {
                if VERSIONS.contains(&version) {
                    Ok(version)
                } else {
                    Err(ReadError::BitcodeSummaryVersion {
                        version,
                        producer: self.producer.to_owned(),
                    })
                }
            }
            _ => Err(damaged("a summary without version")),
        }
    }

    fn record(&mut self, version: u64, record: &Record<'_>) -> Result<(), ReadError> {
        let short = || damaged("a record of the summary ends too early");
        let numbers = &record.numbers[..];
        match record.code {
            code::FUNCTION | code::FUNCTION_PROFILE | code::FUNCTION_RELBF => {
                let [value, flags, instructions, _, count, _, _, rest @ ..] = numbers else {
                    return Err(short());
                };
                let (references, calls) = split(rest, *count).ok_or_else(short)?;
                let size = if record.code == code::FUNCTION { 1 } else { 2 };
                let callees = first_of_each(calls, size).ok_or_else(short)?;
                let mut summary = self.summary(*flags, references, callees)?;
                summary.instructions = Some(*instructions);
                self.add(*value, GlobalValueKind::Function, summary)
            }
            code::VARIABLE => {
                let [value, flags, _, references @ ..] = numbers else {
                    return Err(short());
                };
                let summary = self.summary(*flags, references, [])?;
                self.add(*value, GlobalValueKind::Variable, summary)
            }
            code::VTABLE => {
                let [value, flags, _, count, rest @ ..] = numbers else {
                    return Err(short());
                };
                let (references, entries) = split(rest, *count).ok_or_else(short)?;
                let functions = first_of_each(entries, 2).ok_or_else(short)?;
                let named = references.iter().chain(functions);
                let summary = self.summary(*flags, named, [])?;
                self.add(*value, GlobalValueKind::Variable, summary)
            }
            code::ALIAS => {
                let [value, flags, aliasee] = *numbers else {
                    return Err(short());
                };
                let summary = self.summary(flags, &[aliasee], [])?;
                self.add(value, GlobalValueKind::Alias, summary)
            }
            code::VALUE_GUID => {
                let (value, guid) = match *numbers {
                    [value, guid] if version < GUID_IN_HALVES => (value, guid),
                    [value, upper, lower] if version >= GUID_IN_HALVES => {
                        (value, upper << 32 | lower & 0xffff_ffff)
                    }
                    _ => return Err(short()),
                };
                self.guids.insert(value, Guid(guid));
                Ok(())
            }
            other if code::WITHOUT_REFERENCES.contains(&other) => Ok(()),
            code => Err(ReadError::BitcodeSummaryRecord {
                code,
                producer: self.producer.to_owned(),
            }),
        }
    }

    /// The flags are, from the lowest: linkage in four bits, then whether other modules must not import a
    /// copy, and whether it is needed in any case.
    fn summary<'numbers>(
        &self,
        flags: u64,
        named: impl IntoIterator<Item = &'numbers u64>,
        callees: impl IntoIterator<Item = &'numbers u64>,
    ) -> Result<ValueSummary, ReadError> {
        let mut summary = ValueSummary {
            is_not_eligible_to_import: flags & 1 << 4 != 0,
            is_live: flags & 1 << 5 != 0,
            ..ValueSummary::default()
        };
        let mut seen = HashSet::new();
        let named = named.into_iter().map(|value| (value, true));
        let callees = callees.into_iter().map(|value| (value, false));
        for (value, is_named) in named.chain(callees) {
            if !seen.insert(value) {
                continue;
            }
            let index = usize::try_from(*value).ok();
            if let Some(index) = index.filter(|&index| index < self.values.len()) {
                summary.references.push(ValueIndex(self.first + index));
                summary.n_named += usize::from(is_named);
            } else if let Some(guid) = self.guids.get(value) {
                summary.profiled.push(*guid);
            } else {
                return Err(damaged(&format!(
                    "its summary refers to value {value} of {}",
                    self.values.len()
                )));
            }
        }
        Ok(summary)
    }

    /// Sets the summary of a value. Comparing the kinds also checks the numbering.
    fn add(
        &mut self,
        value: u64,
        kind: GlobalValueKind,
        summary: ValueSummary,
    ) -> Result<(), ReadError> {
        let n_values = self.values.len();
        let index = usize::try_from(value).ok();
        let found = index.and_then(|index| self.values.get_mut(index));
        let Some(found) = found else {
            return Err(damaged(&format!(
                "its summary is about value {value} of {n_values}"
            )));
        };
        if found.kind != kind {
            return Err(damaged(&format!(
                "its summary takes {} for another kind of value",
                found.name
            )));
        }
        if found.summary.replace(summary).is_some() {
            return Err(damaged(&format!("two summaries of {}", found.name)));
        }
        Ok(())
    }
}

/// Returns the first `count` numbers, and the rest.
fn split(numbers: &[u64], count: u64) -> Option<(&[u64], &[u64])> {
    numbers.split_at_checked(usize::try_from(count).ok()?)
}

/// Returns the first of every `size` numbers, or `None` if their number is not a multiple of `size`.
fn first_of_each(numbers: &[u64], size: usize) -> Option<impl Iterator<Item = &u64>> {
    let even = numbers.len().is_multiple_of(size);
    even.then(|| numbers.iter().step_by(size))
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Attributes the bytes of a linked kernel to symbols and objects.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use object_model::{
    Binding, Elf, Input, Object, Section, SectionIndex, Symbol, SymbolKind, source_name,
};

use super::inputs::object_name;
use super::sections::{Group, family, group};

/// The object of bytes without a symbol.
pub const NO_SYMBOL: &str = "(padding and tables without symbols)";
/// The object of symbols that no input defines.
pub const NO_OBJECT: &str = "(symbols that no input defines)";
/// The object of symbols that several inputs define, if none of them is known to be the one.
pub const SEVERAL: &str = "(symbols that several inputs define)";

/// A function or variable of the source: its object, and its name there. Symbols of the same name
/// in one object are one, and so are the parts of a split function.
pub type Key = (String, String);

/// The memory use of a [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The group with most of its bytes.
    pub group: Group,
    /// Its size in bytes.
    pub size: u64,
    /// The number of its symbols.
    pub n_parts: u64,
    /// The number of its executed instructions, if measured.
    pub executed: u64,
    largest: u64,
}

impl Entry {
    /// Returns the sum of both.
    pub fn and(&self, other: &Self) -> Self {
        let larger = if other.largest > self.largest {
            other
        } else {
            self
        };
        Self {
            size: self.size + other.size,
            n_parts: self.n_parts + other.n_parts,
            executed: self.executed + other.executed,
            ..*larger
        }
    }
}

/// All bytes of a kernel in memory, each counted once.
#[derive(Debug, Default)]
pub struct Attributed {
    /// The entries of symbols.
    pub symbols: BTreeMap<Key, Entry>,
    /// Bytes without a symbol, by group and section.
    pub without_symbol: BTreeMap<(Group, String), u64>,
}

impl Attributed {
    fn add(&mut self, object: &str, name: &str, group: Group, size: u64) {
        let part = Entry {
            group,
            size,
            n_parts: 1,
            executed: 0,
            largest: size,
        };
        let key = (object.to_owned(), name.to_owned());
        let entry = self.symbols.entry(key);
        entry
            .and_modify(|all| *all = all.and(&part))
            .or_insert(part);
    }
}

/// The number of executed instructions, by the address of the first instruction of a block.
pub type Executed = BTreeMap<u64, u64>;

impl Attributed {
    /// Adds the executed instructions to the symbols of `linked`, the kernel that was run. Returns
    /// the number of instructions outside of these symbols, most of them in modules.
    pub fn add_executed(&mut self, linked: &Elf, inputs: &[Input], executed: &Executed) -> u64 {
        let definers = Definers::new(inputs);
        let owners = Owners::new(linked, &definers);
        let mut in_sections = sized_symbols(linked);
        let mut elsewhere: u64 = executed.values().sum();
        for section in linked.sections().iter().filter(|s| s.is_allocated()) {
            let symbols = in_sections.remove(&section.index).unwrap_or_default();
            for (position, symbol, start, size) in extents(section, symbols) {
                let first = section.address + start;
                let n: u64 = executed.range(first..first + size).map(|(_, n)| n).sum();
                if n == 0 {
                    continue;
                }
                let object = owners.of(position, symbol).to_owned();
                let key = (object, source_name(symbol.name).to_owned());
                if let Some(entry) = self.symbols.get_mut(&key) {
                    entry.executed += n;
                    elsewhere -= n;
                }
            }
        }
        elsewhere
    }
}

/// Attributes the bytes of `elf`, which was linked from `inputs`, except those that the final link
/// discards.
pub fn attribute(elf: &Elf, inputs: &[Input]) -> Attributed {
    let definers = Definers::new(inputs);
    let owners = Owners::new(elf, &definers);
    let mut in_sections = sized_symbols(elf);
    let mut found = Attributed::default();
    for section in elf.sections().iter().filter(|s| s.is_allocated()) {
        let group = group(elf, section);
        if group == Group::Discarded {
            continue;
        }
        let symbols = in_sections.remove(&section.index).unwrap_or_default();
        let mut rest = section.size;
        for (position, symbol, _, size) in extents(section, symbols) {
            rest -= size;
            let object = owners.of(position, symbol);
            found.add(object, source_name(symbol.name), group, size);
        }
        if rest > 0 {
            let place = (group, family(section.name).to_owned());
            *found.without_symbol.entry(place).or_default() += rest;
        }
    }
    found
}

/// Returns the symbols of each section that have a size, with their positions in the symbol table.
fn sized_symbols<'elf, 'data>(
    elf: &'elf Elf<'data>,
) -> HashMap<SectionIndex, Vec<(usize, &'elf Symbol<'data>)>> {
    let mut in_sections: HashMap<_, Vec<_>> = HashMap::new();
    for (position, symbol) in elf.symbols().iter().enumerate() {
        if let Some(section) = symbol.section
            && !symbol.is_format_specific()
            && symbol.size > 0
        {
            let symbols = in_sections.entry(section).or_default();
            symbols.push((position, symbol));
        }
    }
    in_sections
}

/// Returns the start and number of the bytes of `section` that belong to each symbol. Of aliases,
/// the first by binding and name gets the bytes; a symbol inside another gets none. No byte is
/// counted twice, and none beyond the end of the section.
fn extents<'elf, 'data>(
    section: &Section,
    mut symbols: Vec<(usize, &'elf Symbol<'data>)>,
) -> Vec<(usize, &'elf Symbol<'data>, u64, u64)> {
    let rank = |binding| match binding {
        Binding::Global => 0,
        Binding::Weak => 1,
        Binding::Local => 2,
    };
    symbols.sort_by_key(|(position, symbol)| {
        let order = (rank(symbol.binding), symbol.name, *position);
        (symbol.value, Reverse(symbol.size), order)
    });
    let mut taken = 0;
    let mut found = Vec::new();
    for (position, symbol) in symbols {
        // In a relocatable file, the section's address is 0.
        let Some(start) = symbol.value.checked_sub(section.address) else {
            continue;
        };
        let end = start.saturating_add(symbol.size).min(section.size);
        let start = start.max(taken);
        if start < end {
            found.push((position, symbol, start, end - start));
            taken = end;
        }
    }
    found
}

/// The definitions in the inputs of a link.
struct Definers<'a> {
    /// The names of the objects.
    objects: Vec<String>,
    by_name: HashMap<&'a str, Vec<Definition>>,
    /// Objects by the name of their file symbol.
    by_file: HashMap<&'a str, Vec<usize>>,
    has_file: Vec<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Definition {
    input: usize,
    binding: Binding,
}

impl<'a> Definers<'a> {
    fn new(inputs: &'a [Input]) -> Self {
        let mut found = Self {
            objects: inputs.iter().map(object_name).collect(),
            by_name: HashMap::new(),
            by_file: HashMap::new(),
            has_file: vec![false; inputs.len()],
        };
        for (input, Input { object, .. }) in inputs.iter().enumerate() {
            for symbol in object.linker_symbols().filter(|s| s.is_defined()) {
                let definition = Definition {
                    input,
                    binding: symbol.binding,
                };
                let name = source_name(symbol.name);
                let known = found.by_name.entry(name).or_default();
                if known.last() != Some(&definition) {
                    known.push(definition);
                }
            }
            for file in files(object) {
                found.by_file.entry(file).or_default().push(input);
                if let Some(has_file) = found.has_file.get_mut(input) {
                    *has_file = true;
                }
            }
        }
        found
    }

    fn named(&self, name: &str) -> &[Definition] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the object of a global name: its first strong definition, else its first weak one.
    fn of_global(&self, name: &str) -> Option<usize> {
        let first = |binding| {
            let mut named = self.named(name).iter();
            named.find(|definition| definition.binding == binding)
        };
        let found = first(Binding::Global).or_else(|| first(Binding::Weak));
        found.map(|definition| definition.input)
    }

    /// Returns the objects with a local symbol of this name.
    fn of_local(&self, name: &str) -> Vec<usize> {
        let named = self.named(name).iter();
        let mut inputs: Vec<_> = named
            .filter(|definition| definition.binding == Binding::Local)
            .map(|definition| definition.input)
            .collect();
        inputs.dedup();
        inputs
    }

    fn defines(&self, input: usize, name: &str) -> bool {
        self.named(name).iter().any(|known| known.input == input)
    }

    /// Returns the candidates that define most of `names`.
    fn best(&self, candidates: impl IntoIterator<Item = usize>, names: &HashSet<&str>) -> Best {
        let mut best = Best::default();
        for input in candidates {
            let hits = names.iter().filter(|name| self.defines(input, name));
            let hits = hits.count();
            if best.inputs.is_empty() || hits > best.hits {
                best.hits = hits;
                best.inputs = vec![input];
            } else if hits == best.hits {
                best.inputs.push(input);
            }
        }
        best
    }
}

/// The objects that define most of the names.
#[derive(Default)]
struct Best {
    hits: usize,
    inputs: Vec<usize>,
}

/// Returns the names of the file symbols in code made from `object`.
fn files<'a>(object: &'a Object) -> Vec<&'a str> {
    match object {
        Object::Elf(elf) => {
            let files = elf.symbols().iter().filter(|s| s.kind == SymbolKind::File);
            files.map(|file| file.name).collect()
        }
        // LLVM's `AsmPrinter::doInitialization` removes the path.
        Object::Bitcode(bitcode) => {
            let name = Path::new(bitcode.source_file()).file_name();
            name.and_then(|name| name.to_str()).into_iter().collect()
        }
    }
}

/// The objects of the symbols of a linked file.
struct Owners<'a> {
    definers: &'a Definers<'a>,
    /// For each symbol, the file symbol in front of it.
    file_of: Vec<Option<usize>>,
    /// For each file symbol, its object.
    input_of_file: Vec<Option<usize>>,
    /// Objects by the suffix that thin LTO appends to the names of a module.
    input_of_hash: HashMap<&'a str, usize>,
    /// For each local symbol whose name several objects define, the object of its neighbours.
    by_neighbours: HashMap<usize, usize>,
}

impl<'a> Owners<'a> {
    fn new(elf: &'a Elf, definers: &'a Definers<'a>) -> Self {
        let mut file_of = Vec::with_capacity(elf.symbols().len());
        let mut groups: Vec<(&str, HashSet<&str>)> = Vec::new();
        let mut of_hash: HashMap<&str, HashSet<&str>> = HashMap::new();
        for symbol in elf.symbols() {
            if symbol.kind == SymbolKind::File {
                groups.push((symbol.name, HashSet::new()));
            }
            let is_local = symbol.is_local() && symbol.section.is_some();
            let name = source_name(symbol.name);
            file_of.push(groups.len().checked_sub(1).filter(|_| is_local));
            if !symbol.is_format_specific() {
                if is_local && let Some((_, names)) = groups.last_mut() {
                    names.insert(name);
                }
                if let Some(hash) = hash(symbol.name) {
                    of_hash.entry(hash).or_default().insert(name);
                }
            }
        }
        let mut owners = Self {
            definers,
            file_of,
            input_of_file: input_of_files(definers, &groups),
            input_of_hash: HashMap::new(),
            by_neighbours: HashMap::new(),
        };
        for (hash, names) in of_hash {
            let locals = names.iter().flat_map(|name| definers.of_local(name));
            let candidates: HashSet<_> = locals.collect();
            if let [input] = definers.best(candidates, &names).inputs[..] {
                owners.input_of_hash.insert(hash, input);
            }
        }
        owners.by_neighbours = owners.neighbours(elf);
        owners
    }

    /// Returns the object of the symbol at `position` of the symbol table, or its substitute.
    fn of(&self, position: usize, symbol: &Symbol) -> &str {
        let input = match self.input(position, symbol) {
            Owner::Input(input) => Some(input),
            Owner::Several => match self.by_neighbours.get(&position) {
                Some(input) => Some(*input),
                None => return SEVERAL,
            },
            Owner::None => None,
        };
        let object = input.and_then(|input| self.definers.objects.get(input));
        object.map_or(NO_OBJECT, String::as_str)
    }

    fn input(&self, position: usize, symbol: &Symbol) -> Owner {
        let Self { definers, .. } = self;
        let name = source_name(symbol.name);
        let file = self.file_of.get(position).copied().flatten();
        let of_file = file.and_then(|file| self.input_of_file.get(file).copied().flatten());
        let is_local = symbol.is_local();
        if is_local
            && let Some(input) = of_file
            && definers.defines(input, name)
        {
            return Owner::Input(input);
        }
        if let Some(hash) = hash(symbol.name) {
            if let Some(input) = self.input_of_hash.get(hash) {
                return Owner::Input(*input);
            }
        } else if (name == symbol.name || !is_local)
            && !(is_local && file.is_none() && !definers.of_local(name).is_empty())
        {
            // A local symbol may be a global that the linker was told to hide. One before all file symbols is a
            // static that thin LTO had made global.
            if let Some(input) = definers.of_global(symbol.name) {
                return Owner::Input(input);
            }
        }
        let mut locals = definers.of_local(name);
        if of_file.is_some() {
            // Only an object without a file symbol can have symbols after another object's file symbol.
            locals.retain(|input| definers.has_file.get(*input) == Some(&false));
        }
        match (locals.as_slice(), of_file) {
            ([input], _) => Owner::Input(*input),
            // The symbol table of bitcode lacks symbols that the compiler makes.
            (_, Some(input)) if is_local => Owner::Input(input),
            ([], _) => definers.of_global(name).map_or(Owner::None, Owner::Input),
            (_, _) => Owner::Several,
        }
    }

    /// Returns the object of symbols that several objects define, if their neighbours tell it: full LTO
    /// merges everything in link order, so a symbol between two of one object that defines it is of that.
    fn neighbours(&self, elf: &Elf) -> HashMap<usize, usize> {
        let mut found = HashMap::new();
        let mut before = None;
        let mut between: Vec<(usize, &str)> = Vec::new();
        let symbols = elf.symbols().iter().enumerate();
        for (position, symbol) in symbols.filter(|(_, symbol)| {
            symbol.is_local() && symbol.section.is_some() && !symbol.is_format_specific()
        }) {
            match self.input(position, symbol) {
                Owner::Several => between.push((position, source_name(symbol.name))),
                Owner::None => {}
                Owner::Input(behind) => {
                    for (position, name) in between.drain(..) {
                        if before == Some(behind) && self.definers.defines(behind, name) {
                            found.insert(position, behind);
                        }
                    }
                    before = Some(behind);
                }
            }
        }
        found
    }
}

/// The origin of a symbol.
#[derive(Clone, Copy)]
enum Owner {
    Input(usize),
    Several,
    None,
}

/// Returns the object of each file symbol, given with the names of the locals after it. Of equal
/// candidates, the first that no other file symbol has is chosen: both are in link order.
fn input_of_files(definers: &Definers, groups: &[(&str, HashSet<&str>)]) -> Vec<Option<usize>> {
    let mut used = HashSet::new();
    let choose = |(file, names): &(&str, HashSet<&str>)| {
        let candidates = definers.by_file.get(file)?;
        let best = definers.best(candidates.iter().copied(), names);
        let unused = best.inputs.iter().find(|input| !used.contains(*input));
        let chosen = *unused.or(best.inputs.first())?;
        used.insert(chosen);
        Some(chosen)
    };
    groups.iter().map(choose).collect()
}

/// Returns thin LTO's suffix in the name of a promoted symbol, the same for all symbols of a
/// module. Source: `ModuleSummaryIndex::getGlobalNameForLocal`.
fn hash(name: &str) -> Option<&str> {
    let (_, hash) = name.rsplit_once(".llvm.")?;
    let hash = hash.split('.').next().unwrap_or(hash);
    let is_number = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(hash)
}

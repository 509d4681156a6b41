// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Symbol resolution: decides which library members a link takes, and which definition of a name
//! prevails.
//!
//! The rules are those of ld.lld. Objects are taken in link order. A library member is linked as
//! soon as an object refers to one of its definitions, unless the reference is weak. The first of
//! several definitions prevails, but a weak one gives way to a strong one. Roots, commands and
//! checks all use this one result.
//!
//! Sources: `Symbol::resolve`, `Symbol::shouldReplace`, `ObjFile::parseLazy` and `handleLibcall` of lld;
//! `Builder::addSymbol` in LLVM's `IRSymtab.cpp` (what is marked as used).

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use object_model::{
    Binding, Bitcode, Definition, Faults, Input, InputError, SectionIndex, Symbol, SymbolIndex,
};

use crate::read::inputs::{Inputs, is_bitcode};

/// The state of a name.
#[derive(Clone, Copy, Debug)]
enum Name {
    /// An object refers to it. A weak reference takes no library member.
    Undefined { is_weak: bool },
    /// The library member at this place of the inputs defines it, and is not linked.
    Member { object: usize },
    /// The object at this place of the inputs defines it.
    Defined { object: usize, is_weak: bool },
}

/// The result of symbol resolution: which objects are linked, and whose definitions count.
#[derive(Debug)]
pub struct Resolution<'all, 'data> {
    objects: &'all [Input<'data>],
    names: HashMap<&'data str, Name>,
    is_linked: Vec<bool>,
    link_order: Vec<usize>,
    /// The signatures of COMDAT groups that are linked, with the object that has the first of each.
    comdats: HashMap<&'data str, usize>,
    /// The symbols of each object that are in groups of an earlier object.
    discarded: HashMap<usize, HashSet<SymbolIndex>>,
    droppable: OnceCell<HashMap<&'data str, usize>>,
}

impl<'all, 'data> Resolution<'all, 'data> {
    /// Resolves the symbols of `inputs`. `needed` are names referenced from elsewhere, such as code
    /// generated from the inputs.
    ///
    /// # Errors
    /// Every native object with a damaged COMDAT group.
    pub fn of<'names>(
        inputs: &'all Inputs<'data>,
        needed: impl IntoIterator<Item = &'names str>,
    ) -> Result<Self, Faults<InputError>> {
        Self::of_objects(&inputs.objects, inputs.n_always, needed)
    }

    /// Resolves the symbols of `objects`, of which the first `n_always` are always linked.
    ///
    /// # Errors
    /// The errors of [`Self::of`].
    pub(crate) fn of_objects<'names>(
        objects: &'all [Input<'data>],
        n_always: usize,
        needed: impl IntoIterator<Item = &'names str>,
    ) -> Result<Self, Faults<InputError>> {
        let mut resolving = Resolving {
            n_always,
            groups: groups(objects)?,
            resolution: Self {
                objects,
                names: HashMap::new(),
                is_linked: vec![false; objects.len()],
                link_order: Vec::new(),
                comdats: HashMap::new(),
                discarded: HashMap::new(),
                droppable: OnceCell::new(),
            },
        };
        for object in 0..objects.len() {
            if object < n_always {
                resolving.link(object);
            } else {
                resolving.offer(object);
            }
        }
        for name in needed {
            let found = resolving.resolution.names.get(name);
            if let Some(&Name::Member { object }) = found {
                resolving.link(object);
            }
        }
        resolving.link_library_calls();
        Ok(resolving.resolution)
    }

    /// Returns the object at this place of the inputs.
    pub(crate) fn object(&self, object: usize) -> Option<&'all Input<'data>> {
        self.objects.get(object)
    }

    /// Returns the places of the linked objects among the inputs: the always linked objects in the
    /// given order, then members of libraries in the order in which they are needed.
    pub fn link_order(&self) -> &[usize] {
        &self.link_order
    }

    /// Returns whether the object at this place of the inputs is linked.
    pub fn is_linked(&self, object: usize) -> bool {
        self.is_linked.get(object).is_some_and(|linked| *linked)
    }

    /// Returns the linked objects in link order.
    pub fn linked(&self) -> impl Iterator<Item = &'all Input<'data>> + Clone {
        let order = self.link_order.iter();
        order.filter_map(|&object| self.objects.get(object))
    }

    /// Returns the place of the object whose definition of `name` prevails.
    pub fn prevailing(&self, name: &str) -> Option<usize> {
        match self.names.get(name) {
            Some(&Name::Defined { object, .. }) => Some(object),
            _ => None,
        }
    }

    /// Returns whether an earlier object has the group of the symbol too.
    fn is_discarded(&self, object: usize, symbol: &Symbol) -> bool {
        let discarded = self.discarded.get(&object);
        discarded.is_some_and(|symbols| symbols.contains(&symbol.index))
    }

    /// Returns the place of the library member that defines `name`, if no linked object does.
    pub fn member(&self, name: &str) -> Option<usize> {
        match self.names.get(name) {
            Some(&Name::Member { object }) => Some(object),
            _ => None,
        }
    }

    /// Returns the definitions of linked bitcode that prevail, so that a link can drop them, each with the
    /// place of its object.
    pub(crate) fn droppable(&self) -> &HashMap<&'data str, usize> {
        self.droppable.get_or_init(|| {
            let mut droppable = HashMap::new();
            for &object in &self.link_order {
                let input = self.object(object);
                let Some(bitcode) = input.and_then(|input| input.object.as_bitcode()) else {
                    continue;
                };
                for symbol in bitcode.symbols() {
                    if is_definition(symbol) && self.prevailing(symbol.name) == Some(object) {
                        droppable.insert(symbol.name, object);
                    }
                }
            }
            droppable
        })
    }

    /// Returns the linked native objects with weak definitions that give way to definitions of bitcode, and
    /// the symbols of these weak definitions.
    pub(crate) fn overridden(&self) -> Vec<(usize, Vec<SymbolIndex>)> {
        let mut overridden = Vec::new();
        for &object in &self.link_order {
            let input = self.object(object);
            let Some(elf) = input.and_then(|input| input.object.as_elf()) else {
                continue;
            };
            let by_bitcode = |symbol: &&Symbol| {
                symbol.is_defined()
                    && symbol.binding == Binding::Weak
                    && self
                        .prevailing(symbol.name)
                        .and_then(|other| self.object(other))
                        .is_some_and(is_bitcode)
            };
            let symbols = elf.symbols().iter().filter(by_bitcode);
            let symbols: Vec<SymbolIndex> = symbols.map(|symbol| symbol.index).collect();
            if !symbols.is_empty() {
                overridden.push((object, symbols));
            }
        }
        overridden
    }
}

/// Returns whether a second definition of the same name is a fault.
pub(crate) fn is_strong(symbol: &Symbol) -> bool {
    symbol.binding == Binding::Global
        && matches!(
            symbol.definition,
            Definition::Defined | Definition::Absolute
        )
}

/// Returns whether a link can drop the symbol of a bitcode object: it is a definition that other
/// objects see.
pub(crate) fn is_definition(symbol: &Symbol) -> bool {
    symbol.is_defined()
        && !symbol.is_local()
        && !symbol.is_from_asm()
        && !symbol.is_format_specific()
}

/// The COMDAT groups of one object: the signature of each, and the symbols in its sections.
type Groups<'data> = Vec<(&'data str, HashSet<SymbolIndex>)>;

/// Returns the COMDAT groups of each native object that has any.
fn groups<'data>(
    objects: &[Input<'data>],
) -> Result<HashMap<usize, Groups<'data>>, Faults<InputError>> {
    let mut groups = HashMap::new();
    let mut faults = Vec::new();
    for (object, input) in objects.iter().enumerate() {
        let Some(elf) = input.object.as_elf() else {
            continue;
        };
        match elf.comdats() {
            Ok(comdats) if comdats.is_empty() => {}
            Ok(comdats) => {
                let of_group = comdats.into_iter().map(|comdat| {
                    let sections: HashSet<SectionIndex> = comdat.sections.into_iter().collect();
                    let symbols = elf.symbols().iter();
                    let within = symbols.filter(|symbol| {
                        symbol
                            .section
                            .is_some_and(|section| sections.contains(&section))
                    });
                    (
                        comdat.signature,
                        within.map(|symbol| symbol.index).collect(),
                    )
                });
                groups.insert(object, of_group.collect());
            }
            Err(error) => faults.push(input.locate(error)),
        }
    }
    Faults::check(groups, faults)
}

/// A resolution that is being made.
struct Resolving<'all, 'data> {
    n_always: usize,
    groups: HashMap<usize, Groups<'data>>,
    resolution: Resolution<'all, 'data>,
}

impl<'data> Resolving<'_, 'data> {
    /// Returns the symbols of an object that others see.
    fn symbols(&self, object: usize) -> Vec<Symbol<'data>> {
        let input = self.resolution.object(object);
        let symbols = input
            .into_iter()
            .flat_map(|input| input.object.linker_symbols());
        symbols
            .filter(|symbol| !symbol.is_local())
            .copied()
            .collect()
    }

    /// Links the object: its definitions count, and its references take library members.
    fn link(&mut self, object: usize) {
        // A queue, because a chain of members that need each other may be long.
        let mut pending = vec![Step::Link(object)];
        while let Some(step) = pending.pop() {
            match step {
                Step::Link(object) => {
                    let is_linked = self.resolution.is_linked.get_mut(object);
                    if is_linked.is_none_or(|linked| std::mem::replace(linked, true)) {
                        continue;
                    }
                    self.resolution.link_order.push(object);
                    self.discard(object);
                    let symbols = self.symbols(object);
                    let (defined, undefined): (Vec<_>, Vec<_>) =
                        symbols.into_iter().partition(|symbol| {
                            symbol.is_defined() && !self.resolution.is_discarded(object, symbol)
                        });
                    for symbol in defined {
                        self.define(object, &symbol);
                    }
                    // The last element is taken first.
                    pending.extend(undefined.into_iter().rev().map(Step::Refer));
                }
                Step::Refer(symbol) => pending.extend(self.refer(&symbol).map(Step::Link)),
            }
        }
    }

    /// Leaves out the object's groups that an earlier object has too.
    fn discard(&mut self, object: usize) {
        for (signature, symbols) in self.groups.remove(&object).unwrap_or_default() {
            let first = *self.resolution.comdats.entry(signature).or_insert(object);
            if first != object {
                let discarded = self.resolution.discarded.entry(object).or_default();
                discarded.extend(symbols);
            }
        }
    }

    fn define(&mut self, object: usize, symbol: &Symbol<'data>) {
        // A tentative definition gives way to a real one, as a weak one does.
        let is_weak = symbol.binding == Binding::Weak || symbol.definition == Definition::Common;
        let defined = Name::Defined { object, is_weak };
        let name = self.resolution.names.entry(symbol.name).or_insert(defined);
        match name {
            Name::Defined { is_weak: false, .. } => {}
            Name::Defined { is_weak: true, .. } if is_weak => {}
            _ => *name = defined,
        }
    }

    /// Notes a reference, and returns the library member that it takes.
    fn refer(&mut self, symbol: &Symbol<'data>) -> Option<usize> {
        let is_weak = symbol.binding == Binding::Weak;
        let undefined = Name::Undefined { is_weak };
        match self
            .resolution
            .names
            .entry(symbol.name)
            .or_insert(undefined)
        {
            Name::Undefined { is_weak: known } => {
                *known &= is_weak;
                None
            }
            Name::Member { object } if !is_weak => Some(*object),
            Name::Member { .. } | Name::Defined { .. } => None,
        }
    }

    /// Offers a library member. It is linked if an earlier object refers to one of its definitions.
    fn offer(&mut self, object: usize) {
        for symbol in self.symbols(object) {
            if !symbol.is_defined() {
                continue;
            }
            let member = Name::Member { object };
            match self.resolution.names.entry(symbol.name).or_insert(member) {
                Name::Undefined { is_weak: false } => return self.link(object),
                undefined @ Name::Undefined { is_weak: true } => *undefined = member,
                Name::Member { .. } | Name::Defined { .. } => {}
            }
        }
    }

    /// Links the bitcode members that define functions to which code generation may insert calls:
    /// if there is bitcode, the linker takes these members before it generates code.
    fn link_library_calls(&mut self) {
        let bitcode = |object: usize| {
            let input = self.resolution.object(object);
            input.and_then(|input| input.object.as_bitcode())
        };
        if !self
            .resolution
            .link_order
            .iter()
            .any(|&object| bitcode(object).is_some())
        {
            return;
        }
        let members: Vec<usize> = (self.n_always..self.resolution.objects.len())
            .filter(|&object| {
                let names = bitcode(object).map(library_calls).unwrap_or_default();
                names.iter().any(|name| {
                    let name = self.resolution.names.get(name);
                    matches!(name, Some(Name::Member { object: of }) if *of == object)
                })
            })
            .collect();
        for member in members {
            self.link(member);
        }
    }
}

/// Returns the functions of `bitcode` to which code generation may insert calls. LLVM marks them like
/// functions that the source marks as used, but only the latter are also in a list in the bitcode.
fn library_calls<'data>(bitcode: &Bitcode<'data>) -> Vec<&'data str> {
    let marked = bitcode
        .symbols()
        .iter()
        .filter(|symbol| is_definition(symbol) && symbol.is_used());
    let marked: Vec<&str> = marked.map(|symbol| symbol.name).collect();
    if marked.is_empty() {
        return marked;
    }
    // Bitcode without a summary has no such list. A damaged summary is reported by its user.
    let by_source: Option<HashSet<&str>> = bitcode.summary().ok().flatten().map(|summary| {
        let lists = summary
            .values
            .iter()
            .filter(|value| value.name.starts_with("llvm."));
        let listed = lists.filter_map(|list| list.summary.as_ref());
        let values = listed.flat_map(|list| list.references.iter());
        values
            .filter_map(|&value| Some(summary.value(value)?.name))
            .collect()
    });
    let is_call = |name: &&str| {
        MEMORY_CALLS.contains(name)
            || by_source
                .as_ref()
                .is_some_and(|source| !source.contains(name))
    };
    marked.into_iter().filter(is_call).collect()
}

/// A pending step of linking an object.
enum Step<'data> {
    Link(usize),
    Refer(Symbol<'data>),
}

/// Functions that LLVM calls instead of its own instructions, and that a kernel may also mark as
/// used. Source: `llvm/IR/RuntimeLibcalls.td`.
const MEMORY_CALLS: [&str; 4] = ["memcpy", "memmove", "memset", "__stack_chk_fail"];

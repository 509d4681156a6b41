// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The graph of definitions in bitcode, and which of them the roots reach.
//!
//! Source: `computeDeadSymbolsAndUpdateIndirectCalls` in LLVM's `FunctionImport.cpp`, which makes the same
//! decision on the same summaries.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use object_model::{GlobalValue, Input, InputError, Linkage, Object, Summary, ValueIndex};

use crate::read::inputs::object_name;
use crate::resolve::assembly::{KnownTexts, ObjectAssembly};

/// A definition: the position of its object among those with a summary, and its position in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) object: usize,
    pub(crate) value: ValueIndex,
}

/// The way to a reached definition.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Via {
    Root,
    From(Node),
}

/// A bitcode object of a link.
#[derive(Debug)]
struct BitcodeObject<'data> {
    name: String,
    summary: Summary<'data>,
    /// The section of each definition whose source asks for one.
    sections: HashMap<&'data str, &'data str>,
    assembly: ObjectAssembly,
}

/// The definitions of a link, and whether they stay.
#[derive(Debug)]
pub struct Reach<'data> {
    objects: Vec<BitcodeObject<'data>>,
    by_name: HashMap<&'data str, Vec<Node>>,
    reached: HashMap<Node, Via>,
}

impl<'data> Reach<'data> {
    /// Reads the bitcode objects among `inputs`, and follows references from the definitions named
    /// `roots` and from definitions that the bitcode marks as used.
    ///
    /// # Errors
    /// The first object whose summary or assembly cannot be read.
    pub fn of<'all, 'names>(
        inputs: impl IntoIterator<Item = &'all Input<'data>>,
        roots: impl IntoIterator<Item = &'names str>,
    ) -> Result<Self, InputError>
    where
        'data: 'all,
    {
        let mut reach = Self::read(inputs)?;
        reach.follow(roots);
        Ok(reach)
    }

    /// Reads the bitcode objects among `inputs`. No definition is reached yet.
    ///
    /// # Errors
    /// The first object whose summary or assembly cannot be read.
    pub(crate) fn read<'all>(
        inputs: impl IntoIterator<Item = &'all Input<'data>>,
    ) -> Result<Self, InputError>
    where
        'data: 'all,
    {
        let mut objects = Vec::new();
        let mut known = KnownTexts::default();
        for input in inputs {
            if let Object::Bitcode(bitcode) = &input.object
                && let Some(summary) = bitcode.summary().map_err(|error| input.locate(error))?
            {
                let defined = bitcode
                    .symbols()
                    .iter()
                    .filter(|symbol| symbol.is_defined());
                objects.push(BitcodeObject {
                    name: object_name(input),
                    summary,
                    sections: defined
                        .filter_map(|symbol| Some((symbol.name, symbol.section_name?)))
                        .collect(),
                    assembly: ObjectAssembly::of(bitcode, &mut known)
                        .map_err(|error| input.locate(error))?,
                });
            }
        }
        let mut reach = Self {
            objects,
            by_name: HashMap::new(),
            reached: HashMap::new(),
        };
        let nodes: Vec<Node> = reach.nodes().collect();
        for node in &nodes {
            let value = reach.value(*node);
            if !value.linkage.is_local() {
                reach.by_name.entry(value.name).or_default().push(*node);
            }
        }
        Ok(reach)
    }

    /// Follows references from the definitions named `roots` and from definitions that the bitcode
    /// marks as used.
    pub(crate) fn follow<'names>(&mut self, roots: impl IntoIterator<Item = &'names str>) {
        let names: HashSet<&str> = roots.into_iter().collect();
        let is_root = |node: &Node| self.is_live(*node) || self.is_named(*node, &names);
        let roots: Vec<Node> = self.nodes().filter(is_root).collect();
        self.reached = self.reached_from(roots);
    }

    /// Returns the names in the assembly of each object.
    pub(crate) fn assembly(&self) -> impl Iterator<Item = (&str, &ObjectAssembly)> {
        let objects = self.objects.iter();
        objects.map(|object| (object.name.as_str(), &object.assembly))
    }

    /// Returns whether no definition stays.
    pub(crate) fn keeps_nothing(&self) -> bool {
        self.reached.is_empty()
    }

    /// Returns the names of the definitions that stay and that other objects see.
    pub(crate) fn kept_names(&self) -> impl Iterator<Item = &'data str> + '_ {
        let values = self.reached.keys().map(|node| self.value(*node));
        values
            .filter(|value| !value.linkage.is_local())
            .map(|value| value.name)
    }

    /// Returns the definitions that stay.
    pub(crate) fn reached(&self) -> impl Iterator<Item = Node> + '_ {
        self.reached.keys().copied()
    }

    /// Returns how a definition is reached, if it stays.
    pub(crate) fn via(&self, node: Node) -> Option<Via> {
        self.reached.get(&node).copied()
    }

    /// Returns the functions whose inline assembly defines symbols.
    pub(crate) fn defining(&self) -> impl Iterator<Item = Node> + '_ {
        let objects = self.objects.iter().enumerate();
        objects.flat_map(|(object, of)| {
            let defining = of.assembly.defining();
            defining.map(move |value| Node { object, value })
        })
    }

    /// Returns whether the bitcode marks the definition as used.
    pub(crate) fn is_live(&self, node: Node) -> bool {
        let summary = self.value(node).summary.as_ref();
        summary.is_some_and(|summary| summary.is_live)
    }

    /// Returns whether other objects see the definition by one of `names`.
    pub(crate) fn is_named(&self, node: Node, names: &HashSet<&str>) -> bool {
        let value = self.value(node);
        !value.linkage.is_local() && names.contains(value.name)
    }

    /// Returns all definitions, object by object.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        let objects = self.objects.iter().enumerate();
        objects.flat_map(|(object, definitions)| {
            let values = definitions.summary.values.iter().enumerate();
            values
                .filter(|(_, value)| is_definition(value))
                .map(move |(index, _)| Node {
                    object,
                    value: ValueIndex(index),
                })
        })
    }

    pub(crate) fn value(&self, node: Node) -> &GlobalValue<'data> {
        // Every node was made from an existing value.
        &self.objects[node.object].summary.values[node.value.0]
    }

    pub(crate) fn object(&self, node: Node) -> &str {
        &self.objects[node.object].name
    }

    pub(crate) fn symbol_and_object(&self, node: Node) -> (String, String) {
        let symbol = self.value(node).name.to_owned();
        (symbol, self.object(node).to_owned())
    }

    /// Returns the definitions to which the definition at `node` refers.
    pub(crate) fn references(&self, node: Node) -> Vec<Node> {
        let summary = self.value(node).summary.as_ref();
        let references = summary.map(|summary| &summary.references[..]);
        self.resolve(node.object, references.unwrap_or_default())
    }

    /// Returns the definitions to which `references` of the object at `object` resolve.
    pub(crate) fn resolve(&self, object: usize, references: &[ValueIndex]) -> Vec<Node> {
        let summary = &self.objects[object].summary;
        let mut nodes = Vec::new();
        for index in references {
            match summary.value(*index) {
                Some(value) if value.linkage.is_local() => nodes.push(Node {
                    object,
                    value: *index,
                }),
                Some(value) => nodes.extend(self.by_name.get(value.name).into_iter().flatten()),
                None => (),
            }
        }
        nodes
    }

    /// Returns all definitions that `roots` reach, and how.
    pub(crate) fn reached_from(&self, roots: Vec<Node>) -> HashMap<Node, Via> {
        let mut reached: HashMap<Node, Via> = roots.iter().map(|root| (*root, Via::Root)).collect();
        let mut queue = VecDeque::from(roots);
        // Breadth first, so that `lto-link why` shows a shortest chain.
        while let Some(node) = queue.pop_front() {
            for reference in self.references(node) {
                if let Entry::Vacant(entry) = reached.entry(reference) {
                    entry.insert(Via::From(node));
                    queue.push_back(reference);
                }
            }
        }
        reached
    }

    /// Returns the section that the source assigns.
    pub(crate) fn section(&self, node: Node) -> Option<&'data str> {
        let sections = &self.objects[node.object].sections;
        sections.get(self.value(node).name).copied()
    }
}

/// Returns whether its object would have code or data for the value.
fn is_definition(value: &GlobalValue) -> bool {
    !value.is_declaration
        && value.summary.is_some()
        && value.linkage != Linkage::AvailableExternally
}

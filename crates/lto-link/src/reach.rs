// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What the roots reach: the definitions of bitcode that stay, each with the one that refers to it, and
//! those that go.
//!
//! Source: `computeDeadSymbolsAndUpdateIndirectCalls` in LLVM's `FunctionImport.cpp`, which decides it
//! on the same summaries.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use object_model::{
    GlobalValue, GlobalValueKind, Input, InputError, Linkage, Object, Summary, ValueIndex,
    source_name,
};

use crate::inputs::object_name;
use crate::roots::{EXPORTED, USED};

/// A definition: the position of its object among those with a summary, and its own in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Node {
    object: usize,
    value: ValueIndex,
}

/// How a definition is reached.
#[derive(Clone, Copy, Debug)]
enum Via {
    Root,
    From(Node),
}

/// The definitions of a link, and which of them stay.
#[derive(Debug)]
pub struct Reach<'data> {
    objects: Vec<(String, Summary<'data>)>,
    by_name: HashMap<&'data str, Vec<Node>>,
    reached: HashMap<Node, Via>,
}

/// A definition that no root reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped<'reach> {
    /// Its name in the source.
    pub symbol: &'reach str,
    /// The object that defined it.
    pub object: &'reach str,
    /// What it was.
    pub kind: GlobalValueKind,
    /// How many instructions of LLVM's a function had; no code was made of them.
    pub instructions: Option<u64>,
    /// How many bytes a variable had.
    pub size: Option<u64>,
}

/// A definition that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<'reach> {
    /// Its name in the source.
    pub symbol: &'reach str,
    /// The object that defines it.
    pub object: &'reach str,
    /// For which kinds of reasons: those of the roots that reach it.
    pub kinds: BTreeSet<&'reach str>,
}

/// What is known of the definitions of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays: who refers to it, who to that, and so on up to a root.
    Kept {
        /// Each as symbol and object; the first is what was asked for, the last is a root.
        chain: Vec<(String, String)>,
    },
    /// It went; those that refer to it went too.
    Dropped {
        /// The object that defined it.
        object: String,
        /// Symbol and object of each.
        referrers: Vec<(String, String)>,
    },
}

impl<'data> Reach<'data> {
    /// Follows the references of those of `inputs` that are bitcode from the definitions called
    /// `roots`, and from all that bitcode itself keeps.
    ///
    /// # Errors
    /// Every object whose summary cannot be read.
    pub fn of<'names>(
        inputs: &[Input<'data>],
        roots: impl IntoIterator<Item = &'names str>,
    ) -> Result<Self, InputError> {
        let mut objects = Vec::new();
        for input in inputs {
            if let Object::Bitcode(bitcode) = &input.object
                && let Some(summary) = bitcode.summary().map_err(|error| input.locate(error))?
            {
                objects.push((object_name(input), summary));
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
        let names: HashSet<&str> = roots.into_iter().collect();
        let is_root = |node: &Node| reach.is_live(*node) || reach.is_named(*node, &names);
        let roots: Vec<Node> = nodes.into_iter().filter(is_root).collect();
        reach.reached = reach.from(roots);
        Ok(reach)
    }

    /// Whether bitcode itself keeps the definition.
    fn is_live(&self, node: Node) -> bool {
        let summary = self.value(node).summary.as_ref();
        summary.is_some_and(|summary| summary.is_live)
    }

    /// Whether others know the definition, by one of `names`.
    fn is_named(&self, node: Node, names: &HashSet<&str>) -> bool {
        let value = self.value(node);
        !value.linkage.is_local() && names.contains(value.name)
    }

    /// What bitcode itself keeps, but for what is kept because it is one of `exported`. Those that the
    /// source marks are in lists, which are variables that live and have names of LLVM's.
    fn used(&self, exported: &HashSet<&str>) -> HashSet<Node> {
        let live = self.nodes().filter(|node| self.is_live(*node));
        let of_source = live.flat_map(|node| match self.value(node).name {
            name if name.starts_with("llvm.") => self.references(node),
            _ => vec![node],
        });
        of_source
            .filter(|node| {
                !self.is_named(*node, exported) && !self.is_mark_of_export(*node, exported)
            })
            .collect()
    }

    /// Whether it is there only to mark one of `exported` as used. Source: `__ADDRESSABLE` in
    /// `include/linux/compiler.h`, of which `__KSYMTAB_ENTRY` in `include/linux/export.h` makes one for
    /// each.
    fn is_mark_of_export(&self, node: Node, exported: &HashSet<&str>) -> bool {
        let references = self.references(node);
        self.value(node)
            .name
            .starts_with("__UNIQUE_ID___addressable_")
            && !references.is_empty()
            && references
                .iter()
                .all(|reference| self.is_named(*reference, exported))
    }

    /// All definitions, object by object.
    fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        let objects = self.objects.iter().enumerate();
        objects.flat_map(|(object, (_, summary))| {
            let values = summary.values.iter().enumerate();
            values
                .filter(|(_, value)| is_definition(value))
                .map(move |(index, _)| Node {
                    object,
                    value: ValueIndex(index),
                })
        })
    }

    fn value(&self, node: Node) -> &GlobalValue<'data> {
        // A node is made of a value that is there.
        &self.objects[node.object].1.values[node.value.0]
    }

    fn named(&self, node: Node) -> (String, String) {
        let symbol = self.value(node).name.to_owned();
        (symbol, self.objects[node.object].0.clone())
    }

    /// What the definition at `node` refers to, among the definitions.
    fn references(&self, node: Node) -> Vec<Node> {
        let summary = &self.objects[node.object].1;
        let mut references = Vec::new();
        let value = self.value(node).summary.iter();
        for index in value.flat_map(|summary| &summary.references) {
            match summary.value(*index) {
                Some(value) if value.linkage.is_local() => references.push(Node {
                    object: node.object,
                    value: *index,
                }),
                Some(value) => {
                    references.extend(self.by_name.get(value.name).into_iter().flatten());
                }
                None => (),
            }
        }
        references
    }

    /// All that `roots` reach, and how.
    fn from(&self, roots: Vec<Node>) -> HashMap<Node, Via> {
        let mut reached: HashMap<Node, Via> = roots.iter().map(|root| (*root, Via::Root)).collect();
        let mut queue = VecDeque::from(roots);
        // Breadth first: the chain that is told is a shortest one.
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

    /// The definitions that stay, in link order, each with the kinds of the roots that reach it.
    /// `roots` are those of the link, name and kind; what bitcode itself keeps is of the kind of those
    /// that are marked as used, but for exports, which are marked so too.
    pub fn kept<'names>(
        &'names self,
        roots: impl IntoIterator<Item = (&'names str, &'names str)>,
    ) -> Vec<Kept<'names>> {
        let mut names: BTreeMap<&str, HashSet<&str>> = BTreeMap::from([(USED, HashSet::new())]);
        for (name, kind) in roots {
            names.entry(kind).or_default().insert(name);
        }
        let mut kinds: HashMap<Node, BTreeSet<&str>> = HashMap::new();
        let exported = names.get(EXPORTED).cloned().unwrap_or_default();
        let used = self.used(&exported);
        for (kind, names) in &names {
            let is_root =
                |node: &Node| *kind == USED && used.contains(node) || self.is_named(*node, names);
            for node in self
                .from(self.nodes().filter(is_root).collect())
                .into_keys()
            {
                kinds.entry(node).or_default().insert(kind);
            }
        }
        let kept = self.nodes().filter_map(|node| {
            Some(Kept {
                symbol: self.value(node).name,
                object: &self.objects[node.object].0,
                kinds: kinds.remove(&node)?,
            })
        });
        kept.collect()
    }

    /// The definitions that no root reaches, in link order.
    pub fn dropped(&self) -> Vec<Dropped<'_>> {
        let nodes = self.nodes().filter(|node| !self.reached.contains_key(node));
        // The text of strings has no name in the source.
        let nodes = nodes.filter(|node| self.value(*node).linkage != Linkage::Private);
        nodes
            .map(|node| {
                let value = self.value(node);
                Dropped {
                    symbol: value.name,
                    object: &self.objects[node.object].0,
                    kind: value.kind,
                    instructions: value
                        .summary
                        .as_ref()
                        .and_then(|summary| summary.instructions),
                    size: value.size,
                }
            })
            .collect()
    }

    /// How many definitions stay.
    pub fn n_kept(&self) -> usize {
        self.reached.len()
    }

    /// What became of each definition that is called `symbol` in the source.
    pub fn why(&self, symbol: &str) -> Vec<Fate> {
        let nodes = self.nodes();
        let asked = nodes.filter(|node| source_name(self.value(*node).name) == symbol);
        asked.map(|node| self.fate(node)).collect()
    }

    fn fate(&self, node: Node) -> Fate {
        let mut chain = vec![self.named(node)];
        let mut at = node;
        loop {
            match self.reached.get(&at) {
                Some(Via::Root) => return Fate::Kept { chain },
                Some(Via::From(from)) => {
                    // `llvm.used` and its like are lists, and no part of the source.
                    if !self.value(*from).name.starts_with("llvm.") {
                        chain.push(self.named(*from));
                    }
                    at = *from;
                }
                None => {
                    let referrers = self
                        .nodes()
                        .filter(|other| *other != node && self.references(*other).contains(&node))
                        .map(|other| self.named(other))
                        .collect();
                    let object = self.objects[node.object].0.clone();
                    return Fate::Dropped { object, referrers };
                }
            }
        }
    }
}

/// Whether code or data would be made of it in its object.
fn is_definition(value: &GlobalValue) -> bool {
    !value.is_declaration
        && value.summary.is_some()
        && value.linkage != Linkage::AvailableExternally
}

/// Where what was dropped of the link of `output` is listed: `vmlinux.lto-dropped` of `vmlinux.o`.
pub fn dropped_path(output: &Path) -> PathBuf {
    output.with_extension("lto-dropped")
}

/// A line for each: symbol, object, what it was, the number of instructions of a function, and the
/// bytes of a variable, separated by tabs; below a line that says so.
pub fn dropped_listing(dropped: &[Dropped]) -> String {
    let mut text = String::from("# symbol\tobject\tkind\tinstructions\tbytes\n");
    for Dropped {
        symbol,
        object,
        kind,
        instructions,
        size,
    } in dropped
    {
        let number =
            |number: &Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let (instructions, bytes) = (number(instructions), number(size));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{symbol}\t{object}\t{}\t{instructions}\t{bytes}",
            name_of(*kind)
        );
    }
    text
}

fn name_of(kind: GlobalValueKind) -> &'static str {
    match kind {
        GlobalValueKind::Variable => "variable",
        GlobalValueKind::Function => "function",
        GlobalValueKind::Alias => "alias",
        GlobalValueKind::IndirectFunction => "indirect function",
    }
}

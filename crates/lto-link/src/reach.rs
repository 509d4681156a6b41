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
    GlobalValue, GlobalValueKind, Input, InputError, Linkage, LtoKind, Object, Summary, ValueIndex,
    source_name,
};
use section_merge::{is_freed, is_staying_code};

use crate::assembly::ObjectAssembly;
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

/// A bitcode object of a link.
#[derive(Debug)]
struct Definitions<'data> {
    /// The name of the object.
    object: String,
    summary: Summary<'data>,
    /// The section of each definition whose source asks for one.
    sections: HashMap<&'data str, &'data str>,
    assembly: ObjectAssembly,
}

/// The definitions of a link, and which of them stay.
#[derive(Debug)]
pub struct Reach<'data> {
    objects: Vec<Definitions<'data>>,
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

/// The definitions of one name.
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

    /// Reads the definitions of those of `inputs` that are bitcode. None of them is reached yet.
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
        for input in inputs {
            if let Object::Bitcode(bitcode) = &input.object
                && let Some(summary) = bitcode.summary().map_err(|error| input.locate(error))?
            {
                let defined = bitcode
                    .symbols()
                    .iter()
                    .filter(|symbol| symbol.is_defined());
                objects.push(Definitions {
                    object: object_name(input),
                    summary,
                    sections: defined
                        .filter_map(|symbol| Some((symbol.name, symbol.section_name?)))
                        .collect(),
                    assembly: ObjectAssembly::of(bitcode).map_err(|error| input.locate(error))?,
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

    /// Follows the references from the definitions called `roots`, and from all that bitcode itself keeps.
    pub(crate) fn follow<'names>(&mut self, roots: impl IntoIterator<Item = &'names str>) {
        let names: HashSet<&str> = roots.into_iter().collect();
        let is_root = |node: &Node| self.is_live(*node) || self.is_named(*node, &names);
        let roots: Vec<Node> = self.nodes().filter(is_root).collect();
        self.reached = self.from(roots);
    }

    /// The names in the assembly of each object.
    pub(crate) fn assembly(&self) -> impl Iterator<Item = (&str, &ObjectAssembly)> {
        let objects = self.objects.iter();
        objects.map(|definitions| (definitions.object.as_str(), &definitions.assembly))
    }

    /// The functions that others see and whose inline assembly defines symbols; for one that only its object
    /// knows, those of which it may become a part.
    pub(crate) fn defining_in_assembly(&self) -> BTreeSet<(&'data str, &str)> {
        let mut callers: HashMap<Node, Vec<Node>> = HashMap::new();
        let mut pending = Vec::new();
        for (object, definitions) in self.objects.iter().enumerate() {
            for value in definitions.assembly.defining() {
                pending.push(Node { object, value });
            }
        }
        if pending
            .iter()
            .any(|node| self.value(*node).linkage.is_local())
        {
            for node in self.nodes() {
                for reference in self.references(node) {
                    callers.entry(reference).or_default().push(node);
                }
            }
        }
        let mut seen: HashSet<Node> = pending.iter().copied().collect();
        let mut found = BTreeSet::new();
        while let Some(node) = pending.pop() {
            if !self.value(node).linkage.is_local() {
                found.insert((self.value(node).name, self.object(node)));
                continue;
            }
            for caller in callers.get(&node).into_iter().flatten() {
                if seen.insert(*caller) {
                    pending.push(*caller);
                }
            }
        }
        found
    }

    /// The variables that others see and whose source puts them into a section of their own kind: entries of a
    /// table, which something may go through from its start to its end. Each with the section.
    pub(crate) fn in_tables(&self) -> BTreeSet<(&'data str, &'data str)> {
        let variables = self.nodes().filter(|node| {
            let value = self.value(*node);
            value.kind == GlobalValueKind::Variable && !value.linkage.is_local()
        });
        let placed =
            variables.filter_map(|node| Some((self.value(node).name, self.section(node)?)));
        placed
            .filter(|(_, section)| !is_of_plain_data(section))
            .collect()
    }

    /// What weak definitions refer to, among what others see: each with the weak definition. Another
    /// definition that takes the place of a weak one is likely to refer to the same.
    pub(crate) fn behind_weak(&self) -> BTreeSet<(&'data str, &'data str)> {
        let weak = self
            .nodes()
            .filter(|node| self.value(*node).linkage == Linkage::Weak);
        let mut behind = BTreeSet::new();
        for node in weak {
            for reference in self.references(node) {
                if !self.value(reference).linkage.is_local() {
                    behind.insert((self.value(reference).name, self.value(node).name));
                }
            }
        }
        behind
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

    fn value(&self, node: Node) -> &GlobalValue<'data> {
        // A node is made of a value that is there.
        &self.objects[node.object].summary.values[node.value.0]
    }

    fn object(&self, node: Node) -> &str {
        &self.objects[node.object].object
    }

    fn named(&self, node: Node) -> (String, String) {
        let symbol = self.value(node).name.to_owned();
        (symbol, self.object(node).to_owned())
    }

    /// What the definition at `node` refers to, among the definitions.
    fn references(&self, node: Node) -> Vec<Node> {
        let summary = self.value(node).summary.as_ref();
        let references = summary.map(|summary| &summary.references[..]);
        self.resolve(node.object, references.unwrap_or_default())
    }

    /// The definitions that `references` of the object at `object` mean.
    fn resolve(&self, object: usize, references: &[ValueIndex]) -> Vec<Node> {
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

    /// The functions that stay in memory, are no roots, and may be passed the address of what is freed: only
    /// code that may refer to that calls them, directly or through others of their kind, and it does refer
    /// to it. Those are left out that others see anyway: of thin LTO, what other objects call.
    pub(crate) fn called_by_freed_code(&self, kind: LtoKind) -> BTreeSet<&'data str> {
        let mut callers: HashMap<Node, Vec<Node>> = HashMap::new();
        for node in self.reached.keys() {
            for reference in self.references(*node) {
                callers.entry(reference).or_default().push(*node);
            }
        }
        let is_function = |node: Node| self.value(node).kind == GlobalValueKind::Function;
        callers.retain(|node, by| {
            let is_root = matches!(self.reached.get(node), None | Some(Via::Root));
            !is_root
                && is_function(*node)
                && self.is_checked_code(*node)
                && (kind == LtoKind::Full || by.iter().all(|by| by.object == node.object))
        });
        let may_refer = |node: Node| is_function(node) && !self.is_checked_code(node);
        // Each stays one only as long as all that refer to it do.
        loop {
            let candidates: HashSet<Node> = callers.keys().copied().collect();
            callers.retain(|_, by| {
                by.iter()
                    .all(|by| may_refer(*by) || candidates.contains(by))
            });
            if callers.len() == candidates.len() {
                break;
            }
        }
        let all_callers = callers.values().flatten().copied();
        let mut passing: Vec<Node> = all_callers
            .filter(|caller| may_refer(*caller) && self.names_freed(*caller))
            .collect();
        let mut found = BTreeSet::new();
        while let Some(node) = passing.pop() {
            for called in self.references(node) {
                if callers.remove(&called).is_some() {
                    passing.push(called);
                    if !self.value(called).linkage.is_local() {
                        found.insert(self.value(called).name);
                    }
                }
            }
        }
        found
    }

    /// The section that the source asks for.
    fn section(&self, node: Node) -> Option<&'data str> {
        let sections = &self.objects[node.object].sections;
        sections.get(self.value(node).name).copied()
    }

    /// Whether it becomes code of which modpost checks that it refers to nothing that is freed.
    fn is_checked_code(&self, node: Node) -> bool {
        self.section(node).is_none_or(is_staying_code)
    }

    /// Whether the definition at `node` takes the address of something that is freed, or reads or writes it.
    fn names_freed(&self, node: Node) -> bool {
        let summary = self.value(node).summary.as_ref();
        let named = summary.and_then(|summary| summary.references.get(..summary.n_named));
        self.resolve(node.object, named.unwrap_or_default())
            .into_iter()
            .any(|named| self.section(named).is_some_and(is_freed))
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
                object: self.object(node),
                kinds: kinds.remove(&node)?,
            })
        });
        kept.collect()
    }

    /// The definitions that no root reaches, in link order. Those called `kept` are left out: another
    /// definition of the name is there.
    pub fn dropped(&self, kept: &HashSet<&str>) -> Vec<Dropped<'_>> {
        let nodes = self.nodes().filter(|node| {
            !self.reached.contains_key(node)
                && (self.value(*node).linkage.is_local() || !kept.contains(self.value(*node).name))
        });
        // The text of strings has no name in the source.
        let nodes = nodes.filter(|node| self.value(*node).linkage != Linkage::Private);
        nodes
            .map(|node| {
                let value = self.value(node);
                Dropped {
                    symbol: value.name,
                    object: self.object(node),
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

    /// The names of the definitions that stay and that others see.
    pub(crate) fn kept_names(&self) -> impl Iterator<Item = &'data str> + '_ {
        let values = self.reached.keys().map(|node| self.value(*node));
        values
            .filter(|value| !value.linkage.is_local())
            .map(|value| value.name)
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
                    let object = self.object(node).to_owned();
                    return Fate::Dropped { object, referrers };
                }
            }
        }
    }
}

/// How the sections begin in which the place of a variable means nothing. Sources: `INIT_DATA`, `RO_DATA` and
/// `RW_DATA` in `include/asm-generic/vmlinux.lds.h` of the kernel; what compilers use.
const PLAIN_DATA: [&str; 14] = [
    ".data",
    ".bss",
    ".rodata",
    ".sdata",
    ".sbss",
    ".tdata",
    ".tbss",
    ".init.data",
    ".init.rodata",
    ".init.bss",
    ".exit.data",
    ".meminit.",
    ".ref.data",
    ".discard",
];

/// Whether a section holds variables only, each for itself.
fn is_of_plain_data(section: &str) -> bool {
    PLAIN_DATA.iter().any(|plain| section.starts_with(plain))
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

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Explains why a link keeps and drops definitions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use object_model::{GlobalValueKind, Linkage, source_name};

use crate::resolve::exports::exported_by;
use crate::resolve::reach::{Node, Reach, Via};
use crate::resolve::reason::{EXPORTED, USED};
use crate::resolve::roots::Roots;

/// A definition that no root reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dropped<'reach> {
    /// Its name in the source.
    pub(crate) symbol: &'reach str,
    /// The object that defined it.
    pub(crate) object: &'reach str,
    /// Its kind.
    pub(crate) kind: GlobalValueKind,
    /// A function's number of LLVM instructions; no code was made of them.
    pub(crate) instructions: Option<u64>,
    /// A variable's size in bytes.
    pub(crate) size: Option<u64>,
}

/// A definition that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<'reach> {
    /// Its name in the source.
    pub symbol: &'reach str,
    /// The object that defines it.
    pub object: &'reach str,
    /// The kinds of the roots that reach it.
    pub kinds: BTreeSet<&'reach str>,
}

/// The decision of a link about a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Kept {
        /// The chain from the definition over definitions that refer to it to a root: symbol and
        /// object of each.
        chain: Vec<(String, String)>,
    },
    /// It was dropped, and so were all definitions that refer to it.
    Dropped {
        /// The object that defined it.
        object: String,
        /// Symbol and object of each definition that refers to it.
        referrers: Vec<(String, String)>,
    },
}

impl Fate {
    /// Returns the decision about `symbol` as lines of text. `listing` is the link's list of roots.
    pub fn lines(&self, symbol: &str, listing: &str) -> Vec<String> {
        match self {
            Self::Kept { chain } => chain_as_lines(chain, listing),
            Self::Dropped { object, referrers } => {
                let mut lines = vec![format!(
                    "{symbol} of {object} was dropped: no root reaches it"
                )];
                lines.extend(referrers.iter().map(|(referrer, object)| {
                    format!("  {referrer} of {object} refers to it, and was dropped too")
                }));
                lines
            }
        }
    }
}

/// Returns the chain of references from a definition up to its root.
fn chain_as_lines(chain: &[(String, String)], listing: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut indent = String::new();
    for (position, (symbol, object)) in chain.iter().enumerate() {
        let words = if position == 0 {
            "is kept"
        } else {
            "refers to it"
        };
        lines.push(format!("{indent}{symbol} of {object} {words}"));
        indent.push_str("  ");
    }
    let root = chain.last().map_or("", |(symbol, _)| symbol);
    let mut reasons = Roots::read_listing(listing)
        .filter(|(name, _)| *name == root)
        .peekable();
    if reasons.peek().is_none() {
        lines.push(format!("{indent}it is marked as used in its source"));
    }
    for (_, reason) in reasons {
        lines.push(format!("{indent}root: {}", reason.replace('\t', ", ")));
    }
    lines
}

impl Reach<'_> {
    /// Returns the definitions that the bitcode marks as used, except those that are only
    /// `exported`. LLVM has lists of marked definitions, which are variables called `llvm.…`.
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

    /// Returns whether the definition only marks an exported symbol as used. Source:
    /// `__ADDRESSABLE` in `include/linux/compiler.h`, which `__KSYMTAB_ENTRY` in
    /// `include/linux/export.h` uses for each export.
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

    /// Returns the definitions that stay, in link order, each with the kinds of the roots that
    /// reach it. `roots` gives name and kind of each root of the link. Definitions that the bitcode
    /// marks as used count as roots of that kind, except for exports.
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
                .reached_from(self.nodes().filter(is_root).collect())
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

    /// Returns the definitions that no root reaches, in link order. It leaves out global ones with
    /// the same name as one of `kept`: another definition of the name stays.
    pub(crate) fn dropped(&self, kept: &HashSet<&str>) -> Vec<Dropped<'_>> {
        let nodes = self.nodes().filter(|node| {
            self.via(*node).is_none()
                && (self.value(*node).linkage.is_local() || !kept.contains(self.value(*node).name))
        });
        // Strings have no name in the source. Entries of exports are neither code nor data of the kernel.
        let nodes = nodes.filter(|node| {
            let value = self.value(*node);
            let section = self.section(*node).unwrap_or_default();
            value.linkage != Linkage::Private && exported_by(value.name, section).is_none()
        });
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

    /// Returns the link's decision about each definition with the source name `symbol`.
    pub fn why(&self, symbol: &str) -> Vec<Fate> {
        let nodes = self.nodes();
        let asked = nodes.filter(|node| source_name(self.value(*node).name) == symbol);
        asked.map(|node| self.fate(node)).collect()
    }

    fn fate(&self, node: Node) -> Fate {
        let mut chain = vec![self.symbol_and_object(node)];
        let mut at = node;
        loop {
            match self.via(at) {
                Some(Via::Root) => return Fate::Kept { chain },
                Some(Via::From(from)) => {
                    // Lists such as `llvm.used` are not in the source.
                    if !self.value(from).name.starts_with("llvm.") {
                        chain.push(self.symbol_and_object(from));
                    }
                    at = from;
                }
                None => {
                    let referrers = self
                        .nodes()
                        .filter(|other| *other != node && self.references(*other).contains(&node))
                        .map(|other| self.symbol_and_object(other))
                        .collect();
                    let object = self.object(node).to_owned();
                    return Fate::Dropped { object, referrers };
                }
            }
        }
    }
}

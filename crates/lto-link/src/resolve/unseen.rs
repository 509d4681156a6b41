// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Definitions with users that the compiler does not see, as far as the bitcode itself shows them.

use std::collections::{BTreeSet, HashMap, HashSet};

use object_model::{GlobalValueKind, Linkage, LtoKind};
use section_merge::{is_freed, is_staying_code};

use crate::resolve::reach::{Node, Reach, Via};

impl<'data> Reach<'data> {
    /// Returns the functions, with their objects, whose inline assembly defines symbols. A local
    /// function is replaced by the global functions that may inline it.
    pub(crate) fn defining_in_assembly(&self) -> BTreeSet<(&'data str, &str)> {
        let mut callers: HashMap<Node, Vec<Node>> = HashMap::new();
        let mut pending: Vec<Node> = self.defining().collect();
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

    /// Returns the global variables, with their sections, that the source puts into a section for
    /// other than plain data. They are entries of a table, and code may walk through it.
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

    /// Returns the global definitions to which weak definitions refer, each with the weak
    /// definition. A definition that replaces the weak one is likely to have the same references.
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

    /// Returns the functions that stay in memory and may be passed the address of freed memory.
    ///
    /// Such a function is no root. All its callers are code that may refer to freed memory, or
    /// other such functions, and at least one caller does refer to it. With thin LTO, functions
    /// that other objects call are left out, because they stay global anyway.
    pub(crate) fn called_by_freed_code(&self, kind: LtoKind) -> BTreeSet<&'data str> {
        let mut callers: HashMap<Node, Vec<Node>> = HashMap::new();
        for node in self.reached() {
            for reference in self.references(node) {
                callers.entry(reference).or_default().push(node);
            }
        }
        let is_function = |node: Node| self.value(node).kind == GlobalValueKind::Function;
        callers.retain(|node, by| {
            let is_root = matches!(self.via(*node), None | Some(Via::Root));
            !is_root
                && is_function(*node)
                && self.is_checked_code(*node)
                && (kind == LtoKind::Full || by.iter().all(|by| by.object == node.object))
        });
        let may_refer = |node: Node| is_function(node) && !self.is_checked_code(node);
        // A function is a candidate only as long as all its callers qualify.
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

    /// Returns whether modpost checks that the code of the definition does not refer to freed memory.
    fn is_checked_code(&self, node: Node) -> bool {
        self.section(node).is_none_or(is_staying_code)
    }

    /// Returns whether the definition at `node` takes the address of, reads or writes a definition
    /// in freed memory.
    fn names_freed(&self, node: Node) -> bool {
        let summary = self.value(node).summary.as_ref();
        let named = summary.and_then(|summary| summary.references.get(..summary.n_named));
        self.resolve(node.object, named.unwrap_or_default())
            .into_iter()
            .any(|named| self.section(named).is_some_and(is_freed))
    }
}

/// Prefixes of the names of sections in which a variable's position has no meaning. Sources:
/// `INIT_DATA`, `RO_DATA` and `RW_DATA` in `include/asm-generic/vmlinux.lds.h` of the kernel;
/// compilers' section names.
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

/// Returns whether a section holds unrelated variables.
fn is_of_plain_data(section: &str) -> bool {
    PLAIN_DATA.iter().any(|plain| section.starts_with(plain))
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the parts of a program, and the parts that must be removed together with another.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Function, Item, MAIN, Place, Program, Reference, Statement};

impl Program {
    /// Returns the seeds of the program: one, or one for each joined program.
    pub fn seeds(&self) -> Range<u64> {
        self.seed..self.seed + self.n_seeds
    }

    /// Returns every item with the number of its file.
    pub(crate) fn items(&self) -> impl Iterator<Item = (usize, &Item)> {
        let files = self.files.iter().enumerate();
        files.flat_map(|(number, file)| file.items.iter().map(move |item| (number, item)))
    }

    /// Returns every function.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (usize, &Function)> {
        self.items().filter_map(|(file, item)| match item {
            Item::Function(function) => Some((file, function)),
            _ => None,
        })
    }

    /// Returns every defined name.
    pub(crate) fn defined(&self) -> BTreeSet<&str> {
        let items = self.items().filter_map(|(_, item)| item.name());
        let statements = self.functions().flat_map(|(_, function)| &function.body);
        let labels = statements.filter_map(|statement| match statement {
            Statement::Label { name, .. } => Some(name.as_str()),
            _ => None,
        });
        items.chain(labels).collect()
    }

    /// Removes parts that an earlier removal made invalid: references to undefined names, and calls
    /// of handlers and tables that nothing sets up.
    pub(crate) fn tidy(&mut self) {
        loop {
            let before = self.clone();
            let defined: BTreeSet<String> = self.defined().into_iter().map(str::to_owned).collect();
            let keys = self.reachable_keys();
            let tables: BTreeSet<String> = before
                .items()
                .filter_map(|(_, item)| match item {
                    Item::TableEntry { table, .. } => Some(table.clone()),
                    _ => None,
                })
                .collect();
            let is_whole = |references: Vec<Reference<'_>>| {
                let missing = |reference: &&Reference<'_>| {
                    !reference.is_weak && !defined.contains(reference.name)
                };
                !references.iter().any(|reference| missing(&reference))
            };
            for file in &mut self.files {
                for item in &mut file.items {
                    if let Item::Function(function) = item {
                        function.body.retain(|statement| {
                            let is_set_up = match statement {
                                Statement::CallHandler { key, .. } => keys.contains(key),
                                Statement::WalkTable { table, .. } => tables.contains(table),
                                _ => true,
                            };
                            is_set_up && is_whole(statement.references())
                        });
                    }
                }
                file.items.retain(|item| {
                    matches!(item, Item::Function(_)) || is_whole(item.references())
                });
            }
            self.files.retain(|file| !file.items.is_empty());
            if *self == before {
                return;
            }
        }
    }

    /// Returns the keys of the handlers that no link may drop: the handlers of functions that run.
    fn reachable_keys(&self) -> BTreeSet<u32> {
        let mut reached: BTreeSet<&str> = BTreeSet::from([MAIN]);
        loop {
            let before = reached.len();
            for (_, item) in self.items() {
                if item.name().is_some_and(|name| reached.contains(name)) {
                    let references = item.references();
                    reached.extend(references.iter().map(|reference| reference.name));
                }
            }
            if reached.len() == before {
                break;
            }
        }
        let run = self
            .functions()
            .filter(|(_, f)| reached.contains(f.name.as_str()));
        let statements = run.flat_map(|(_, function)| &function.body);
        let inline = statements.filter_map(|statement| match statement {
            Statement::TableEntry { key, .. } => Some(*key),
            _ => None,
        });
        let beside = self.items().filter_map(|(file, item)| match item {
            Item::AsmTableEntry { key, .. } if self.files[file].place == Place::Object => {
                Some(*key)
            }
            _ => None,
        });
        inline.chain(beside).collect()
    }
}

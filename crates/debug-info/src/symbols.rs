// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Debug information and the symbol table know the same functions.

use std::collections::{BTreeMap, BTreeSet};

use object_model::{Elf, Image};

use crate::DebugInfo;

/// A difference between debug information and the symbol table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum SymbolFault {
    /// Debug information names a function otherwise than the symbols at its address.
    #[error("debug information has function {name} at {place}, where the symbol table has {found}")]
    Name {
        /// The name in debug information.
        name: String,
        /// The place.
        place: String,
        /// The symbols.
        found: String,
    },
    /// A function that was compiled from C has no entry.
    #[error("function {name} has no entry in debug information, although code around it has")]
    Missing {
        /// Its name.
        name: String,
    },
}

impl DebugInfo {
    /// Compares the functions of debug information with those of the symbol table of `elf`, which it was read from.
    /// Returns the number of equal functions, and the differences.
    pub fn symbol_faults(&self, elf: &Elf<'_>) -> (usize, Vec<SymbolFault>) {
        let image = Image::new(elf);
        let mut symbols: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
        for symbol in elf
            .symbols()
            .iter()
            .filter(|symbol| elf.is_function(symbol))
        {
            let address = image.address(symbol);
            symbols.entry(address).or_default().insert(symbol.name);
        }
        let mut faults = Vec::new();
        let mut n_equal = 0;
        let mut known = BTreeSet::new();
        for function in &self.functions {
            known.insert(function.address);
            let names = symbols.get(&function.address);
            let name = function.linkage_name.as_ref().unwrap_or(&function.name);
            if names.is_some_and(|names| names.contains(name.as_ref())) {
                n_equal += 1;
                continue;
            }
            let found: Vec<_> = names.into_iter().flatten().copied().collect();
            faults.push(SymbolFault::Name {
                name: name.to_string(),
                place: image.place(function.address),
                found: if found.is_empty() {
                    "no function".to_owned()
                } else {
                    found.join(", ")
                },
            });
        }
        for (address, names) in symbols {
            if self.is_compiled(address)
                && !known.contains(&address)
                && let Some(name) = names.first()
            {
                let name = (*name).to_owned();
                faults.push(SymbolFault::Missing { name });
            }
        }
        (n_equal, faults)
    }
}

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

/// The prefixes that objcopy gives all symbols of some objects. Sources: `--prefix-symbols` in
/// `arch/arm64/kvm/hyp/nvhe/Makefile` and `drivers/firmware/efi/libstub/Makefile`.
const PREFIXES: [&str; 3] = ["__kvm_nvhe_", "__efistub_", "__pi_"];

fn is_prefixed(symbol: &str, name: &str) -> bool {
    let mut prefixes = PREFIXES.iter();
    prefixes.any(|prefix| symbol.strip_prefix(prefix) == Some(name))
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
        let all: BTreeSet<&str> = symbols.values().flatten().copied().collect();
        let assembled = symbols.iter();
        let assembled: BTreeSet<&str> = assembled
            .filter(|(address, _)| !self.is_compiled(**address))
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
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
            // A weak definition keeps its code if another one has its name, and the symbol of an alias if that is in
            // assembly (`crc32_le` of arm64).
            let elsewhere = if names.is_none() { &all } else { &assembled };
            if elsewhere.contains(name.as_ref()) {
                continue;
            }
            if names.is_some_and(|names| names.iter().any(|symbol| is_prefixed(symbol, name))) {
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

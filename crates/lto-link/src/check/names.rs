// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Symbols whose names LTO changed, and their names in the source.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use object_model::{Binding, Elf, Input, SymbolKind, source_name};

/// A function or object whose symbol has another name than in the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suffixed {
    /// Its name in the source.
    pub source_name: String,
    /// Its name in the file.
    pub name: String,
    /// `function` or `object`.
    pub kind: &'static str,
    /// Its address; in a module its offset in the section.
    pub value: u64,
}

/// A static function or object that thin LTO made global under a new name, although native code has
/// a global symbol with the same source name. A lookup by that name finds both.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{promoted} is called {source_name} in the source, and so is a global symbol of {object}")]
pub struct Clash {
    /// The new name.
    pub promoted: String,
    /// Its name in the source.
    pub source_name: String,
    /// The native object with the global symbol.
    pub object: String,
}

/// Returns the functions and objects of `elf`, a linked kernel or module, whose names have a
/// compiler's suffix, sorted by their source names.
pub fn suffixed(elf: &Elf) -> BTreeSet<Suffixed> {
    let kind = |kind| match kind {
        SymbolKind::Function | SymbolKind::IndirectFunction => Some("function"),
        SymbolKind::Data => Some("object"),
        SymbolKind::Unknown | SymbolKind::Section | SymbolKind::File => None,
    };
    let symbols = elf
        .symbols()
        .iter()
        // Labels of the compiler have no name in the source.
        .filter(|symbol| symbol.section.is_some() && !symbol.name.starts_with(".L"));
    symbols
        .filter_map(|symbol| {
            let source_name = source_name(symbol.name);
            let kind = kind(symbol.kind)?;
            (source_name != symbol.name).then(|| Suffixed {
                source_name: source_name.to_owned(),
                name: symbol.name.to_owned(),
                kind,
                value: symbol.value,
            })
        })
        .collect()
}

/// Returns the clashes of `suffixed` with native objects among the linked `inputs`.
pub fn clashes<'a>(
    suffixed: impl IntoIterator<Item = &'a Suffixed>,
    inputs: &[Input],
) -> Vec<Clash> {
    let mut globals: HashMap<&str, &Input> = HashMap::new();
    for input in inputs
        .iter()
        .filter(|input| input.object.as_elf().is_some())
    {
        let symbols = input.object.linker_symbols();
        for symbol in symbols.filter(|s| s.is_defined() && s.binding != Binding::Local) {
            globals.entry(symbol.name).or_insert(input);
        }
    }
    let promoted = suffixed.into_iter().filter(|s| s.name.contains(".llvm."));
    promoted
        .filter_map(|symbol| {
            let native = globals.get(symbol.source_name.as_str())?;
            Some(Clash {
                promoted: symbol.name.clone(),
                source_name: symbol.source_name.clone(),
                object: native.name.clone(),
            })
        })
        .collect()
}

/// The first line of a [`suffix_map`].
pub const SUFFIX_MAP_HEAD: &str = "# file\tsource name\tname\tkind\tvalue\n";

/// Returns lines of a map from names in the source to names in `file`: the file, the name in the source,
/// the name in the file, `function` or `object`, and the value in hexadecimal, separated by tabs.
pub fn suffix_map<'a>(file: &str, suffixed: impl IntoIterator<Item = &'a Suffixed>) -> String {
    let mut map = String::new();
    for symbol in suffixed {
        let Suffixed {
            source_name,
            name,
            kind,
            value,
        } = symbol;
        // Writing to a string does not fail.
        let _ = writeln!(map, "{file}\t{source_name}\t{name}\t{kind}\t{value:#x}");
    }
    map
}

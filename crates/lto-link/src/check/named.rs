// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks that a link did not change the symbols that assembly names: they are global symbols of
//! the output, and roots if the link dropped anything.

use std::collections::{BTreeMap, HashMap, HashSet};

use object_model::{Elf, Faults, Input, InputError};

use crate::read::inputs::object_name;
use crate::resolve::assembly::{KnownTexts, ObjectAssembly};
use crate::resolve::resolution::Resolution;
use crate::resolve::roots::Roots;

/// A symbol that assembly names and that the compiler was free to change or drop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamedFault {
    /// It is not among the roots.
    #[error("{symbol}, which assembly of {object} names, is not among the roots")]
    NoRoot {
        /// The symbol.
        symbol: String,
        /// The object whose assembly names it.
        object: String,
    },
    /// The output does not define it.
    #[error("{symbol}, which assembly of {object} names, was dropped")]
    Dropped {
        /// The symbol.
        symbol: String,
        /// The object whose assembly names it.
        object: String,
    },
    /// The output defines it as a local symbol.
    #[error(
        "{symbol}, which assembly of {object} names, was made local, so that the compiler may have changed it"
    )]
    Local {
        /// The symbol.
        symbol: String,
        /// The object whose assembly names it.
        object: String,
    },
}

/// The symbols that the assembly of the inputs of a link names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedInAssembly {
    /// Global symbols of bitcode that assembly names, each with the first object whose assembly does.
    pub symbols: BTreeMap<String, String>,
    /// The faults that [`check`](Self::check) found.
    pub faults: Vec<NamedFault>,
}

/// Returns the definitions in bitcode that assembly of `inputs` names. The first `n_always` inputs are
/// always linked, the others are members of libraries.
///
/// # Errors
/// Every object whose assembly or COMDAT groups cannot be read.
pub fn named_in_assembly(
    inputs: &[Input],
    n_always: usize,
) -> Result<NamedInAssembly, Faults<InputError>> {
    let resolution = Resolution::of_objects(inputs, n_always, [])?;
    let defined = resolution.droppable();
    let mut named = NamedInAssembly::default();
    let mut fitting = HashMap::new();
    let mut known = KnownTexts::default();
    let mut faults = Vec::new();
    for input in resolution.linked() {
        let Some(bitcode) = input.object.as_bitcode() else {
            continue;
        };
        match ObjectAssembly::of(bitcode, &mut known) {
            Ok(assembly) => {
                let object = object_name(input);
                let mut names = assembly.module.among(defined, &mut fitting);
                names.extend(assembly.functions.among(defined, &mut fitting));
                for name in names {
                    let of_name = named.symbols.entry(name.to_owned());
                    of_name.or_insert_with(|| object.clone());
                }
            }
            Err(error) => faults.push(input.locate(error)),
        }
    }
    Faults::check(named, faults)
}

impl NamedInAssembly {
    /// Adds the faults of the symbols in `linked`, the output of the link. `roots` is the listing of the
    /// roots, if it was a link with dropping.
    pub fn check(&mut self, linked: &Elf, roots: Option<&str>) {
        let roots: Option<HashSet<&str>> =
            roots.map(|text| Roots::read_listing(text).map(|(name, _)| name).collect());
        let mut global = HashSet::new();
        let mut local = HashSet::new();
        for symbol in linked.symbols().iter().filter(|symbol| symbol.is_defined()) {
            if symbol.is_local() {
                local.insert(symbol.name);
            } else {
                global.insert(symbol.name);
            }
        }
        for (symbol, object) in &self.symbols {
            let (symbol, object) = (symbol.clone(), object.clone());
            if !global.contains(symbol.as_str()) {
                let fault = if local.contains(symbol.as_str()) {
                    NamedFault::Local { symbol, object }
                } else {
                    NamedFault::Dropped { symbol, object }
                };
                self.faults.push(fault);
            } else if let Some(roots) = &roots
                && !roots.contains(symbol.as_str())
            {
                self.faults.push(NamedFault::NoRoot { symbol, object });
            }
        }
    }
}

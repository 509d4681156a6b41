// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The check that symbols named by assembly were left alone: they are kept, and the compiler took them for
//! symbols that others refer to.

use std::collections::{BTreeMap, HashMap, HashSet};

use object_model::{Elf, Faults, Input, InputError};

use crate::assembly::ObjectAssembly;
use crate::inputs::object_name;
use crate::resolve::Resolution;
use crate::roots::Roots;

/// Something that assembly names and that the compiler could change.
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
    /// The link has no such definition.
    #[error("{symbol}, which assembly of {object} names, was dropped")]
    Dropped {
        /// The symbol.
        symbol: String,
        /// The object whose assembly names it.
        object: String,
    },
    /// Its definition is local.
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
    /// Each symbol that bitcode defines for others and that assembly of some object names, and the first such
    /// object.
    pub symbols: BTreeMap<String, String>,
    /// The faults that [`check`](Self::check) found.
    pub faults: Vec<NamedFault>,
}

/// Looks for the symbols that the assembly of `inputs` names, among those that bitcode of them defines. The
/// first `n_always` are linked in any case; of the others, members of libraries, those that are needed.
///
/// # Errors
/// Every object whose assembly, or groups of sections, cannot be read.
pub fn named_in_assembly(
    inputs: &[Input],
    n_always: usize,
) -> Result<NamedInAssembly, Faults<InputError>> {
    let resolution = Resolution::of_objects(inputs, n_always, [])?;
    let defined = resolution.droppable_of(inputs);
    let mut named = NamedInAssembly::default();
    let mut fitting = HashMap::new();
    let mut faults = Vec::new();
    let linked = resolution.link_order().iter();
    for input in linked.filter_map(|&object| inputs.get(object)) {
        let Some(bitcode) = input.object.as_bitcode() else {
            continue;
        };
        match ObjectAssembly::of(bitcode) {
            Ok(assembly) => {
                let object = object_name(input);
                let mut names = assembly.module.among(&defined, &mut fitting);
                names.extend(assembly.functions.among(&defined, &mut fitting));
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
    /// Adds what is wrong with the symbols in `linked`, the object that was linked. `roots` is the listing of
    /// the roots, if the link dropped something.
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

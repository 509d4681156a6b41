// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One definition: nothing is linked twice, and nothing from bitcode and from its native form.

use std::collections::HashMap;
use std::collections::HashSet;

use object_model::{Elf, Input, SectionIndex};

use crate::inputs::object_name;
use crate::resolve::is_strong;

/// How the native forms of a bitcode object `foo.o` are called. Sources: `scripts/Makefile.build`
/// of Linux 5.12 to 5.16 and of 5.17 to 6.0, `scripts/Makefile.thinlto` of 7.2, and our own
/// [`Places`](crate::Places).
pub const NATIVE_FORMS: [&str; 4] = [".lto.o", ".prelink.o", ".thinlto-native.o", ".native.o"];

/// Something that one link has twice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionFault {
    /// The object is among the inputs again.
    #[error("{object} is linked {times} times")]
    LinkedTwice {
        /// The object.
        object: String,
        /// How often.
        times: usize,
    },
    /// An object and what was made of it.
    #[error("{bitcode} is linked, and so is {native}, which was made of it")]
    BothForms {
        /// The object.
        bitcode: String,
        /// Its native form.
        native: String,
    },
    /// Two objects define a global symbol, neither of them weakly.
    #[error("{symbol} is defined by {first} and by {second}")]
    DefinedTwice {
        /// The symbol.
        symbol: String,
        /// The object that defines it first in link order.
        first: String,
        /// The object that defines it again.
        second: String,
    },
}

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    /// Global symbols that are defined.
    pub n_symbols: usize,
    /// A duplicate.
    pub faults: Vec<DefinitionFault>,
}

/// Looks for what `inputs`, all of which are linked, have twice.
pub fn definitions<'all, 'data: 'all>(
    inputs: impl IntoIterator<Item = &'all Input<'data>> + Clone,
) -> Definitions {
    let mut faults = Vec::new();
    let mut times: HashMap<String, usize> = HashMap::new();
    for input in inputs.clone() {
        // Members of a regular archive may have one name and be two objects.
        if input.path.is_some() {
            *times.entry(object_name(input)).or_default() += 1;
        }
    }
    let mut seen: HashMap<&str, &Input> = HashMap::new();
    // An object that is there twice defines everything twice; that is said once.
    let mut said = HashSet::new();
    let mut comdats = HashSet::new();
    for input in inputs {
        let object = object_name(input);
        let again = input.path.is_some() && !said.insert(object.clone());
        let discarded = discarded(input, &mut comdats);
        if let Some(form) = NATIVE_FORMS
            .iter()
            .find_map(|form| object.strip_suffix(form))
        {
            let bitcode = format!("{form}.o");
            if !again && times.contains_key(&bitcode) {
                faults.push(DefinitionFault::BothForms {
                    bitcode,
                    native: object.clone(),
                });
                continue;
            }
        }
        if again {
            continue;
        }
        if let Some(&times) = times.get(&object).filter(|times| **times > 1) {
            faults.push(DefinitionFault::LinkedTwice { object, times });
        }
        let symbols = input.object.linker_symbols();
        let symbols = symbols.filter(|symbol| {
            is_strong(symbol) && symbol.section.is_none_or(|at| !discarded.contains(&at))
        });
        for symbol in symbols {
            match seen.get(symbol.name) {
                // Its definition in module assembly, and a mention of it in the IR.
                Some(first) if std::ptr::eq(*first, input) => {}
                Some(first) => faults.push(DefinitionFault::DefinedTwice {
                    symbol: symbol.name.to_owned(),
                    first: first.name.clone(),
                    second: input.name.clone(),
                }),
                None => {
                    seen.insert(symbol.name, input);
                }
            }
        }
    }
    Definitions {
        n_symbols: seen.len(),
        faults,
    }
}

/// The sections of `input` in COMDAT groups of which an earlier object has the first: the link leaves them
/// out. `known` are the signatures of the groups that were met. A damaged group is none.
fn discarded<'data>(
    input: &Input<'data>,
    known: &mut HashSet<&'data str>,
) -> HashSet<SectionIndex> {
    let comdats = input.object.as_elf().map(Elf::comdats);
    let comdats = comdats.and_then(Result::ok).unwrap_or_default();
    let again = comdats
        .into_iter()
        .filter(|comdat| !known.insert(comdat.signature));
    again.flat_map(|comdat| comdat.sections).collect()
}

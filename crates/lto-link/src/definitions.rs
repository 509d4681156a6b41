// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One definition: nothing is linked twice, and nothing from bitcode and from its native form.

use std::collections::HashMap;
use std::collections::HashSet;

use object_model::{Binding, Definition, Input, Symbol};

use crate::inputs::object_name;

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
    /// What is there twice.
    pub faults: Vec<DefinitionFault>,
}

/// Looks for what `inputs`, all of which are linked, have twice.
pub fn definitions(inputs: &[Input]) -> Definitions {
    let mut faults = Vec::new();
    let mut times: HashMap<String, usize> = HashMap::new();
    for input in inputs {
        *times.entry(object_name(input)).or_default() += 1;
    }
    let mut seen: HashMap<&str, &Input> = HashMap::new();
    // An object that is there twice defines everything twice; that is said once.
    let mut said = HashSet::new();
    for input in inputs {
        let object = object_name(input);
        let again = !said.insert(object.clone());
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
        for symbol in input.object.linker_symbols().filter(|s| is_strong(s)) {
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

fn is_strong(symbol: &Symbol) -> bool {
    symbol.binding == Binding::Global
        && matches!(
            symbol.definition,
            Definition::Defined | Definition::Absolute
        )
}

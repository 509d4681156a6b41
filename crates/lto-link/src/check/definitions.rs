// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks that a link has everything only once: no object twice, no bitcode together with its
//! native form, no symbol with two definitions.

use std::collections::{HashMap, HashSet};

use object_model::{Elf, Input, SectionIndex};

use crate::error::DefinitionFault;
use crate::read::inputs::object_name;
use crate::resolve::resolution::is_strong;

/// Suffixes of the native forms of a bitcode object `foo.o`. Sources: `scripts/Makefile.build` of Linux 5.12 to
/// 5.17, and of 5.18, `scripts/Makefile.thinlto` of 7.2, and [`LinkPaths`](crate::LinkPaths).
pub const NATIVE_FORMS: [&str; 4] = [".lto.o", ".prelink.o", ".thinlto-native.o", ".native.o"];

/// The result of the check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    /// The number of global symbols that are defined.
    pub n_symbols: usize,
    /// Every duplicate.
    pub faults: Vec<DefinitionFault>,
}

/// Returns the duplicate objects and symbols in `inputs`, all of which are linked.
pub fn definitions<'all, 'data: 'all>(
    inputs: impl IntoIterator<Item = &'all Input<'data>> + Clone,
) -> Definitions {
    let mut faults = Vec::new();
    let mut times: HashMap<String, usize> = HashMap::new();
    for input in inputs.clone() {
        // Two members of a regular archive may have the same name.
        if input.path.is_some() {
            *times.entry(object_name(input)).or_default() += 1;
        }
    }
    let mut seen: HashMap<&str, &Input> = HashMap::new();
    // The symbols of a duplicate object are not reported as well.
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
                // Symbol tables list a symbol of module assembly again if the IR mentions it.
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

/// Returns the sections of `input` that the link leaves out, because an earlier object has the same COMDAT
/// group. `known` are the signatures of earlier groups. Damaged groups are ignored.
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

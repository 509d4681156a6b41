// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! References that only generated code shows: calls that code generation inserts.
//!
//! Roots are facts of the inputs, so usually there are no such references. If generated code does refer to a
//! dropped definition, the definition becomes a root, and code is generated again.

use std::collections::{BTreeSet, HashSet};

use object_model::{Binding, Faults, Input, InputError, Loader, Symbol, link_order};

use crate::error::LinkError;
use crate::paths::LinkPaths;
use crate::read::inputs::{is_bitcode, is_elf, object_name};
use crate::record::generated_roots::{GeneratedRoots, References};
use crate::resolve::resolution::Resolution;

/// Writes the references of `natives`, all generated code of a link, to definitions that the link dropped.
/// Returns whether other symbols are roots now, so that code must be generated again.
///
/// # Errors
/// The file cannot be read or written, or native code has damaged relocations.
pub(crate) fn update_generated_roots(
    paths: LinkPaths<'_>,
    resolution: &Resolution,
    natives: &[(String, Input)],
) -> Result<bool, LinkError> {
    let known = GeneratedRoots::read(paths)?;
    let all = known.all();
    let dropped = dropped_references(resolution, natives);
    let was_dropped: HashSet<&str> = all.iter().map(|(symbol, _)| symbol.as_str()).collect();
    let mut found = References::new();
    for (object, native) in natives {
        for name in references(native, !was_dropped.is_empty())? {
            if dropped.contains(name) || was_dropped.contains(name) {
                found.insert((name.to_owned(), object.clone()));
            }
        }
    }
    let mut update = GeneratedRoots {
        before: References::new(),
        now: known.now.clone(),
    };
    for entry in found {
        if !was_dropped.contains(entry.0.as_str()) {
            update.now.insert(entry);
        } else if !known.now.iter().any(|(symbol, _)| *symbol == entry.0) {
            update.before.insert(entry);
        }
    }
    update.write(paths)?;
    let symbols = |known: &References| -> BTreeSet<String> {
        known.iter().map(|(symbol, _)| symbol.clone()).collect()
    };
    Ok(symbols(&update.all()) != symbols(&all))
}

/// Returns the undefined names of `native`; with `own`, also its own global definitions to which its
/// relocations refer.
fn references<'data>(
    native: &'data Input<'_>,
    own: bool,
) -> Result<HashSet<&'data str>, LinkError> {
    let symbols = native.object.linker_symbols();
    let mut names: HashSet<&str> = symbols
        .filter(|symbol| symbol.is_undefined())
        .map(|symbol| symbol.name)
        .collect();
    if own && let Some(elf) = native.object.as_elf() {
        for section in elf.sections() {
            let relocations = elf.relocations(section.index);
            let relocations =
                relocations.map_err(|error| LinkError::Natives(native.locate(error).into()))?;
            let symbols = relocations
                .iter()
                .filter_map(|relocation| relocation.symbol);
            let symbols = symbols.filter_map(|index| elf.symbol(index));
            names.extend(
                symbols
                    .filter(|symbol| !symbol.is_local())
                    .map(|symbol| symbol.name),
            );
        }
    }
    Ok(names)
}

/// Reads the native code generated from each linked bitcode object, and returns it with the
/// object's name.
///
/// # Errors
/// Every native object that cannot be read.
pub(crate) fn read_natives<'data>(
    loader: &impl Loader<'data>,
    resolution: &Resolution,
    paths: LinkPaths<'_>,
) -> Result<Vec<(String, Input<'data>)>, Faults<InputError>> {
    let bitcode = resolution.linked().filter(|input| is_bitcode(input));
    let (names, natives): (Vec<_>, Vec<_>) = bitcode
        .filter_map(|input| Some((object_name(input), paths.native(input.path.as_deref()?))))
        .unzip();
    // No native object is an archive, so each path gives one input.
    Ok(names
        .into_iter()
        .zip(link_order(loader, &natives)?)
        .collect())
}

/// Returns the names to which native code refers and which only bitcode defines. A library member
/// that is not linked counts only if such a reference would link it.
fn dropped_references<'all>(
    resolution: &'all Resolution<'_, '_>,
    natives: &'all [(String, Input<'all>)],
) -> HashSet<&'all str> {
    let elf = resolution.linked().filter(|input| is_elf(input));
    let elf = elf.map(|input| -> &'all Input<'all> { input });
    let all = elf.chain(natives.iter().map(|(_, native)| native));
    let symbols = || {
        let symbols = all.clone().flat_map(|input| input.object.linker_symbols());
        symbols.filter(|symbol| !symbol.is_local())
    };
    let defined: HashSet<&str> = symbols()
        .filter(|symbol| symbol.is_defined())
        .map(|symbol| symbol.name)
        .collect();
    let droppable = resolution.droppable();
    let is_of_member = |symbol: &Symbol| {
        let member = resolution.member(symbol.name);
        let member = member.and_then(|object| resolution.object(object));
        symbol.binding == Binding::Global && member.is_some_and(is_bitcode)
    };
    symbols()
        .filter(|symbol| symbol.is_undefined() && !defined.contains(symbol.name))
        .filter(|symbol| droppable.contains_key(symbol.name) || is_of_member(symbol))
        .map(|symbol| symbol.name)
        .collect()
}

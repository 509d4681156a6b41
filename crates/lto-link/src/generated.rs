// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What code generation refers to and bitcode did not say: names in inline assembly of functions, and
//! library functions that the code generator calls. Nothing but native code shows them.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use object_model::{Faults, Input, InputError, Loader, link_order};

use crate::inputs::{InputKind, Inputs, kind_of, object_name};
use crate::link::{LinkError, io_error};
use crate::places::Places;
use crate::plan::temporary;
use crate::roots::droppable;

/// What generated code refers to: the symbol, and the object whose code it is.
pub(crate) type Generated = BTreeSet<(String, String)>;

/// Where those of the link of `output` are kept from one thin link to the next.
fn path(output: &Path) -> PathBuf {
    temporary(output, ".generated-roots")
}

/// Those that were found for the link of `output` until now.
///
/// # Errors
/// The file is there and cannot be read.
pub(crate) fn known(output: &Path) -> Result<Generated, LinkError> {
    let path = path(output);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(symbol, object)| (symbol.to_owned(), object.to_owned()))
            .collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Generated::new()),
        Err(error) => Err(io_error(format!("reading {}", path.display()))(error)),
    }
}

/// Looks at `natives`, all the code that was generated of `inputs`, and keeps what it refers to and
/// the link has dropped. Returns whether that is other than it was: then what is needed must be
/// decided again.
///
/// # Errors
/// A file that cannot be read or written.
pub(crate) fn find(
    output: &Path,
    inputs: &Inputs,
    natives: &[(String, Input)],
) -> Result<bool, LinkError> {
    let known = known(output)?;
    let dropped = dropped(inputs, natives);
    let was_dropped: HashSet<&str> = known.iter().map(|(symbol, _)| symbol.as_str()).collect();
    let droppable = droppable(inputs);
    let mut found = Generated::new();
    // Who else refers to what is there because of what was found before: calls, as a rule.
    let mut others = Generated::new();
    for (object, native) in natives {
        for name in references(native, !was_dropped.is_empty())? {
            let reference = (name.to_owned(), object.clone());
            if dropped.contains(name) || known.contains(&reference) {
                found.insert(reference);
            } else if was_dropped.contains(name) && droppable.contains_key(name) {
                others.insert(reference);
            }
        }
    }
    // The code may have moved to another object by inlining.
    let names: HashSet<String> = found.iter().map(|(symbol, _)| symbol.clone()).collect();
    found.extend(
        others
            .into_iter()
            .filter(|(symbol, _)| !names.contains(symbol)),
    );
    if found == known {
        return Ok(false);
    }
    let mut text = String::new();
    for (symbol, object) in &found {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{symbol}\t{object}");
    }
    tool_io::write_atomic(&path(output), text.as_bytes())?;
    let is_other = found.len() != known.len()
        || found
            .iter()
            .zip(&known)
            .any(|((found, _), (known, _))| found != known);
    Ok(is_other)
}

/// The names that `native` refers to and others define; with `own`, also those that it defines itself
/// for others, as far as its code refers to them by relocations.
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

/// The native code that was generated of each bitcode object, and the name of that.
///
/// # Errors
/// Every native object that cannot be read.
pub(crate) fn natives<'data>(
    loader: &impl Loader<'data>,
    inputs: &Inputs<'data>,
    places: Places<'_>,
) -> Result<Vec<(String, Input<'data>)>, Faults<InputError>> {
    let bitcode = inputs.objects.iter();
    let bitcode = bitcode.filter(|input| kind_of(input) == InputKind::Bitcode);
    let (names, paths): (Vec<_>, Vec<_>) = bitcode
        .filter_map(|input| Some((object_name(input), places.native(input.path.as_deref()?))))
        .unzip();
    // No native object is an archive, so that there is one for each path.
    Ok(names.into_iter().zip(link_order(loader, &paths)?).collect())
}

/// What native code refers to, no native code defines, and bitcode does.
fn dropped<'all>(
    inputs: &'all Inputs<'_>,
    natives: &'all [(String, Input<'_>)],
) -> HashSet<&'all str> {
    let elf = inputs.objects.iter();
    let elf = elf.filter(|input| kind_of(input) == InputKind::Elf);
    let all = || elf.clone().chain(natives.iter().map(|(_, native)| native));
    let symbols = |is_defined: bool| {
        all()
            .flat_map(|input| input.object.linker_symbols())
            .filter(move |symbol| symbol.is_defined() == is_defined && !symbol.is_local())
            .map(|symbol| symbol.name)
    };
    let defined: HashSet<&str> = symbols(true).collect();
    let droppable = droppable(inputs);
    symbols(false)
        .filter(|name| !defined.contains(name) && droppable.contains_key(name))
        .collect()
}

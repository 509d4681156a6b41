// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! References that only generated code shows: calls that code generation inserts.
//!
//! Roots are facts of the inputs, so usually there are no such references. If generated code does refer to a
//! dropped definition, the definition becomes a root, and code is generated again.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::io;

use object_model::{Binding, Faults, Input, InputError, Loader, Symbol, link_order};

use crate::error::{LinkError, reading};
use crate::paths::LinkPaths;
use crate::read::inputs::{Inputs, is_bitcode, is_elf, object_name};
use crate::resolve::resolution::Resolution;

/// References of generated code: the symbol, and the object whose code refers to it.
pub(crate) type References = BTreeSet<(String, String)>;

/// The references of generated code that this build and earlier ones found.
///
/// The file has a line for each: symbol, object, and `now` for references that this build found, separated by
/// tabs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GeneratedRoots {
    /// References that an earlier build found. They are forgotten when no code has them any more.
    before: References,
    /// References that this build found. They stay until its end even if the code loses them, so
    /// that the build terminates.
    now: References,
}

impl GeneratedRoots {
    /// Reads the references that the last link left; empty if the file is missing.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn read(paths: LinkPaths<'_>) -> Result<Self, LinkError> {
        let path = paths.generated_roots();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(reading(&path)(error)),
        };
        let mut known = Self::default();
        for line in text.lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                [symbol, object] => {
                    known.before.insert((symbol.to_owned(), object.to_owned()));
                }
                [symbol, object, "now"] => {
                    known.now.insert((symbol.to_owned(), object.to_owned()));
                }
                // Someone changed the line by hand: its reference will be found again.
                _ => {}
            }
        }
        Ok(known)
    }

    /// Begins a build: records that all known references are from earlier builds.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn write_start_of_build(paths: LinkPaths<'_>) -> Result<(), LinkError> {
        let known = Self::read(paths)?;
        if known.now.is_empty() {
            return Ok(());
        }
        let started = Self {
            before: known.all(),
            now: References::new(),
        };
        started.write(paths)
    }

    /// Returns all references.
    pub(crate) fn all(&self) -> References {
        self.before.union(&self.now).cloned().collect()
    }

    /// Resolves the symbols of `inputs` together with these references.
    ///
    /// # Errors
    /// The errors of [`Resolution::of`].
    pub(crate) fn resolve<'all, 'data>(
        &self,
        inputs: &'all Inputs<'data>,
    ) -> Result<Resolution<'all, 'data>, LinkError> {
        let needed = self.before.union(&self.now);
        let needed = needed.map(|(symbol, _)| symbol.as_str());
        Resolution::of(inputs, needed).map_err(LinkError::Natives)
    }

    fn write(&self, paths: LinkPaths<'_>) -> Result<(), LinkError> {
        let path = paths.generated_roots();
        let mut text = String::new();
        for (symbol, object) in self.before.difference(&self.now) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{symbol}\t{object}");
        }
        for (symbol, object) in &self.now {
            let _ = writeln!(text, "{symbol}\t{object}\tnow");
        }
        if text.is_empty() && !path.exists() {
            return Ok(());
        }
        tool_io::write_if_changed(&path, text.as_bytes())?;
        Ok(())
    }
}

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

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! References of generated code that nothing showed before: calls that code generation makes by itself.
//!
//! The roots are facts of the inputs, so that as a rule nothing is found here. Something that was dropped and
//! is needed all the same would stop the link; it becomes a root, and code is generated again.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use object_model::{Binding, Faults, Input, InputError, Loader, Symbol, link_order};

use crate::inputs::{InputKind, Inputs, kind_of, object_name};
use crate::link::{LinkError, io_error};
use crate::places::Places;
use crate::plan::temporary;
use crate::resolve::Resolution;

/// What generated code refers to: the symbol, and the object whose code it is.
pub(crate) type Generated = BTreeSet<(String, String)>;

/// The references of generated code that are known, from this build and from earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    /// References that an earlier build found. They are forgotten once no code has them any more.
    before: Generated,
    /// References that this build found. They stay until its end, whatever the code then refers to, so that
    /// the build comes to an end.
    now: Generated,
}

impl Known {
    fn all(&self) -> Generated {
        self.before.union(&self.now).cloned().collect()
    }

    /// A line for each: symbol, object, and `now` behind what this build found, separated by tabs.
    fn read(output: &Path) -> Result<Self, LinkError> {
        let path = generated_roots_path(output);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(io_error(format!("reading {}", path.display()))(error)),
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
                // A line that somebody changed: what it stood for is found again.
                _ => {}
            }
        }
        Ok(known)
    }

    fn write(&self, output: &Path) -> Result<(), LinkError> {
        let path = generated_roots_path(output);
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

/// Where those of the link of `output` are kept from one thin link to the next.
pub(crate) fn generated_roots_path(output: &Path) -> PathBuf {
    temporary(output, ".generated-roots")
}

/// What is known of the link of `output`.
///
/// # Errors
/// The file is there and cannot be read.
pub(crate) fn generated_roots(output: &Path) -> Result<Generated, LinkError> {
    Ok(Known::read(output)?.all())
}

/// Resolves the symbols of `inputs` for the link of `output`, with what its generated code is known to need.
///
/// # Errors
/// As [`generated_roots`] and [`Resolution::of`].
pub(crate) fn resolution<'data>(
    output: &Path,
    inputs: &Inputs<'data>,
) -> Result<Resolution<'data>, LinkError> {
    let generated = generated_roots(output)?;
    let needed = generated.iter().map(|(symbol, _)| symbol.as_str());
    Resolution::of(inputs, needed).map_err(LinkError::Natives)
}

/// Begins a build of `output`: all that is known is from before.
///
/// # Errors
/// A file that cannot be read or written.
pub(crate) fn begin_build(output: &Path) -> Result<(), LinkError> {
    let known = Known::read(output)?;
    if known.now.is_empty() {
        return Ok(());
    }
    let before = known.all();
    Known {
        before,
        now: Generated::new(),
    }
    .write(output)
}

/// Looks at `natives`, all the code that was generated of `inputs`, and keeps what it refers to and the link
/// has dropped. Returns whether other symbols are roots now: then code must be generated again.
///
/// # Errors
/// A file that cannot be read or written, native code with damaged relocations.
pub(crate) fn update_generated_roots(
    output: &Path,
    inputs: &Inputs,
    resolution: &Resolution,
    natives: &[(String, Input)],
) -> Result<bool, LinkError> {
    let known = Known::read(output)?;
    let all = known.all();
    let dropped = dropped(inputs, resolution, natives);
    let was_dropped: HashSet<&str> = all.iter().map(|(symbol, _)| symbol.as_str()).collect();
    let mut found = Generated::new();
    for (object, native) in natives {
        for name in references(native, !was_dropped.is_empty())? {
            if dropped.contains(name) || was_dropped.contains(name) {
                found.insert((name.to_owned(), object.clone()));
            }
        }
    }
    let mut update = Known {
        before: Generated::new(),
        now: known.now.clone(),
    };
    for entry in found {
        if !was_dropped.contains(entry.0.as_str()) {
            update.now.insert(entry);
        } else if !known.now.iter().any(|(symbol, _)| *symbol == entry.0) {
            update.before.insert(entry);
        }
    }
    update.write(output)?;
    let symbols = |known: &Generated| -> BTreeSet<String> {
        known.iter().map(|(symbol, _)| symbol.clone()).collect()
    };
    Ok(symbols(&update.all()) != symbols(&all))
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
    resolution: &Resolution,
    places: Places<'_>,
) -> Result<Vec<(String, Input<'data>)>, Faults<InputError>> {
    let bitcode = resolution.linked(inputs);
    let bitcode = bitcode.filter(|input| kind_of(input) == InputKind::Bitcode);
    let (names, paths): (Vec<_>, Vec<_>) = bitcode
        .filter_map(|input| Some((object_name(input), places.native(input.path.as_deref()?))))
        .unzip();
    // No native object is an archive, so that there is one for each path.
    Ok(names.into_iter().zip(link_order(loader, &paths)?).collect())
}

/// What native code refers to, no native code defines, and bitcode does. A member of a library that is not
/// linked counts only where the reference would take it.
fn dropped<'all>(
    inputs: &'all Inputs<'_>,
    resolution: &'all Resolution<'_>,
    natives: &'all [(String, Input<'_>)],
) -> HashSet<&'all str> {
    let elf = resolution.linked(inputs);
    let elf = elf.filter(|input| kind_of(input) == InputKind::Elf);
    let all = elf.chain(natives.iter().map(|(_, native)| native));
    let symbols = || {
        let symbols = all.clone().flat_map(|input| input.object.linker_symbols());
        symbols.filter(|symbol| !symbol.is_local())
    };
    let defined: HashSet<&str> = symbols()
        .filter(|symbol| symbol.is_defined())
        .map(|symbol| symbol.name)
        .collect();
    let droppable = resolution.droppable(inputs);
    let is_of_member = |symbol: &Symbol| {
        let member = resolution.member(symbol.name);
        let member = member.and_then(|object| inputs.objects.get(object));
        symbol.binding == Binding::Global
            && member.is_some_and(|member| kind_of(member) == InputKind::Bitcode)
    };
    symbols()
        .filter(|symbol| symbol.is_undefined() && !defined.contains(symbol.name))
        .filter(|symbol| droppable.contains_key(symbol.name) || is_of_member(symbol))
        .map(|symbol| symbol.name)
        .collect()
}

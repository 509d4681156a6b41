// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes and checks the `.mod` file of a kernel module.
//!
//! Its first line names the objects that the module is made of; `scripts/mod/sumversion.c` reads
//! it. Its second line, filled under `CONFIG_TRIM_UNUSED_KSYMS`, names the symbols that the module
//! needs from elsewhere; `scripts/gen_autoksyms.sh` reads it and drops every export that no module
//! needs. Source: `cmd_mod` and `undefined_syms` in `scripts/Makefile.build` of Linux 5.10.
//!
//! Since Linux 5.19 the file has a line per object and no symbols. Until 6.8, a separate file `.usyms` has
//! a line per symbol (`cmd_mod` and `cmd_undefined_syms` of 6.1).
//!
//! Under LTO the symbols must be read from native code: bitcode shows neither the library calls
//! that code generation adds nor references of inline assembly, and if archive members are
//! read one by one, each symbol is listed once for every member that uses it.
//!
//! **Invariant:** knows one module's object and its `.mod` file; starts no process, opens no file
//! and knows no other plugin.
#![warn(missing_docs)]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashSet;

use object_model::{Binding, FileKind, Input, Object};

/// The content of a `.mod` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModFile {
    parts: Vec<String>,
    undefined: Vec<String>,
}

/// The reason why a `.mod` file cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The module's object is bitcode.
    #[error(
        "{object}: is {kind}, which does not show every symbol that its code will need; \
         link it to native code first (ld.lld -r, or lto-link module) and pass the result"
    )]
    Bitcode {
        /// The object.
        object: String,
        /// Its kind.
        kind: FileKind,
    },
    /// The module's object has no symbol table.
    #[error("{object}: has no symbol table, so what it needs is unknown; give it unstripped")]
    Stripped {
        /// The object.
        object: String,
    },
    /// The format cannot contain a name.
    #[error(
        "{name:?} is not a valid name in a .mod file: it is empty, or contains white space or control characters"
    )]
    Name {
        /// The name.
        name: String,
    },
}

/// A fault of a `.mod` file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file does not have two lines.
    #[error("has {lines} complete lines instead of 2, so that part of it is not read")]
    Lines {
        /// Its number of lines.
        lines: usize,
    },
    /// The file has a character that is in no name, and that the kernel's scripts do not treat as a separator.
    #[error(
        "line {line}: holds the character {character:?}, which would be read as part of a name; \
         remove the file and run make again"
    )]
    Character {
        /// The line, counted from 1.
        line: usize,
        /// The character.
        character: char,
    },
    /// A name in a line of objects is not the name of an object.
    #[error("line {line}: {name} is not an object (*.o); remove the file and run make again")]
    NotAnObject {
        /// The line, counted from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// A name in a line of symbols is the name of an object.
    #[error(
        "line {line}: {name} is an object, and this line is for symbols; a line per object is the \
         form of Linux 5.19 and later, checked with --line-per-part"
    )]
    ObjectAmongSymbols {
        /// The line, counted from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// A line has no name or several names instead of one.
    #[error(
        "line {line}: has {n_names} names instead of one; two lines, of objects and of symbols, are \
         the form before Linux 5.19, checked without --line-per-part"
    )]
    NotOneName {
        /// The line, counted from 1.
        line: usize,
        /// The number of names in it.
        n_names: usize,
    },
    /// The last line has no end, so a part of the file may be missing.
    #[error("line {line}: does not end; remove the file and run make again")]
    NoEnd {
        /// The line, counted from 1.
        line: usize,
    },
    /// The first line is empty.
    #[error("names no object")]
    NoParts,
    /// An object is named twice, and would be linked twice.
    #[error("names the object {object} {times} times")]
    RepeatedPart {
        /// The object.
        object: String,
        /// The number of times that it is named.
        times: usize,
    },
    /// A symbol is named twice.
    #[error("names {symbol} {times} times")]
    Repeated {
        /// The symbol.
        symbol: String,
        /// The number of times that it is named.
        times: usize,
    },
    /// A symbol that the module needs is missing.
    #[error("lacks {symbol}, which {object} needs; the trimmed kernel would not export it")]
    Missing {
        /// The symbol.
        symbol: String,
        /// The module's object.
        object: String,
    },
    /// The module does not need a symbol.
    #[error("names {symbol}, which {object} does not need; is it older than the object?")]
    Surplus {
        /// The symbol.
        symbol: String,
        /// The module's object.
        object: String,
    },
}

/// Returns the symbols that `module`, a native object, needs from elsewhere: each once, in byte order.
/// Weak references are left out, because the module can do without them.
///
/// `nm` marks these symbols with `U`, and prints them in the same order.
///
/// # Errors
/// The object is bitcode, or has no symbol table.
pub fn undefined_symbols<'data>(module: &Input<'data>) -> Result<BTreeSet<&'data str>, Error> {
    let object = || module.name.clone();
    match &module.object {
        Object::Bitcode(bitcode) => Err(Error::Bitcode {
            object: object(),
            kind: bitcode.kind(),
        }),
        Object::Elf(elf) if !elf.has_symbol_table() => Err(Error::Stripped { object: object() }),
        Object::Elf(_) => Ok(module
            .object
            .linker_symbols()
            .filter(|symbol| symbol.is_undefined() && symbol.binding != Binding::Weak)
            .map(|symbol| symbol.name)
            .collect()),
    }
}

impl ModFile {
    /// Returns the file for a module made of `parts`, each of which is kept at its first place. If the kernel
    /// is trimmed, `module` is the linked object. A Makefile may name a part in two lists
    /// (`net/ipv6/Makefile` of Linux 5.10); make links it once.
    ///
    /// # Errors
    /// As [`undefined_symbols`]; also for names with white space or control characters.
    pub fn new(parts: Vec<String>, module: Option<&Input<'_>>) -> Result<Self, Error> {
        let undefined = match module {
            Some(module) => undefined_symbols(module)?,
            None => BTreeSet::new(),
        };
        let undefined: Vec<_> = undefined.into_iter().map(str::to_owned).collect();
        let is_refused = |name: &&String| {
            let is_wrong = |character: char| character.is_whitespace() || character.is_control();
            name.is_empty() || name.contains(is_wrong)
        };
        match parts.iter().chain(&undefined).find(is_refused) {
            Some(name) => Err(Error::Name { name: name.clone() }),
            None => Ok(Self {
                parts: once(parts),
                undefined,
            }),
        }
    }

    /// Returns the text of the file: two lines.
    pub fn text(&self) -> String {
        format!("{}\n{}\n", self.parts.join(" "), self.undefined.join(" "))
    }
}

/// Checks the `text` of a `.mod` file: it must have a line of objects and a line of symbols, and name no
/// symbol twice. An object that is named twice is no fault, because this file only lists the sources of
/// the module's `srcversion`. If the module's object is given, the symbols must be exactly those that the
/// object needs.
///
/// Returns the faults.
///
/// # Errors
/// As [`undefined_symbols`].
pub fn check(text: &str, module: Option<&Input<'_>>) -> Result<Vec<Fault>, Error> {
    let mut faults = characters(text);
    if !faults.is_empty() {
        return Ok(faults);
    }
    let lines = text.matches('\n').count();
    if lines != 2 || !text.ends_with('\n') {
        faults.push(Fault::Lines { lines });
    }
    let mut text = text.lines();
    let parts: Vec<_> = text.next().unwrap_or_default().split_whitespace().collect();
    if parts.is_empty() {
        faults.push(Fault::NoParts);
    }
    faults.extend(parts.into_iter().filter_map(|name| not_an_object(1, name)));
    let (listed, mut objects) = symbols(2, text.next().unwrap_or_default());
    faults.append(&mut objects);
    faults.extend(symbol_faults(&listed, module)?);
    Ok(faults)
}

/// Checks the `text` of a `.mod` file of Linux 5.19 or later, which has a line for each object that the
/// module is linked from: it must name objects, each once.
pub fn check_parts(text: &str) -> Vec<Fault> {
    let mut faults = characters(text);
    if !faults.is_empty() {
        return faults;
    }
    if text.is_empty() {
        return vec![Fault::NoParts];
    }
    faults.extend(line_faults(text));
    let mut listed = Vec::new();
    for (line, name) in numbered(text).flat_map(|(line, text)| {
        let names = text.split_whitespace();
        names.map(move |name| (line, name))
    }) {
        faults.extend(not_an_object(line, name));
        listed.push(name);
    }
    let fault = |(object, times)| Fault::RepeatedPart { object, times };
    faults.extend(repeated(&listed).map(fault));
    faults
}

/// Checks the `text` of a `.usyms` file, which has a line per symbol: it must name exactly the symbols
/// that the object `module` needs, each once.
///
/// # Errors
/// As [`undefined_symbols`].
pub fn check_symbols(text: &str, module: &Input<'_>) -> Result<Vec<Fault>, Error> {
    let mut faults = characters(text);
    if !faults.is_empty() {
        return Ok(faults);
    }
    faults.extend(line_faults(text));
    let mut listed = Vec::new();
    for (line, text) in numbered(text) {
        let (mut found, mut objects) = symbols(line, text);
        listed.append(&mut found);
        faults.append(&mut objects);
    }
    faults.extend(symbol_faults(&listed, Some(module))?);
    Ok(faults)
}

/// Returns the lines of `text` with their numbers, counted from 1.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, text)| (index + 1, text))
}

/// Returns the first character of each line that is neither part of a name nor a separator.
fn characters(text: &str) -> Vec<Fault> {
    let is_wrong = |character: &char| {
        *character != ' ' && (character.is_control() || character.is_whitespace())
    };
    // `lines` would remove a carriage return.
    let lines = text.split('\n').enumerate();
    lines
        .filter_map(|(index, text)| {
            let character = text.chars().find(is_wrong)?;
            let line = index + 1;
            Some(Fault::Character { line, character })
        })
        .collect()
}

/// Returns faults for the lines of `text` that do not have one name, and for a last line without end.
fn line_faults(text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (line, text_of_line) in numbered(text) {
        let n_names = text_of_line.split_whitespace().count();
        if n_names != 1 {
            faults.push(Fault::NotOneName { line, n_names });
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        let line = text.lines().count();
        faults.push(Fault::NoEnd { line });
    }
    faults
}

fn not_an_object(line: usize, name: &str) -> Option<Fault> {
    let fault = |name: &str| Fault::NotAnObject {
        line,
        name: name.to_owned(),
    };
    (!is_object(name)).then(|| fault(name))
}

/// Returns the symbols in the `text` of a line, and faults for objects among them.
fn symbols(line: usize, text: &str) -> (Vec<&str>, Vec<Fault>) {
    let (objects, symbols): (Vec<&str>, Vec<&str>) =
        text.split_whitespace().partition(|name| is_object(name));
    let fault = |name: &str| Fault::ObjectAmongSymbols {
        line,
        name: name.to_owned(),
    };
    (symbols, objects.into_iter().map(fault).collect())
}

/// Returns the objects that the module is linked from, from the `text` of its `.mod` file in either form.
pub fn parts(text: &str) -> Vec<&str> {
    if has_line_per_part(text) {
        names(text).collect()
    } else {
        // make links them as prerequisites, each of which counts once.
        once(names(text).collect())
    }
}

/// Returns whether the `text` of a `.mod` file has a line per object. A file with a single line may also
/// be an older file that was cut off; other files of the same kernel tell which form it is.
pub fn has_line_per_part(text: &str) -> bool {
    !text.is_empty() && text.lines().all(|line| names(line).eq([line]))
}

/// Returns the objects named in `text`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().filter(|word| is_object(word))
}

/// Returns whether a name is that of an object and not of a symbol. No name of C contains a dot.
#[expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "kbuild's objects end in .o, in this spelling only"
)]
fn is_object(name: &str) -> bool {
    name.ends_with(".o")
}

/// Returns each of `parts` at its first place.
fn once<T: Clone + Eq + std::hash::Hash>(mut parts: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::new();
    parts.retain(|part| seen.insert(part.clone()));
    parts
}

/// Returns the items that `listed` has more than once, with their numbers.
fn repeated(listed: &[&str]) -> impl Iterator<Item = (String, usize)> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for name in listed {
        *times.entry(name).or_default() += 1;
    }
    let more = times.into_iter().filter(|(_, times)| *times > 1);
    more.map(|(name, times)| (name.to_owned(), times))
}

fn symbol_faults(listed: &[&str], module: Option<&Input<'_>>) -> Result<Vec<Fault>, Error> {
    let fault = |(symbol, times)| Fault::Repeated { symbol, times };
    let mut faults: Vec<_> = repeated(listed).map(fault).collect();
    if let Some(module) = module {
        let listed: BTreeSet<_> = listed.iter().copied().collect();
        let needed = undefined_symbols(module)?;
        faults.extend(needed.difference(&listed).map(|symbol| Fault::Missing {
            symbol: (*symbol).to_owned(),
            object: module.name.clone(),
        }));
        faults.extend(listed.difference(&needed).map(|symbol| Fault::Surplus {
            symbol: (*symbol).to_owned(),
            object: module.name.clone(),
        }));
    }
    Ok(faults)
}

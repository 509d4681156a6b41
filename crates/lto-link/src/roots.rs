// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The root set: what must stay in a link that drops what nothing refers to, and why.
//!
//! Roots are the definitions in bitcode that something outside of bitcode refers to. What bitcode
//! itself keeps (`used` functions and variables, which is what entries of section tables and exports
//! are), the linker knows by itself; it is listed here too, so that the list is whole.
//!
//! Sources: lld's `-u`; `isUsedInRegularObj` in lld's `BitcodeCompiler`; `llvm/Object/IRSymtab.h` for
//! `used`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use globset::{Glob, GlobMatcher};
use object_model::{Object, Symbol};

use crate::inputs::{Inputs, object_name};

/// What is dropped of a link, as asked for: all that no root reaches.
#[derive(Clone, Debug, Default)]
pub struct RootOptions {
    /// Whether it is a module, which has its own entries and is read by modpost.
    pub is_module: bool,
    /// Files in which a definition may be named: linker scripts, sources of the programs that look
    /// names up in the linked kernel. Every word of them that is the name of a definition is a root;
    /// of C, those in its strings.
    pub named_in: Vec<PathBuf>,
    /// A file with patterns of names that somebody wants to keep, each with its reason.
    pub patterns: Option<PathBuf>,
}

/// How the entry of an exported symbol in the table of exports is called. Source: `__KSYMTAB_ENTRY` in
/// `include/linux/export.h`.
const EXPORT: &str = "__ksymtab_";

/// What a listing calls the reason of what is marked to be kept in its source.
pub(crate) const USED: &str = "used";

/// What a listing calls the reason of what modules may use.
pub(crate) const EXPORTED: &str = "exported";

/// What a listing calls the reason of what stays global for the sake of its callers.
const FREED_CALLERS: &str = "freed-callers";

/// Why a definition is a root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// An object of native code refers to it.
    Native(String),
    /// Modules may use it: the object has an entry for it in the table of exports.
    Exported(String),
    /// Module-level assembly of a bitcode object refers to it.
    ModuleAssembly(String),
    /// Generated code refers to it and bitcode does not: inline assembly in a function, or a
    /// library function that code generation calls.
    GeneratedCode(String),
    /// A file names it.
    NamedIn(PathBuf),
    /// modpost or the module loader looks it up.
    Module,
    /// It stays in memory, and only code that refers to what is freed calls it. Were it known to its object
    /// alone, the compiler would put into it what all callers pass, be it the address of what is freed;
    /// modpost takes that for a fault.
    FreedCallers,
    /// Somebody wants to keep it.
    Kept {
        /// The pattern that its name matches.
        pattern: String,
        /// The reason that stands beside it.
        why: String,
    },
    /// It is marked to be kept in the source: an entry of a section table, an export, or what
    /// assembly of its own object refers to.
    Used,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native(object) => write!(f, "native\t{object}"),
            Self::Exported(object) => write!(f, "{EXPORTED}\t{object}"),
            Self::ModuleAssembly(object) => write!(f, "module-assembly\t{object}"),
            Self::GeneratedCode(object) => write!(f, "generated-code\t{object}"),
            Self::NamedIn(file) => write!(f, "named-in\t{}", file.display()),
            Self::Module => f.write_str("module\tthe module loader and modpost look it up"),
            Self::FreedCallers => {
                write!(
                    f,
                    "{FREED_CALLERS}\tonly code that is freed passes anything to it"
                )
            }
            Self::Kept { pattern, why } => write!(f, "kept\t{pattern}: {why}"),
            Self::Used => write!(f, "{USED}\tmarked as used in its source"),
        }
    }
}

/// Why the root set is not known.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A file that may name roots cannot be read.
    #[error("{}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A line of the file with patterns.
    #[error("{}: line {line}: {what}; a line is a pattern and, behind it, the reason", path.display())]
    Pattern {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A pattern matches no definition of the link.
    #[error("{}: `{pattern}` matches no definition; remove it, or mend the name", path.display())]
    Unmatched {
        /// The file.
        path: PathBuf,
        /// The pattern.
        pattern: String,
    },
}

/// The roots of one link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    reasons: BTreeMap<String, BTreeSet<Reason>>,
}

impl Roots {
    /// The roots of `inputs`. `generated` are those that code generation showed: symbol and object.
    ///
    /// # Errors
    /// A file that cannot be read, a pattern that is none.
    pub fn collect(
        options: &RootOptions,
        inputs: &Inputs,
        generated: &BTreeSet<(String, String)>,
    ) -> Result<Self, RootError> {
        // Every option that is new has to be given a meaning here.
        let RootOptions {
            is_module,
            named_in,
            patterns,
        } = options;
        let defined = droppable(inputs);
        let mut roots = Self::default();
        for input in &inputs.objects {
            let object = object_name(input);
            match &input.object {
                Object::Elf(elf) => {
                    let undefined = elf.symbols().iter().filter(|symbol| symbol.is_undefined());
                    for symbol in undefined.filter(|symbol| defined.contains_key(symbol.name)) {
                        roots.add(symbol.name, Reason::Native(object.clone()));
                    }
                }
                Object::Bitcode(bitcode) => {
                    let entries = bitcode.symbols().iter();
                    let exported: HashSet<&str> = entries
                        .filter_map(|symbol| symbol.name.strip_prefix(EXPORT))
                        .collect();
                    for symbol in bitcode.symbols() {
                        let is_known = defined.contains_key(symbol.name);
                        if symbol.is_undefined() && symbol.is_from_asm() && is_known {
                            let reason = if exported.contains(symbol.name) {
                                Reason::Exported
                            } else {
                                Reason::ModuleAssembly
                            };
                            roots.add(symbol.name, reason(object.clone()));
                        } else if is_definition(symbol) && symbol.is_used() {
                            roots.add(symbol.name, Reason::Used);
                        }
                    }
                }
            }
        }
        for (symbol, object) in generated {
            if defined.contains_key(symbol.as_str()) {
                roots.add(symbol, Reason::GeneratedCode(object.clone()));
            }
        }
        for path in named_in {
            let text = std::fs::read(path).map_err(|error| RootError::Read(path.clone(), error))?;
            let is_c = path
                .extension()
                .is_some_and(|kind| kind == "c" || kind == "h");
            let texts = if is_c {
                strings(&text)
            } else {
                vec![&text[..]]
            };
            let words = texts.into_iter().flat_map(words);
            for word in words.filter(|word| defined.contains_key(word)) {
                roots.add(word, Reason::NamedIn(path.clone()));
            }
        }
        if *is_module {
            for name in defined.keys().filter(|name| is_looked_up(name)) {
                roots.add(name, Reason::Module);
            }
        }
        if let Some(path) = patterns {
            let text = std::fs::read_to_string(path)
                .map_err(|error| RootError::Read(path.clone(), error))?;
            for (pattern, why) in read_patterns(path, &text)? {
                let matching = defined.keys().filter(|name| pattern.is_match(name));
                let matching: Vec<&str> = matching.copied().collect();
                let pattern = pattern.glob().glob().to_owned();
                if matching.is_empty() {
                    let path = path.clone();
                    return Err(RootError::Unmatched { path, pattern });
                }
                for name in matching {
                    let (pattern, why) = (pattern.clone(), why.clone());
                    roots.add(name, Reason::Kept { pattern, why });
                }
            }
        }
        Ok(roots)
    }

    pub(crate) fn add(&mut self, symbol: &str, reason: Reason) {
        match self.reasons.get_mut(symbol) {
            Some(reasons) => drop(reasons.insert(reason)),
            None => drop(
                self.reasons
                    .insert(symbol.to_owned(), BTreeSet::from([reason])),
            ),
        }
    }

    /// Their names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.reasons.keys().map(String::as_str)
    }

    /// Why `symbol` is one; nothing if it is none.
    pub fn reasons(&self, symbol: &str) -> impl Iterator<Item = &Reason> {
        self.reasons.get(symbol).into_iter().flatten()
    }

    /// The arguments that name them to ld.lld, as a response file has them.
    pub fn response(&self) -> String {
        self.names().fold(String::new(), |mut text, name| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "-u\n{name}");
            text
        })
    }

    /// The roots in a listing, as [`Self::listing`] writes them: name, and reason as text. Those that
    /// are roots for the sake of their callers are not among them: others keep these.
    pub fn read_listing(text: &str) -> impl Iterator<Item = (&str, &str)> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.split_once('\t'))
            .filter(|(_, reason)| !reason.starts_with(FREED_CALLERS))
    }

    /// A line for each root and reason: symbol, kind of reason, and who or what it is, separated by
    /// tabs; below a line that says so.
    pub fn listing(&self) -> String {
        let mut text = String::from("# symbol\treason\twho\n");
        for (symbol, reasons) in &self.reasons {
            for reason in reasons {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{symbol}\t{reason}");
            }
        }
        text
    }
}

/// Where the roots of the link of `output` are listed: `vmlinux.lto-roots` of `vmlinux.o`.
pub fn roots_path(output: &Path) -> PathBuf {
    output.with_extension("lto-roots")
}

/// Whether a link can drop it: a definition of a bitcode object that others see.
fn is_definition(symbol: &Symbol) -> bool {
    symbol.is_defined()
        && !symbol.is_local()
        && !symbol.is_from_asm()
        && !symbol.is_format_specific()
}

/// The definitions that a link can drop, and the object that has the first of each name.
pub(crate) fn droppable<'data>(inputs: &Inputs<'data>) -> HashMap<&'data str, usize> {
    let mut defined = HashMap::new();
    for (index, input) in inputs.objects.iter().enumerate() {
        if let Object::Bitcode(bitcode) = &input.object {
            for symbol in bitcode
                .symbols()
                .iter()
                .filter(|symbol| is_definition(symbol))
            {
                defined.entry(symbol.name).or_insert(index);
            }
        }
    }
    defined
}

/// What could be names of C in `text`, which need not be text at all.
fn words(text: &[u8]) -> impl Iterator<Item = &str> {
    text.split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))
        .filter_map(|word| std::str::from_utf8(word).ok())
        .filter(|word| !word.is_empty())
}

/// The strings in a source of C, without their quotes. A quote in a character constant or in a comment
/// makes strings of what is none: then more is kept than need be, or less, so that it counts for one
/// line only.
fn strings(text: &[u8]) -> Vec<&[u8]> {
    let mut strings = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut start = None;
        let mut is_escaped = false;
        for (at, byte) in line.iter().enumerate() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => match start.take() {
                    Some(start) => strings.push(&line[start..at]),
                    None => start = Some(at + 1),
                },
                _ => (),
            }
        }
    }
    strings
}

/// Names that a module is entered by, and those that modpost makes aliases for user space from.
/// Sources: `include/linux/module.h` (`module_init`, `MODULE_DEVICE_TABLE`), `handle_moddevtable` in
/// `scripts/mod/file2alias.c`.
fn is_looked_up(name: &str) -> bool {
    matches!(name, "init_module" | "cleanup_module" | "__this_module")
        || name.starts_with("__mod_") && name.ends_with("_device_table")
}

/// The patterns of a file, with their reasons.
fn read_patterns(path: &Path, text: &str) -> Result<Vec<(GlobMatcher, String)>, RootError> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let wrong = |what: String| RootError::Pattern {
                path: path.to_owned(),
                line: index + 1,
                what,
            };
            let (pattern, why) = line
                .trim()
                .split_once(char::is_whitespace)
                .ok_or_else(|| wrong(format!("`{}` has no reason", line.trim())))?;
            let glob = Glob::new(pattern).map_err(|error| wrong(error.to_string()))?;
            Ok((glob.compile_matcher(), why.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_c_are_those_in_its_strings() {
        let text = br#"if (!strcmp(name, "main_table")) die("no \"other\" %s\n", "x", sort);"#;
        let found: Vec<&str> = strings(text).into_iter().flat_map(words).collect();
        assert_eq!(found, ["main_table", "no", "other", "s", "n", "x"]);
    }
}

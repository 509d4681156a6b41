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
use object_model::{Binding, FileKind, Object};

use crate::inputs::{Inputs, object_name, quoted};
use crate::reach::Reach;
use crate::resolve::{Resolution, is_definition};

/// The options of a link that drops everything no root reaches.
#[derive(Clone, Debug, Default)]
pub struct RootOptions {
    /// Whether it is a module, which has its own entries and is read by modpost.
    pub is_module: bool,
    /// Files in which a definition may be named: linker scripts, sources of the programs that look
    /// names up in the linked kernel. Every word of them that is the name of a definition is a root;
    /// of C, those in its strings.
    pub named_in: Vec<PathBuf>,
    /// Sources and objects that only the last link of vmlinux takes, beside what is linked here: what they
    /// name is a root.
    pub last_link: Vec<PathBuf>,
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
    /// Inline assembly in a function of a bitcode object names it.
    InlineAssembly(String),
    /// Inline assembly within it defines a symbol, to which others may refer.
    DefinesInAssembly(String),
    /// It is weak: the last link may bring another definition.
    Weak(String),
    /// A weak definition refers to it; what takes the place of that is likely to do so, too.
    BehindWeak(String),
    /// It stands in a section that is a table: something may go through all entries.
    InTable(String),
    /// It is a function of C's library: code generation may make calls to it that bitcode does not have.
    LibraryCall,
    /// Something that only the last link takes names it.
    LastLink(PathBuf),
    /// Generated code refers to it, and nothing that is known before shows it.
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
            Self::InlineAssembly(object) => write!(f, "inline-assembly\t{object}"),
            Self::DefinesInAssembly(object) => write!(f, "defines-in-assembly\t{object}"),
            Self::Weak(object) => write!(f, "weak\t{object}"),
            Self::BehindWeak(symbol) => write!(f, "behind-weak\t{symbol}"),
            Self::InTable(section) => write!(f, "in-table\t{section}"),
            Self::LibraryCall => {
                f.write_str("library-call\tcode generation may call it wherever C does the same")
            }
            Self::LastLink(file) => write!(f, "last-link\t{}", file.display()),
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
        /// The fault.
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
    /// The roots of `inputs`, of which those in `resolution` are linked and `reach` has the definitions.
    /// `generated` are those that code generation showed: symbol and object.
    ///
    /// # Errors
    /// A file cannot be read, or a pattern is malformed.
    pub(crate) fn collect<'data>(
        options: &RootOptions,
        inputs: &Inputs<'data>,
        resolution: &Resolution<'data>,
        reach: &Reach,
        generated: &BTreeSet<(String, String)>,
    ) -> Result<Self, RootError> {
        // Every option that is new has to be given a meaning here.
        let RootOptions {
            is_module,
            named_in,
            last_link,
            patterns,
        } = options;
        let defined = resolution.droppable(inputs);
        let mut roots = Self::default();
        let exported = roots.add_of_objects(inputs, resolution, &defined);
        roots.add_of_assembly(reach, &defined, &exported);
        for (name, weak) in reach.behind_weak() {
            if defined.contains_key(name) {
                roots.add(name, Reason::BehindWeak(weak.to_owned()));
            }
        }
        for (name, section) in reach.in_tables() {
            if defined.contains_key(name) {
                roots.add(name, Reason::InTable(section.to_owned()));
            }
        }
        for name in LIBRARY_FUNCTIONS {
            if defined.contains_key(name) {
                roots.add(name, Reason::LibraryCall);
            }
        }
        for path in last_link {
            for name in names_in(path, &defined)? {
                roots.add(name, Reason::LastLink(path.clone()));
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
        for name in defined.keys() {
            if *is_module && is_looked_up(name) || is_device_table(name) {
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

    /// Adds what the symbol tables of linked objects show, and returns the names that are exported.
    fn add_of_objects<'data>(
        &mut self,
        inputs: &Inputs<'data>,
        resolution: &Resolution<'data>,
        defined: &HashMap<&str, usize>,
    ) -> HashSet<&'data str> {
        let mut exported_by_all: HashSet<&str> = HashSet::new();
        for &place in resolution.link_order() {
            let Some(input) = inputs.objects.get(place) else {
                continue;
            };
            let object = object_name(input);
            match &input.object {
                Object::Elf(elf) => {
                    // What it defines itself gives way where the definition in bitcode prevails.
                    let names = elf.symbols().iter();
                    let names = names.filter(|symbol| !symbol.is_local());
                    for symbol in names.filter(|symbol| defined.contains_key(symbol.name)) {
                        self.add(symbol.name, Reason::Native(object.clone()));
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
                            self.add(symbol.name, reason(object.clone()));
                        } else if is_definition(symbol) && is_known {
                            if symbol.is_used() {
                                self.add(symbol.name, Reason::Used);
                            }
                            let prevails = defined.get(symbol.name) == Some(&place);
                            if symbol.binding == Binding::Weak && prevails {
                                self.add(symbol.name, Reason::Weak(object.clone()));
                            }
                        }
                    }
                    exported_by_all.extend(exported);
                }
            }
        }
        exported_by_all
    }

    /// Adds what assembly in bitcode names, and what it defines within functions. The text of an export names
    /// what it exports, one of `exported`, which is a root already.
    fn add_of_assembly(
        &mut self,
        reach: &Reach,
        defined: &HashMap<&str, usize>,
        exported: &HashSet<&str>,
    ) {
        let mut fitting = HashMap::new();
        for (object, assembly) in reach.assembly() {
            let mut in_module = assembly.module.among(defined, &mut fitting);
            in_module.retain(|name| !exported.contains(name));
            for name in in_module {
                self.add(name, Reason::ModuleAssembly(object.to_owned()));
            }
            for name in assembly.functions.among(defined, &mut fitting) {
                self.add(name, Reason::InlineAssembly(object.to_owned()));
            }
        }
        for (name, object) in reach.defining_in_assembly() {
            if defined.contains_key(name) {
                self.add(name, Reason::DefinesInAssembly(object.to_owned()));
            }
        }
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

    /// Why `symbol` is a root; empty if it is not a root.
    pub fn reasons(&self, symbol: &str) -> impl Iterator<Item = &Reason> {
        self.reasons.get(symbol).into_iter().flatten()
    }

    /// The arguments that name them to ld.lld, as a response file has them.
    pub fn response(&self) -> String {
        self.names().fold(String::new(), |mut text, name| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "-u\n{}", quoted(name));
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

/// The functions of C's library that LLVM makes calls to where it can: for other functions of the library,
/// and for loops that do the same. Source: `llvm/Transforms/Utils/BuildLibCalls.h`, `LoopIdiomRecognize`.
const LIBRARY_FUNCTIONS: [&str; 47] = [
    "bcmp",
    "bcopy",
    "bzero",
    "calloc",
    "fputc",
    "fputs",
    "free",
    "fwrite",
    "malloc",
    "memccpy",
    "memchr",
    "memcmp",
    "memcpy",
    "memmove",
    "mempcpy",
    "memrchr",
    "memset",
    "printf",
    "putchar",
    "puts",
    "realloc",
    "snprintf",
    "sprintf",
    "stpcpy",
    "stpncpy",
    "strcat",
    "strchr",
    "strcmp",
    "strcpy",
    "strcspn",
    "strdup",
    "strlcat",
    "strlcpy",
    "strlen",
    "strncat",
    "strncmp",
    "strncpy",
    "strndup",
    "strnlen",
    "strpbrk",
    "strrchr",
    "strspn",
    "strstr",
    "strtol",
    "vsnprintf",
    "vsprintf",
    "wcslen",
];

/// The names of `defined` that a source or object of the last link has in it: any word of a text, and any
/// symbol of an object.
fn names_in<'data>(
    path: &Path,
    defined: &HashMap<&'data str, usize>,
) -> Result<Vec<&'data str>, RootError> {
    let data = std::fs::read(path).map_err(|error| RootError::Read(path.to_owned(), error))?;
    let known = |name: &str| defined.get_key_value(name).map(|(name, _)| *name);
    if FileKind::of(&data).is_none() {
        return Ok(words(&data).filter_map(known).collect());
    }
    let object = Object::parse(&data)
        .map_err(|error| RootError::Read(path.to_owned(), io::Error::other(error)))?;
    let symbols = object.linker_symbols();
    Ok(symbols.filter_map(|symbol| known(symbol.name)).collect())
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

/// Names that a module is entered by, and those that modpost makes aliases for user space from. Sources:
/// `include/linux/module.h` (`module_init`; `MODULE_DEVICE_TABLE`: `__mod_TYPE__NAME_device_table` before
/// Linux 6.13, `__mod_device_table__TYPE__NAME` since, with the module's name before the type since 6.16),
/// `handle_moddevtable` in `scripts/mod/file2alias.c`.
fn is_looked_up(name: &str) -> bool {
    matches!(name, "init_module" | "cleanup_module" | "__this_module") || is_device_table(name)
}

/// Whether modpost makes aliases of it; of what is part of vmlinux, too, since Linux 6.16.
fn is_device_table(name: &str) -> bool {
    name.starts_with("__mod_device_table__")
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

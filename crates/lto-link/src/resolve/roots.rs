// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The roots: the definitions that a link with dropping must keep, and the reasons.
//!
//! Roots are the definitions in bitcode to which something outside of bitcode refers. The linker
//! itself keeps definitions that the bitcode marks as used, such as entries of section tables and
//! exports; they are listed here too, so that the list is complete.
//!
//! The listing of roots, `vmlinux.lto-roots`, has a line for each root and reason: the symbol, the kind of
//! the reason, and the user or an explanation, separated by tabs.
//!
//! Sources: `isUsedInRegularObj` in lld's `BitcodeCompiler`; `llvm/Object/IRSymtab.h` for `used`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use object_model::{Binding, Object};

use crate::error::RootError;
use crate::read::inputs::object_name;
use crate::resolve::exports::{Used, exported_by};
use crate::resolve::reach::Reach;
use crate::resolve::reason::{FREED_CALLERS, Reason};
use crate::resolve::resolution::{Resolution, is_definition};
use crate::resolve::root_files::{definitions_named_in, kept_by_patterns, names_of_last_link};

/// The options of a link that drops every definition that no root reaches.
#[derive(Clone, Debug, Default)]
pub struct RootOptions {
    /// Whether the output is a module. The module loader and modpost look up some of its symbols.
    pub is_module: bool,
    /// Files that may name definitions: linker scripts, and sources of programs that look up names
    /// in the linked kernel. A definition is a root if its name is a word of such a file; in a C
    /// file, only words in strings count.
    pub named_in: Vec<PathBuf>,
    /// Sources and objects of the last link of vmlinux. The definitions that they name are roots.
    pub last_link: Vec<PathBuf>,
    /// The list of used exports. Other exports can be dropped, if they are variables of bitcode. Without a list, all
    /// exports are used.
    pub exports: Option<PathBuf>,
    /// A file with patterns of names to keep, each with a reason.
    pub patterns: Option<PathBuf>,
}

/// The prefixes of symbols by which an object exports a definition. Sources: `__KSYMTAB_ENTRY` in
/// `include/linux/export.h`; since Linux 6.5 `___EXPORT_SYMBOL` there, whose label `__export_symbol_NAME` is in the
/// section `.export_symbol`, from which modpost makes the table.
const EXPORTS: [&str; 2] = ["__ksymtab_", "__export_symbol_"];

/// The roots of one link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    reasons: BTreeMap<String, BTreeSet<Reason>>,
}

impl Roots {
    /// Collects the roots among the definitions of `resolution`, which are also in `reach`.
    /// `generated` are the references that only generated code showed: symbol and object.
    ///
    /// # Errors
    /// A file cannot be read, a pattern is malformed or matches nothing.
    pub(crate) fn collect<'data>(
        options: &RootOptions,
        resolution: &Resolution<'_, 'data>,
        reach: &Reach<'data>,
        generated: &BTreeSet<(String, String)>,
    ) -> Result<Self, RootError> {
        // Without `..`, so that a new option cannot be forgotten here.
        let RootOptions {
            is_module,
            named_in,
            last_link,
            exports,
            patterns,
        } = options;
        let defined = resolution.droppable();
        let mut roots = Self::default();
        let exported = roots.add_from_symbol_tables(resolution);
        roots.add_from_assembly(reach, defined, &exported);
        for (name, weak) in reach.behind_weak() {
            roots.add_defined(defined, name, || Reason::BehindWeak(weak.to_owned()));
        }
        let used = Used::read(exports.as_deref(), resolution)?;
        for (name, section) in reach.in_tables() {
            if let Some(export) = exported_by(name, section) {
                if !used.contains(export) {
                    continue;
                }
                // modpost refuses exports of local symbols.
                let object = defined
                    .get(name)
                    .and_then(|&place| resolution.object(place));
                let object = object.map(object_name).unwrap_or_default();
                roots.add_defined(defined, export, || Reason::Exported(object));
            }
            roots.add_defined(defined, name, || Reason::InTable(section.to_owned()));
        }
        for name in LIBRARY_FUNCTIONS {
            roots.add_defined(defined, name, || Reason::LibraryCall);
        }
        for path in last_link {
            for name in names_of_last_link(path, defined)? {
                roots.add(name, Reason::LastLink(path.clone()));
            }
        }
        for (symbol, object) in generated {
            roots.add_defined(defined, symbol, || Reason::GeneratedCode(object.clone()));
        }
        for path in named_in {
            for name in definitions_named_in(path, defined)? {
                roots.add(name, Reason::NamedIn(path.clone()));
            }
        }
        for name in defined.keys() {
            if *is_module && is_looked_up(name) || is_device_table(name) {
                roots.add(name, Reason::Module);
            }
        }
        if let Some(path) = patterns {
            for (name, pattern, why) in kept_by_patterns(path, defined)? {
                roots.add(name, Reason::Kept { pattern, why });
            }
        }
        Ok(roots)
    }

    /// Adds the roots that the symbol tables of linked objects show, and returns the names that assembly exports.
    fn add_from_symbol_tables<'data>(
        &mut self,
        resolution: &Resolution<'_, 'data>,
    ) -> HashSet<&'data str> {
        let defined = resolution.droppable();
        let mut exported_by_all: HashSet<&str> = HashSet::new();
        for &place in resolution.link_order() {
            let Some(input) = resolution.object(place) else {
                continue;
            };
            let object = object_name(input);
            match &input.object {
                Object::Elf(elf) => {
                    // The object's own definition of the name gives way to the one in bitcode.
                    let names = elf.symbols().iter();
                    let names = names.filter(|symbol| !symbol.is_local());
                    for symbol in names.filter(|symbol| defined.contains_key(symbol.name)) {
                        self.add(symbol.name, Reason::Native(object.clone()));
                    }
                }
                Object::Bitcode(bitcode) => {
                    let entries = bitcode.symbols().iter();
                    let exported: HashSet<&str> = entries
                        .filter(|symbol| symbol.is_from_asm())
                        .filter_map(|symbol| exported_name(symbol.name))
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

    /// Adds the definitions that assembly in bitcode names, and the functions whose assembly defines symbols.
    /// The assembly of an export names the exported definition, one of `exported`, which is a root already.
    fn add_from_assembly(
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
            self.add_defined(defined, name, || {
                Reason::DefinesInAssembly(object.to_owned())
            });
        }
    }

    /// Adds `name` for `reason` if it is one of `defined`.
    fn add_defined(
        &mut self,
        defined: &HashMap<&str, usize>,
        name: &str,
        reason: impl FnOnce() -> Reason,
    ) {
        if defined.contains_key(name) {
            self.add(name, reason());
        }
    }

    /// Adds a root, or one more reason for it.
    pub(crate) fn add(&mut self, symbol: &str, reason: Reason) {
        match self.reasons.get_mut(symbol) {
            Some(reasons) => drop(reasons.insert(reason)),
            None => drop(
                self.reasons
                    .insert(symbol.to_owned(), BTreeSet::from([reason])),
            ),
        }
    }

    /// Returns the names of the roots, in alphabetical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.reasons.keys().map(String::as_str)
    }

    /// Returns the roots in the text of a listing: name, and reason as text. Functions that stay
    /// global only because of their callers are left out: they keep nothing.
    pub fn read_listing(text: &str) -> impl Iterator<Item = (&str, &str)> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.split_once('\t'))
            .filter(|(_, reason)| !reason.starts_with(FREED_CALLERS))
    }

    /// Returns the listing.
    pub(crate) fn listing(&self) -> String {
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

/// The functions of the C library that LLVM calls instead of other library functions and equivalent
/// loops. Source: `llvm/Transforms/Utils/BuildLibCalls.h`, `LoopIdiomRecognize`.
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

/// Returns whether code generation may call the function `name` of the C library.
pub(crate) fn is_library_function(name: &str) -> bool {
    LIBRARY_FUNCTIONS.contains(&name)
}

/// Returns the name of the definition that a symbol exports.
fn exported_name(symbol: &str) -> Option<&str> {
    EXPORTS
        .iter()
        .find_map(|prefix| symbol.strip_prefix(prefix))
}

/// Returns whether the module loader or modpost looks the name up: entries of a module, and tables
/// from which modpost makes aliases for user space. Sources: `include/linux/module.h`
/// (`module_init`; `MODULE_DEVICE_TABLE`: `__mod_TYPE__NAME_device_table` before Linux 6.13,
/// `__mod_device_table__TYPE__NAME` since, with the module's name before the type since 6.16),
/// `handle_moddevtable` in `scripts/mod/file2alias.c`.
fn is_looked_up(name: &str) -> bool {
    matches!(name, "init_module" | "cleanup_module" | "__this_module") || is_device_table(name)
}

/// Returns whether modpost makes aliases from the table; since Linux 6.16 also from tables in vmlinux.
fn is_device_table(name: &str) -> bool {
    name.starts_with("__mod_device_table__")
        || name.starts_with("__mod_") && name.ends_with("_device_table")
}

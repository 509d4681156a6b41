// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks that a module has the same sections as without LTO.

use std::collections::{BTreeMap, BTreeSet};

use object_model::{Elf, SymbolMap, source_name};

use crate::mismatch::referred;
use crate::names::is_named_after;
use crate::thunks::{ThunkFault, check_thunks};

/// The prefixes of sections that LTO splits (LLVM, `-ffunction-sections` and `-fdata-sections`).
const SPLIT: [&str; 4] = [".text.", ".data.", ".rodata.", ".bss."];

/// Code and tables about code that the kernel, or the loader of modules, looks up by name. Source:
/// `find_module_sections` and `module_finalize` in `kernel/module.c` and `arch/*/kernel/module.c`,
/// `module_bug_finalize` in `lib/bug.c`.
const NAMED: [&str; 6] = [
    ".init.text",
    ".exit.text",
    "__bug_table",
    "__ex_table",
    ".altinstructions",
    "__jump_table",
];

/// The sections of the same module, built without LTO.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    names: BTreeSet<String>,
    /// `e_machine` of its ELF header.
    machine: u16,
    /// The functions that each section of `NAMED` contains or refers to, by their names in the source; `None`
    /// if its relocations cannot be read.
    functions: BTreeMap<&'static str, Option<BTreeSet<String>>>,
}

impl Reference {
    /// Returns the section names of `module`, and the functions of the sections that the kernel looks up.
    pub fn of(module: &Elf) -> Self {
        let names = module
            .sections()
            .iter()
            .map(|section| section.name.to_owned());
        let symbols = module.symbol_map();
        let present = NAMED.into_iter().filter(|name| has(module, name));
        Self {
            names: names.collect(),
            machine: module.machine().0,
            functions: present
                .map(|name| (name, functions_of(module, &symbols, name)))
                .collect(),
        }
    }
}

/// Returns whether the module has a section of this name that is not empty.
fn has(module: &Elf, name: &str) -> bool {
    let mut sections = module.sections().iter();
    sections.any(|section| section.name == name && section.size > 0)
}

/// Returns the functions that sections of this name contain or refer to.
fn functions_of<'data>(
    module: &Elf<'data>,
    symbols: &SymbolMap<'_, 'data>,
    name: &str,
) -> Option<BTreeSet<String>> {
    let known = functions(module);
    let mut found = BTreeSet::new();
    for section in module.sections().iter().filter(|s| s.name == name) {
        if section.is_executable() {
            let within = symbols.in_section(section.index).iter();
            found.extend(within.map(|symbol| source_name(symbol.name)));
            continue;
        }
        for relocation in module.relocations(section.index).ok()? {
            let symbol = relocation.symbol.and_then(|index| module.symbol(index));
            let target = symbol.and_then(|s| referred(module, symbols, s, relocation.addend));
            found.extend(target.map(source_name));
        }
    }
    let of_functions = found.into_iter().filter(|name| known.contains(name));
    Some(of_functions.map(str::to_owned).collect())
}

/// Returns the functions of a module, by their names in the source.
fn functions<'data>(module: &Elf<'data>) -> BTreeSet<&'data str> {
    let symbols = module.symbols().iter();
    let functions = symbols.filter(|symbol| module.is_function(symbol));
    functions.map(|symbol| source_name(symbol.name)).collect()
}

/// A fault of a section. The caller knows the module.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The section should have been merged into the one it was split from.
    #[error("section {0} is left over: the linker script of modules has no pattern that merges it")]
    LeftOver(String),
    /// The section has a special meaning, and its content is now in another one.
    #[error("section {0} is missing: the build without LTO has it, so it was merged into another")]
    Missing(String),
    /// The reference is not a build of the same module.
    #[error(
        "is for ELF machine {found}, and the module to compare with is for {expected}; give the same \
         module of a build for the same architecture"
    )]
    Machine {
        /// `e_machine` of the module.
        found: u16,
        /// `e_machine` of the reference.
        expected: u16,
    },
}

/// Returns the faults of `module`: split sections that a build without LTO does not have, and special
/// sections that only the build without LTO has. A section that the kernel looks up counts as missing if
/// the module still has a function that the section is about in the `reference`. If the reference is for
/// another machine, that is the only fault.
///
/// Without a `reference`, a section counts as split if it is named after a symbol in it, or if the
/// compiler made up its name.
pub fn check_module(module: &Elf, reference: Option<&Reference>) -> Vec<Fault> {
    let (found, expected) = (module.machine().0, reference.map(|found| found.machine));
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return vec![Fault::Machine { found, expected }];
    }
    let mut faults = Vec::new();
    let names: BTreeSet<&str> = module
        .sections()
        .iter()
        .map(|section| section.name)
        .collect();
    for name in &names {
        let Some(suffix) = SPLIT.iter().find_map(|prefix| name.strip_prefix(prefix)) else {
            continue;
        };
        let left_over = match reference {
            Some(reference) => !reference.names.contains(*name),
            None => match suffix.strip_prefix('.') {
                Some(rest) => is_made_up(rest),
                None => module.symbols().iter().any(|symbol| {
                    symbol.section_name == Some(name) && is_named_after(suffix, symbol.name)
                }),
            },
        };
        if left_over {
            faults.push(Fault::LeftOver((*name).to_owned()));
        }
    }
    let special = reference.iter().flat_map(|reference| &reference.names);
    // If all of its functions were dropped, none is traced.
    let has_code = || {
        module
            .symbols()
            .iter()
            .any(|symbol| module.is_function(symbol))
    };
    for name in special.filter(|name| is_special(name)) {
        if !names.contains(name.as_str()) && (name != TRACED || has_code()) {
            faults.push(Fault::Missing(name.clone()));
        }
    }
    let present = functions(module);
    let named = reference.iter().flat_map(|reference| &reference.functions);
    for (name, functions) in named.filter(|(name, _)| !has(module, name)) {
        let is_needed = |functions: &BTreeSet<String>| {
            let mut functions = functions.iter();
            functions.any(|function| present.contains(function.as_str()))
        };
        if functions.as_ref().is_none_or(is_needed) {
            faults.push(Fault::Missing((*name).to_owned()));
        }
    }
    faults
}

/// The sections that list the functions that can be traced.
const TRACED: &str = "__patchable_function_entries";

/// Returns whether the kernel looks up or places the section by its name.
fn is_special(name: &str) -> bool {
    let after_two_dots = |prefix: &&str| name.strip_prefix(*prefix)?.strip_prefix('.');
    let mut rest = SPLIT.iter().filter_map(after_two_dots);
    rest.any(|rest| !is_made_up(rest)) || name == TRACED
}

/// Returns whether two dots and `rest` are the end of a name that the compiler made up: of data without a
/// symbol (`.rodata..Lswitch.table.f`), or of a compound literal.
fn is_made_up(rest: &str) -> bool {
    rest.starts_with('L') || rest.starts_with("compoundliteral")
}

/// Checks that warnings that are given only once can be reset. `clear_warn_once` in debugfs resets the
/// bytes between `__start_once` and `__end_once` of `vmlinux`. These must be the `.data.once` sections
/// (`.data..once` in later kernels) of `object`, the vmlinux.o that the kernel was linked from, with all
/// symbols in them.
pub fn check_once(vmlinux: &Elf, object: &Elf) -> Option<OnceFault> {
    let is_once = |name: &str| [".data.once", ".data..once"].contains(&name);
    let once = object.sections().iter();
    let once = once.filter(|section| is_once(section.name));
    let expected = once.fold(0, |sum: u64, section| sum.saturating_add(section.size));
    if expected == 0 {
        return None;
    }
    let symbols = vmlinux.symbol_map();
    let address = |name| symbols.named(name).first().map(|symbol| symbol.value);
    let (start, end) = match [START_ONCE, END_ONCE].map(|mark| address(mark).ok_or(mark)) {
        [Ok(start), Ok(end)] => (start, end),
        [Err(mark), _] | [_, Err(mark)] => return Some(OnceFault::NoMark { mark }),
    };
    let found = end.saturating_sub(start);
    if found < expected {
        return Some(OnceFault::Size { expected, found });
    }
    let mut n_between: BTreeMap<&str, usize> = BTreeMap::new();
    let defined = vmlinux.symbols().iter().filter(|s| s.section.is_some());
    for symbol in defined.filter(|symbol| (start..end).contains(&symbol.value)) {
        *n_between.entry(symbol.name).or_default() += 1;
    }
    // Statics of several files may have one name.
    let flags = object.symbols().iter();
    let mut flags = flags
        .filter(|symbol| !symbol.is_format_specific() && symbol.section_name.is_some_and(is_once));
    let outside = flags.find(|flag| {
        let left = n_between.get_mut(flag.name);
        let is_there = left.as_ref().is_some_and(|left| **left > 0);
        if let Some(left) = left.filter(|left| **left > 0) {
            *left -= 1;
        }
        !is_there
    });
    outside.map(|flag| OnceFault::Outside {
        flag: flag.name.to_owned(),
    })
}

/// The symbols around the flags.
const START_ONCE: &str = "__start_once";
const END_ONCE: &str = "__end_once";

/// The once-only flags are outside of the bytes that `clear_warn_once` resets.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OnceFault {
    /// There are fewer bytes than flags.
    #[error(
        "{found} bytes between __start_once and __end_once, expected {expected}: another pattern of \
         the linker script takes .data.once first"
    )]
    Size {
        /// The bytes of the flags in vmlinux.o.
        expected: u64,
        /// The bytes between the symbols.
        found: u64,
    },
    /// A symbol around the flags is missing.
    #[error("there is no {mark}, so clear_warn_once does not find the flags of .data.once")]
    NoMark {
        /// The symbol.
        mark: &'static str,
    },
    /// Other bytes are between the symbols.
    #[error(
        "{flag} of .data.once is not between __start_once and __end_once, so clear_warn_once does not reset it"
    )]
    Outside {
        /// The flag.
        flag: String,
    },
}

/// The reason why an object cannot be checked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectFault {
    /// It is linked, so its relocations are gone.
    #[error(
        "is linked, so its references can no longer be read; give the vmlinux.o that it was linked \
         from, and the kernel with --linked"
    )]
    Linked,
    /// It is a vmlinux.o without a single relocation in sections that stay in memory.
    #[error(
        "none of its code and data refers to anything, so its relocations are gone; remove it and run \
         make again"
    )]
    NoReferences,
}

/// The reason why a kernel was not linked from an object, or a fault of the kernel.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelFault {
    /// It is an object.
    #[error("is not linked; give the kernel that was linked from the object")]
    NotLinked,
    /// It was stripped.
    #[error("has no symbol table, so that nothing of it can be checked; give it unstripped")]
    NoSymbols,
    /// It was linked from another object.
    #[error(
        "is for ELF machine {found}, and the object is for {expected}; give the kernel that was \
         linked from it"
    )]
    Machine {
        /// `e_machine` of the kernel.
        found: u16,
        /// `e_machine` of the object.
        expected: u16,
    },
    /// See [`check_once`].
    #[error(transparent)]
    Once(#[from] OnceFault),
    /// See [`check_thunks`].
    #[error(transparent)]
    Thunk(#[from] ThunkFault),
}

/// Checks that the kernel `vmlinux` can have been linked from `object`, and then makes the checks of
/// [`check_once`] and [`check_thunks`]; the first fault counts.
pub fn check_kernel(vmlinux: &Elf, object: &Elf) -> Option<KernelFault> {
    let (found, expected) = (vmlinux.machine().0, object.machine().0);
    if vmlinux.is_relocatable() {
        Some(KernelFault::NotLinked)
    } else if found != expected {
        Some(KernelFault::Machine { found, expected })
    } else if !vmlinux.has_symbol_table() {
        Some(KernelFault::NoSymbols)
    } else {
        let once = check_once(vmlinux, object).map(KernelFault::Once);
        once.or_else(|| check_thunks(vmlinux).map(KernelFault::Thunk))
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Are the sections of a module what they are without LTO?

use std::collections::{BTreeMap, BTreeSet};

use object_model::{Elf, SymbolMap, source_name};

use crate::mismatch::referred;
use crate::names::is_named_after;

/// The names of what LTO splits (LLVM, `-ffunction-sections` and `-fdata-sections`).
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
    /// The functions that each section of `NAMED` holds or refers to, by their names in the source;
    /// `None` if its relocations cannot be read.
    functions: BTreeMap<&'static str, Option<BTreeSet<String>>>,
}

impl Reference {
    /// The section names of `module`, and which functions those are about that the kernel looks up.
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

/// Whether the module has a section of this name with something in it.
fn has(module: &Elf, name: &str) -> bool {
    let mut sections = module.sections().iter();
    sections.any(|section| section.name == name && section.size > 0)
}

/// The functions that sections of this name hold or refer to.
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

/// The functions of a module, by their names in the source.
fn functions<'data>(module: &Elf<'data>) -> BTreeSet<&'data str> {
    let symbols = module.symbols().iter();
    let functions = symbols.filter(|symbol| module.is_function(symbol));
    functions.map(|symbol| source_name(symbol.name)).collect()
}

/// A section that is not as it should be. The caller knows of which module.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It should have been merged into the section it was split from.
    #[error("section {0} is left over: the linker script of modules has no pattern that merges it")]
    LeftOver(String),
    /// It has a meaning of its own, and its content is now elsewhere.
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

/// The faults of `module`: split sections that a build without LTO does not have, and special
/// sections that only that has. A section that the kernel looks up is missed if the module still has
/// a function that it is about in the `reference`. A reference for another machine is the only fault.
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
    // One all of whose functions were dropped has none that is traced.
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

/// Where a module says which functions can be traced.
const TRACED: &str = "__patchable_function_entries";

/// Whether the kernel looks the section up, or places it, by its name.
fn is_special(name: &str) -> bool {
    let after_two_dots = |prefix: &&str| name.strip_prefix(*prefix)?.strip_prefix('.');
    let mut rest = SPLIT.iter().filter_map(after_two_dots);
    rest.any(|rest| !is_made_up(rest)) || name == TRACED
}

/// Whether two dots and `rest` are the end of a name that the compiler made up: of something that
/// has no symbol (`.rodata..Lswitch.table.f`), or of a compound literal.
fn is_made_up(rest: &str) -> bool {
    rest.starts_with('L') || rest.starts_with("compoundliteral")
}

/// Whether what is done only once can be done again: `clear_warn_once` in debugfs resets what
/// stands between `__start_once` and `__end_once` of `vmlinux`, which must be the `.data.once`
/// sections (`.data..once` in later kernels) of `object`, the vmlinux.o that it was linked from.
/// A kernel without the two symbols resets nothing, and has no fault.
pub fn check_once(vmlinux: &Elf, object: &Elf) -> Option<OnceFault> {
    let symbols = vmlinux.symbol_map();
    let address = |name| symbols.named(name).first().map(|symbol| symbol.value);
    let found = address("__end_once")?.saturating_sub(address("__start_once")?);
    let names = [".data.once", ".data..once"];
    let once = object
        .sections()
        .iter()
        .filter(|section| names.contains(&section.name));
    let expected: u64 = once.map(|section| section.size).sum();
    (found < expected).then_some(OnceFault { expected, found })
}

/// The once-only flags are not where `clear_warn_once` looks for them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found} bytes between __start_once and __end_once, expected {expected}: another pattern of \
     the linker script takes .data.once first"
)]
pub struct OnceFault {
    /// Bytes that vmlinux.o has of them.
    pub expected: u64,
    /// Bytes between the symbols.
    pub found: u64,
}

/// Why nothing of an object can be checked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectFault {
    /// It is linked, so that its relocations are gone.
    #[error(
        "is linked, and shows no longer what refers to what; give the vmlinux.o that it was linked \
         from, and the kernel with --linked"
    )]
    Linked,
    /// A vmlinux.o without a single relocation in what stays in memory.
    #[error(
        "none of its code and data refers to anything, so its relocations are gone; remove it and run \
         make again"
    )]
    NoReferences,
}

/// Why the kernel that was linked from an object cannot be the one that was given, or has a fault.
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
}

/// Checks the kernel `vmlinux`, linked from `object`, as [`check_once`] does, and before it that the
/// two can belong together.
pub fn check_kernel(vmlinux: &Elf, object: &Elf) -> Option<KernelFault> {
    let (found, expected) = (vmlinux.machine().0, object.machine().0);
    if vmlinux.is_relocatable() {
        Some(KernelFault::NotLinked)
    } else if found != expected {
        Some(KernelFault::Machine { found, expected })
    } else if !vmlinux.has_symbol_table() {
        Some(KernelFault::NoSymbols)
    } else {
        check_once(vmlinux, object).map(KernelFault::Once)
    }
}

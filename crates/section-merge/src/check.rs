// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Are the sections of a module what they are without LTO?

use std::collections::BTreeSet;

use object_model::Elf;

/// The names of what LTO splits (LLVM, `-ffunction-sections` and `-fdata-sections`).
const SPLIT: [&str; 4] = [".text.", ".data.", ".rodata.", ".bss."];

/// The sections of the same module, built without LTO.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    names: BTreeSet<String>,
}

impl Reference {
    /// The section names of `module`.
    pub fn of(module: &Elf) -> Self {
        let names = module
            .sections()
            .iter()
            .map(|section| section.name.to_owned());
        Self {
            names: names.collect(),
        }
    }
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
}

/// The faults of `module`: split sections that a build without LTO does not have, and special
/// sections that only that has.
///
/// Without a `reference`, a section counts as split if it is named after a symbol in it, or if the
/// compiler made up its name.
pub fn check_module(module: &Elf, reference: Option<&Reference>) -> Vec<Fault> {
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

/// Whether `suffix` is the name of the symbol, or such a name behind what the compiler knows about
/// it (`unlikely.`, `hot.`).
pub(crate) fn is_named_after(suffix: &str, symbol: &str) -> bool {
    !symbol.is_empty()
        && suffix
            .strip_suffix(symbol)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
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

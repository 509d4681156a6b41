// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Names of functions and objects, and the tables that have them.

use std::collections::{HashMap, HashSet};

use super::mutation;
use crate::Mutation;
use crate::kernel::{Changes, Kernel};
use crate::patch::Patch;

pub const MUTATIONS: &[Mutation] = &[
    mutation(
        "assembly-names",
        "a symbol that assembly names is local",
        "was made local",
        |kernel| named_in_assembly(kernel, Patch::make_local),
    ),
    mutation(
        "assembly-names",
        "a symbol that assembly names is gone",
        "was dropped",
        |kernel| {
            named_in_assembly(kernel, |patch, symbol| {
                patch.unname(|found| found.index == symbol)
            })
        },
    ),
    mutation(
        "names",
        "a function that LTO renamed has no name in vmlinux",
        "vmlinux: lacks ",
        |kernel| renamed(kernel, "vmlinux"),
    ),
    mutation(
        "names",
        "a function that LTO renamed has no name in `vmlinux.o`",
        "vmlinux.o: lacks ",
        |kernel| renamed(kernel, "vmlinux.o"),
    ),
    mutation(
        "names",
        "a function of `vmlinux.o` has the name that thin LTO gave it",
        "has the name that LTO gave it",
        promoted,
    ),
    mutation(
        "kallsyms",
        "the tables of kallsyms are gone",
        "vmlinux: has no kallsyms",
        |kernel| kallsyms(kernel, |patch| patch.unname_one("kallsyms_names")),
    ),
    mutation(
        "kallsyms",
        "kallsyms has no names",
        "has a symbol, and kallsyms does not know it",
        |kernel| {
            kallsyms(kernel, |patch| {
                let at = patch.start("kallsyms_num_syms")?;
                patch.fill(at, 4, 0)
            })
        },
    ),
    mutation(
        "kallsyms",
        "kallsyms has another address",
        "kallsyms has * at ",
        |kernel| {
            kallsyms(kernel, |patch| {
                let at = patch.start("kallsyms_offsets")?;
                patch.add(at + 4 * 1000, 4)
            })
        },
    ),
    mutation(
        "kallsyms",
        "all addresses of kallsyms are moved",
        "kallsyms_relative_base",
        |kernel| {
            kallsyms(kernel, |patch| {
                patch.add_to_word(patch.address("kallsyms_relative_base")?, 0x1000)
            })
        },
    ),
    mutation(
        "debug-info",
        "a function with debug information has no symbol",
        "debug information has function start_kernel at ",
        |kernel| debug_info(kernel, |patch| patch.unname_one("start_kernel")),
    ),
    mutation(
        "debug-info",
        "the debug information is gone",
        "has no debug information",
        |kernel| {
            debug_info(kernel, |patch| {
                patch.rename_section(".debug_info", ".debug_gone")
            })
        },
    ),
];

fn debug_info(kernel: &Kernel, change: impl Fn(&mut Patch) -> Option<()>) -> Option<Changes> {
    let is_there = kernel.is_set("DEBUG_INFO") && !kernel.is_set("DEBUG_INFO_SPLIT");
    is_there.then(|| kernel.patched("vmlinux", change))?
}

/// Changes the first global symbol that is made for assembly to name it.
fn named_in_assembly(
    kernel: &Kernel,
    change: impl Fn(&mut Patch, object_model::SymbolIndex) -> Option<()>,
) -> Option<Changes> {
    // The stubs of initcalls have no other use.
    let has_stubs = kernel.is_set("LTO_CLANG") && kernel.is_set("HAVE_ARCH_PREL32_RELOCATIONS");
    if !has_stubs {
        return None;
    }
    kernel.patched("vmlinux.o", |patch| {
        let mut symbols = patch.elf.symbols().iter();
        let stub = symbols.find(|symbol| {
            symbol.name.starts_with("__initstub__") && symbol.is_defined() && !symbol.is_local()
        });
        let index = stub?.index;
        change(patch, index)
    })
}

/// Takes the name of a function that LTO renamed, and that no other symbol has. Its name may be that of the source
/// again.
fn renamed(kernel: &Kernel, path: &str) -> Option<Changes> {
    let list = kernel.text("vmlinux.o.lto-names").unwrap_or_default();
    let restored: HashSet<&str> = list
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    kernel.patched(path, |patch| {
        let symbols = patch.elf.symbols();
        let mut n_named: HashMap<&str, usize> = HashMap::new();
        for symbol in symbols {
            *n_named.entry(symbol.name).or_default() += 1;
        }
        let is_text = |name: &str| name.starts_with(".text");
        let renamed = symbols.iter().find(|symbol| {
            patch.elf.is_function(symbol)
                && symbol.section_name.is_some_and(is_text)
                && (symbol.name.contains(".llvm.") || restored.contains(symbol.name))
                && n_named.get(symbol.name) == Some(&1)
        });
        let index = renamed?.index;
        patch.unname(|symbol| symbol.index == index)
    })
}

/// Gives a function with a long name a name like those of thin LTO.
fn promoted(kernel: &Kernel) -> Option<Changes> {
    const SUFFIX: &str = ".llvm.1";
    if !kernel.is_set("LTO_CLANG_THIN") && !kernel.is_set("LTO_CLANG_THIN_DIST") {
        return None;
    }
    kernel.text("vmlinux.o.lto-inputs")?;
    kernel.patched("vmlinux.o", |patch| {
        let mut symbols = patch.elf.symbols().iter();
        let long = symbols.find(|symbol| {
            patch.elf.is_function(symbol)
                && symbol.is_local()
                && symbol.name.len() > 2 * SUFFIX.len()
        });
        patch.end_name(long?.index, SUFFIX)
    })
}

fn kallsyms(kernel: &Kernel, change: impl Fn(&mut Patch) -> Option<()>) -> Option<Changes> {
    let has_tables = kernel.is_set("KALLSYMS");
    has_tables.then(|| kernel.patched("vmlinux", change))?
}

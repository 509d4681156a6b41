// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Names of functions and objects, and the tables that have them.

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
        "a promoted function has no name in vmlinux",
        "vmlinux: lacks ",
        |kernel| suffixed(kernel, "vmlinux"),
    ),
    mutation(
        "names",
        "a promoted function has no name in `vmlinux.o`",
        "vmlinux.o: lacks ",
        |kernel| suffixed(kernel, "vmlinux.o"),
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
];

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

/// Takes the name of a function with a suffix of LTO.
fn suffixed(kernel: &Kernel, path: &str) -> Option<Changes> {
    kernel.patched(path, |patch| {
        let mut functions = patch
            .elf
            .symbols()
            .iter()
            .filter(|symbol| patch.elf.is_function(symbol));
        let is_text = |name: &str| name.starts_with(".text");
        let promoted = functions.find(|symbol| {
            symbol.name.contains(".llvm.") && symbol.section_name.is_some_and(is_text)
        });
        let index = promoted?.index;
        patch.unname(|symbol| symbol.index == index)
    })
}

fn kallsyms(kernel: &Kernel, change: impl Fn(&mut Patch) -> Option<()>) -> Option<Changes> {
    let has_tables = kernel.is_set("KALLSYMS");
    has_tables.then(|| kernel.patched("vmlinux", change))?
}

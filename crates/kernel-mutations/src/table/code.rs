// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The tables of the tracer and of the unwinder, and those of what the kernel patches.

use super::mutation;
use crate::Mutation;
use crate::kernel::{Changes, Kernel};
use crate::patch::Patch;

/// Size of an entry of the unwinder's table.
const UNWIND_SIZE: u64 = 6;

pub const MUTATIONS: &[Mutation] = &[
    mutation(
        "mcount",
        "a record of the tracer leads to another instruction",
        // The first record of a later kernel may be zero, as that of a weak function that another one replaces.
        "vmlinux: __mcount_loc+0x0 ",
        |kernel| {
            traced(kernel, |patch| {
                patch.add_to_word(patch.address("__start_mcount_loc")?, 4)
            })
        },
    ),
    mutation(
        "mcount",
        "the bounds of the tracer's records are gone",
        "has no table of entry calls",
        |kernel| traced(kernel, |patch| patch.unname_one("__start_mcount_loc")),
    ),
    mutation(
        "mcount",
        "the tracer's records are fewer",
        "records of vmlinux.o, found",
        |kernel| {
            traced(kernel, |patch| {
                let start = patch.address("__start_mcount_loc")?;
                patch.set_value("__start_mcount_loc", start + 8)
            })
        },
    ),
    mutation(
        "mcount",
        "a module has no `__patchable_function_entries`",
        ".ko: *__patchable_function_entries",
        |kernel| kernel.patch_module(|patch| patch.unname_sections("__patchable_function_entries")),
    ),
    mutation(
        "orc",
        "two entries of the unwinder are swapped",
        "expected one behind",
        |kernel| {
            unwinder(kernel, |patch| {
                let at = patch.start("__start_orc_unwind_ip")? + 400;
                patch.swap_distances(at, at + 4)
            })
        },
    ),
    mutation(
        "orc",
        "rules of the unwinder are zero",
        ".orc_unwind: ",
        |kernel| {
            unwinder(kernel, |patch| {
                let at = patch.start("__start_orc_unwind")?;
                let rule = (0..1000).map(|index| at + index * UNWIND_SIZE as usize);
                let mut rules = rule.filter(|at| patch.get(*at) != Some([0; UNWIND_SIZE as usize]));
                let at = rules.next()?;
                patch.fill(at, UNWIND_SIZE as usize, 0)
            })
        },
    ),
    mutation(
        "orc",
        "the tables of the unwinder are empty",
        ".orc_unwind: ",
        |kernel| {
            unwinder(kernel, |patch| {
                for name in ["orc_unwind_ip", "orc_unwind"] {
                    let start = patch.address(&format!("__start_{name}"))?;
                    patch.set_value(&format!("__stop_{name}"), start)?;
                }
                Some(())
            })
        },
    ),
    mutation(
        "orc",
        "the look-up table of the unwinder is shorter",
        "orc_lookup",
        |kernel| {
            unwinder(kernel, |patch| {
                let end = patch.address("orc_lookup_end")?;
                patch.set_value("orc_lookup_end", end - 4)
            })
        },
    ),
    mutation(
        "orc",
        "the look-up table of the unwinder has garbage",
        "orc_lookup",
        |kernel| {
            unwinder(kernel, |patch| {
                let at = patch.start("orc_lookup")?;
                patch.fill(at + 64, 64, 0xa5)
            })
        },
    ),
    mutation(
        "return-sites",
        "an entry leads to another instruction",
        ".return_sites entry ",
        |kernel| site(kernel, "__return_sites"),
    ),
    mutation(
        "return-sites",
        "the bounds of the return sites are gone",
        "there is no __return_sites",
        |kernel| without_bounds(kernel, "__return_sites"),
    ),
    mutation(
        "retpoline-sites",
        "an entry leads to no retpoline",
        ".retpoline_sites entry ",
        |kernel| site(kernel, "__retpoline_sites"),
    ),
    mutation(
        "retpoline-sites",
        "the bounds of the retpoline sites are gone",
        "there is no __retpoline_sites",
        |kernel| without_bounds(kernel, "__retpoline_sites"),
    ),
    mutation(
        "static-calls",
        "an entry leads to no static call",
        ".static_call_sites entry ",
        |kernel| {
            kernel
                .is_set("HAVE_STATIC_CALL_INLINE")
                .then(|| site(kernel, "__start_static_call_sites"))?
        },
    ),
    mutation(
        "static-calls",
        "the bounds of the static calls are gone",
        "there is no __start_static_call_sites",
        |kernel| {
            let name = "__start_static_call_sites";
            kernel
                .is_set("HAVE_STATIC_CALL_INLINE")
                .then(|| without_bounds(kernel, name))?
        },
    ),
];

fn traced(kernel: &Kernel, change: impl Fn(&mut Patch) -> Option<()>) -> Option<Changes> {
    let has_records = kernel.is_set("FTRACE_MCOUNT_RECORD");
    has_records.then(|| kernel.patched("vmlinux", change))?
}

fn unwinder(kernel: &Kernel, change: impl Fn(&mut Patch) -> Option<()>) -> Option<Changes> {
    let has_tables = kernel.is_set("UNWINDER_ORC");
    has_tables.then(|| kernel.patched("vmlinux", change))?
}

fn site(kernel: &Kernel, start: &str) -> Option<Changes> {
    kernel.patched("vmlinux", |patch| {
        let at = patch.start(start)?;
        // A call may begin with a prefix, behind which there is a call, too.
        patch.add(at, 3)
    })
}

fn without_bounds(kernel: &Kernel, start: &str) -> Option<Changes> {
    kernel.patched("vmlinux", |patch| patch.unname_one(start))
}

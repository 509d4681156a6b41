// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Changes of the inputs of vmlinux.o and of modules, and of the order of initcalls.

use object_model::elf;

use super::mutation;
use crate::Mutation;
use crate::kernel::{Changes, Kernel};
use crate::patch::Patch;

const RECORD: &str = "vmlinux.o.lto-inputs";

pub const MUTATIONS: &[Mutation] = &[
    mutation(
        "lto",
        "an object is native code, although its command asked for bitcode",
        "native.o: expected bitcode",
        native_object,
    ),
    mutation(
        "lto",
        "nothing tells the objects of a module",
        ".mod is missing",
        without_objects,
    ),
    mutation(
        "initcalls",
        "two initcalls of a level are swapped",
        "initcall level *, place ",
        |kernel| initcall(kernel, |patch, at| patch.swap_distances(at, at + 4)),
    ),
    mutation(
        "initcalls",
        "an initcall leads to nothing",
        "leads to no function in this kernel",
        |kernel| initcall(kernel, |patch, at| patch.add(at, 1)),
    ),
    mutation(
        "initcalls",
        "the bounds of a level are gone",
        "there is no __initcall6_start",
        |kernel| initcall(kernel, |patch, _| patch.unname_one("__initcall6_start")),
    ),
    mutation(
        "mod-files",
        "the `.mod` file of a module is gone",
        ".mod is missing",
        without_mod,
    ),
    mutation(
        "mod-files",
        "a `.mod` file has an end of line of Windows",
        ".mod: line 1: holds the character",
        |kernel| {
            let path = format!("{}.mod", kernel.modules().first()?);
            kernel.edited(&path, |text| Some(text.replacen('\n', "\r\n", 1)))
        },
    ),
    mutation(
        "one-definition",
        "an object is linked twice",
        "is linked 2 times",
        |kernel| {
            kernel.edited(RECORD, |text| {
                let line = text.lines().find(|line| line.starts_with("elf\t"))?;
                Some(format!("{text}{line}\n"))
            })
        },
    ),
    mutation(
        "one-definition",
        "nothing tells the objects of a module, so that one may be linked twice",
        ".mod is missing",
        without_objects,
    ),
    mutation(
        "read-once",
        "an object was compiled with a header that does not ask for LTO",
        "its READ_ONCE does not acquire",
        |kernel| {
            let path = command_file(kernel)?;
            kernel.edited(&path, |text| {
                let lines = text.lines().filter(|line| !asks_for_lto(line));
                Some(lines.flat_map(|line| [line, "\n"]).collect())
            })
        },
    ),
    mutation(
        "read-once",
        "the `.cmd` file of an object is gone",
        ".cmd is missing",
        |kernel| kernel.removed(&command_file(kernel)?),
    ),
];

fn asks_for_lto(line: &str) -> bool {
    line.contains("include/config/lto.h") || line.contains("include/config/LTO)")
}

/// Returns the `.cmd` file of an object of the link whose `READ_ONCE` acquires.
fn command_file(kernel: &Kernel) -> Option<String> {
    let vmlinux = kernel.elf("vmlinux")?;
    if vmlinux.machine() != elf::EM_AARCH64 || !kernel.is_set("LTO_CLANG") {
        return None;
    }
    let record = kernel.text(RECORD)?;
    record.lines().find_map(|line| {
        let path = line.strip_prefix("bitcode\t")?;
        let (folder, name) = path.rsplit_once('/')?;
        let path = format!("{folder}/.{name}.cmd");
        let is_meant = kernel.text(&path)?.lines().any(asks_for_lto);
        is_meant.then_some(path)
    })
}

/// Makes an object native code, although its command asks for bitcode.
fn native_object(kernel: &Kernel) -> Option<Changes> {
    let record = kernel.text(RECORD)?;
    let object = std::fs::read(kernel.root().join("scripts/mod/empty.o")).ok()?;
    let command =
        "cmd_native.o := clang -flto=thin -c -o native.o native.c\n\nsource_native.o := native.c\n";
    Some(vec![
        (
            RECORD.to_owned(),
            Some(format!("{record}elf\tnative.o\n").into_bytes()),
        ),
        ("native.o".to_owned(), Some(object)),
        (
            ".native.o.cmd".to_owned(),
            Some(command.as_bytes().to_vec()),
        ),
    ])
}

fn without_mod(kernel: &Kernel) -> Option<Changes> {
    if !kernel.is_set("LTO_CLANG") {
        return None;
    }
    kernel.removed(&format!("{}.mod", kernel.modules().first()?))
}

/// Removes the `.mod` file of a module and what lto-link recorded of it.
fn without_objects(kernel: &Kernel) -> Option<Changes> {
    let mut changes = without_mod(kernel)?;
    let module = kernel.modules().first()?.clone();
    let (folder, name) = module.rsplit_once('/')?;
    changes.extend(
        kernel
            .removed(&format!("{folder}/.{name}.o.lto-inputs"))
            .unwrap_or_default(),
    );
    Some(changes)
}

/// Changes the table of level 6, which has two initcalls, in a kernel whose tables are compared with the record.
fn initcall(kernel: &Kernel, change: impl Fn(&mut Patch, usize) -> Option<()>) -> Option<Changes> {
    if !kernel.is_set("HAVE_ARCH_PREL32_RELOCATIONS") || !kernel.is_set("LTO_CLANG") {
        return None;
    }
    kernel.patched("vmlinux", |patch| {
        let at = patch.start("__initcall6_start")?;
        change(patch, at)
    })
}

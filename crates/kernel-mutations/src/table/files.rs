// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Files that are missing, cut, or of another build.

use object_model::{Section, elf};

use super::mutation;
use crate::Mutation;
use crate::kernel::{Changes, Kernel};
use crate::patch::Patch;

const CONFIG: &str = "include/config/auto.conf";

pub const MUTATIONS: &[Mutation] = &[
    mutation(
        "files",
        "`modules.order` is gone",
        "modules.order: is missing",
        |kernel| {
            kernel.modules().first()?;
            kernel.removed("modules.order")
        },
    ),
    mutation(
        "files",
        "`modules.order` is empty",
        "modules.order: lacks ",
        |kernel| {
            kernel.modules().first()?;
            kernel.edited("modules.order", |_| Some(String::new()))
        },
    ),
    mutation(
        "files",
        "a module is not in `modules.order`",
        "modules.order: lacks ",
        |kernel| {
            kernel.edited("modules.order", |text| {
                Some(text.split_once('\n')?.1.to_owned())
            })
        },
    ),
    mutation(
        "files",
        "the `.ko` file of a module is gone",
        "could not run: *.ko: ",
        |kernel| kernel.removed(&format!("{}.ko", kernel.modules().first()?)),
    ),
    mutation(
        "files",
        "the `.ko` file of a module is empty",
        "could not run: *.ko: ",
        |kernel| {
            let path = format!("{}.ko", kernel.modules().first()?);
            Some(vec![(path, Some(Vec::new()))])
        },
    ),
    mutation(
        "files",
        "`auto.conf` is empty",
        "auto.conf: lacks CONFIG_",
        |kernel| kernel.edited(CONFIG, |_| Some(String::new())),
    ),
    mutation(
        "files",
        "`auto.conf` is cut in the middle",
        "auto.conf: lacks CONFIG_",
        |kernel| kernel.edited(CONFIG, |text| Some(text.get(..text.len() / 2)?.to_owned())),
    ),
    mutation(
        "files",
        "an option of `auto.conf` has another value",
        "auto.conf: has CONFIG_*=m, which",
        |kernel| kernel.edited(CONFIG, |text| Some(text.replacen("=y\n", "=m\n", 1))),
    ),
    mutation(
        "files",
        "the record of the inputs of `vmlinux.o` is gone",
        "is missing, so what vmlinux.o was linked from is not known",
        |kernel| {
            let is_recorded = kernel.is_set("LTO_CLANG");
            let records = ["vmlinux.o.lto-inputs", ".vmlinux.o.cmd"];
            let found = records.iter().find_map(|path| kernel.removed(path));
            found.filter(|_| is_recorded)
        },
    ),
    mutation(
        "files",
        "`vmlinux.o` was linked again after `vmlinux`",
        "vmlinux: is older than vmlinux.o",
        |kernel| kernel.written_again("vmlinux.o"),
    ),
    mutation(
        "files",
        "an object was compiled again after `vmlinux.o` was linked",
        "vmlinux.o: is older than",
        |kernel| {
            let is_recorded = kernel.is_set("LTO_CLANG");
            let main = kernel.written_again("init/main.o");
            main.filter(|_| is_recorded)
        },
    ),
    mutation(
        "files",
        "the object of a module was linked again after the module",
        ".ko: is older than",
        |kernel| {
            let module = kernel.modules().into_iter().next()?;
            kernel.written_again(&format!("{module}.o"))
        },
    ),
    mutation(
        "files",
        "`vmlinux.o` is gone",
        "there is no vmlinux.o of this build",
        |kernel| kernel.removed("vmlinux.o"),
    ),
    mutation(
        "files",
        "`vmlinux` is of another architecture",
        "vmlinux: is for ELF machine",
        |kernel| kernel.patched("vmlinux", other_machine),
    ),
    mutation(
        "files",
        "`vmlinux.o` is of another architecture",
        "vmlinux.o: is for ELF machine",
        |kernel| kernel.patched("vmlinux.o", other_machine),
    ),
    mutation(
        "files",
        "a module is of another architecture",
        ".ko: is for ELF machine",
        |kernel| kernel.patch_module(other_machine),
    ),
    mutation(
        "files",
        "`vmlinux` has debug information alone",
        "vmlinux: has no bytes of code",
        |kernel| {
            kernel.patched("vmlinux", |patch| {
                patch.set_type(elf::SHT_NOBITS, Section::is_allocated)
            })
        },
    ),
    mutation(
        "files",
        "`vmlinux` has no symbols",
        "vmlinux: has no symbol table",
        |kernel| {
            kernel.patched("vmlinux", |patch| {
                patch.set_type(elf::SHT_PROGBITS, |section| {
                    section.section_type == elf::SHT_SYMTAB
                })
            })
        },
    ),
    mutation(
        "files",
        "`vmlinux` is of another build",
        "vmlinux: is of another build*include/generated/",
        |kernel| kernel.patched("vmlinux", other_banner),
    ),
    mutation(
        "files",
        "`vmlinux.o` is of another build",
        "vmlinux.o: is of another build",
        |kernel| kernel.patched("vmlinux.o", other_function),
    ),
    mutation(
        "files",
        "a module is of another build of the same kernel",
        ".ko: is of another build",
        |kernel| kernel.patch_module(other_function),
    ),
    mutation(
        "files",
        "a module is of another release",
        ".ko: is for \"",
        |kernel| {
            kernel.patch_module(|patch| {
                let at = patch.offset_of_text(".modinfo", b"vermagic=")?;
                patch.set(at + "vermagic=".len(), b"9")
            })
        },
    ),
    mutation(
        "files",
        "a module has no `struct module`",
        "this_module",
        |kernel| kernel.patch_module(|patch| patch.unname_sections(".gnu.linkonce.this_module")),
    ),
    mutation(
        "files",
        "an address of `System.map` is another",
        "System.map: has * at ",
        |kernel| {
            system_map(kernel, |line| {
                let last = line.split_once(' ')?.0.len() - 1;
                let digit = if line.as_bytes().get(last) == Some(&b'f') {
                    "e"
                } else {
                    "f"
                };
                let mut line = line.to_owned();
                line.replace_range(last..=last, digit);
                Some(line + "\n")
            })
        },
    ),
    mutation(
        "files",
        "`System.map` lacks a function",
        "System.map: lacks ",
        |kernel| system_map(kernel, |_| Some(String::new())),
    ),
    mutation(
        "files",
        "`System.map` is gone",
        "System.map is missing",
        |kernel| kernel.removed("System.map"),
    ),
];

/// Changes the line of a global function in `System.map`.
fn system_map(kernel: &Kernel, change: impl Fn(&str) -> Option<String>) -> Option<Changes> {
    kernel.edited("System.map", |text| {
        let line = text
            .lines()
            .find(|line| line.to_ascii_lowercase().contains(" t vfs_"))?;
        Some(text.replacen(&format!("{line}\n"), &change(line)?, 1))
    })
}

fn other_machine(patch: &mut Patch) -> Option<()> {
    let other = if patch.elf.machine() == elf::EM_X86_64 {
        elf::EM_AARCH64
    } else {
        elf::EM_X86_64
    };
    patch.set_machine(other)
}

/// Another number in the line that the kernel prints first.
fn other_banner(patch: &mut Patch) -> Option<()> {
    let start = patch.start("linux_banner")?;
    let banner: [u8; 128] = patch.get(start)?;
    let number = banner.iter().rposition(|byte| *byte == b'#')?;
    let [digit] = patch.get(start + number + 1)?;
    patch.set(
        start + number + 1,
        &[if digit == b'9' { b'8' } else { digit + 1 }],
    )
}

/// A function has another size.
fn other_function(patch: &mut Patch) -> Option<()> {
    let symbols = patch.elf.symbols().iter();
    let mut functions = symbols.filter(|symbol| patch.elf.is_function(symbol) && symbol.size > 0);
    let (index, size) = functions
        .find(|symbol| {
            symbol
                .section_name
                .is_some_and(|name| name.starts_with(".text"))
        })
        .map(|symbol| (symbol.index, symbol.size))?;
    patch.set_size(index, size + 4)
}

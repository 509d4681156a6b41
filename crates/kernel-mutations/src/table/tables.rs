// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Exports, tables of relative references, and sections.

use object_model::{SymbolKind, elf};

use super::mutation;
use crate::Mutation;
use crate::kernel::{Changes, Kernel};
use crate::patch::Patch;

const SYMVERS: &str = "Module.symvers";

pub const MUTATIONS: &[Mutation] = &[
    mutation(
        "crcs",
        "a CRC of `Module.symvers` is zero",
        "the CRC is zero",
        |kernel| {
            symvers(kernel, |line| {
                Some(format!("0x00000000\t{}\n", line.split_once('\t')?.1))
            })
        },
    ),
    mutation(
        "crcs",
        "a CRC of `Module.symvers` is another",
        "expected 0x00000001 of Module.symvers",
        |kernel| {
            symvers(kernel, |line| {
                Some(format!("0x00000001\t{}\n", line.split_once('\t')?.1))
            })
        },
    ),
    mutation(
        "crcs",
        "`Module.symvers` lists a symbol twice",
        "is also in line ",
        |kernel| symvers(kernel, |line| Some(format!("{line}\n{line}\n"))),
    ),
    mutation(
        "crcs",
        "`Module.symvers` lacks an export",
        ", which Module.symvers does not name",
        |kernel| symvers(kernel, |_| Some(String::new())),
    ),
    mutation(
        "crcs",
        "`Module.symvers` is gone",
        "could not run: *Module.symvers",
        |kernel| {
            kernel
                .is_set("MODVERSIONS")
                .then(|| kernel.removed(SYMVERS))?
        },
    ),
    mutation(
        "crcs",
        "the `__crc_` symbols of vmlinux are gone",
        "vmlinux: has no __crc_ symbol",
        |kernel| {
            with_crcs(kernel, |patch| {
                patch.unname(|symbol| symbol.name.starts_with("__crc_"))
            })
        },
    ),
    mutation(
        "crcs",
        "two entries of `__kcrctab` are swapped",
        "__kcrctab entry 0: ",
        |kernel| {
            let is_relative = kernel.is_set("MODULE_REL_CRCS");
            with_crcs(kernel, |patch| {
                let at = patch.start("__start___kcrctab")?;
                patch.swap_distances(at, at + 4)?;
                if !is_relative {
                    patch.add(at, -4)?;
                    patch.add(at + 4, 4)?;
                }
                Some(())
            })
        },
    ),
    mutation(
        "crcs",
        "a module expects another CRC",
        "expects * with CRC ",
        |kernel| {
            if !kernel.is_set("MODVERSIONS") {
                return None;
            }
            kernel.patch_module(|patch| {
                let section = patch.elf.section_by_name("__versions")?.offset;
                patch.add(usize::try_from(section).ok()?, 1)
            })
        },
    ),
    mutation(
        "prel32",
        "a PCI fixup leads into the middle of a function",
        "expected the start of a function",
        |kernel| {
            with_distances(kernel, |patch| {
                let at = patch.start("__start_pci_fixups_final")?;
                patch.add(at + 12, 2)
            })
        },
    ),
    mutation(
        "prel32",
        "the entries of two exports are swapped",
        "in the table of exports leads to",
        |kernel| {
            with_distances(kernel, |patch| {
                let at = patch.start("__start___ksymtab")?;
                patch.swap_distances(at, at + 12)
            })
        },
    ),
    mutation(
        "prel32",
        "the names of two exports are swapped",
        "in the table of exports has the name",
        |kernel| {
            with_distances(kernel, |patch| {
                let at = patch.start("__start___ksymtab")? + 4;
                patch.swap_distances(at, at + 12)
            })
        },
    ),
    mutation(
        "prel32",
        "a jump label is at another instruction",
        "expected a no-op or a jump to its target",
        |kernel| with_distances(kernel, jump_label),
    ),
    mutation(
        "prel32",
        "the bounds of the table of jump labels are gone",
        "there is no __start___jump_table",
        |kernel| with_distances(kernel, |patch| patch.unname_one("__start___jump_table")),
    ),
    mutation(
        "prel32",
        "the bounds of the table of jump labels enclose less",
        "jump_label*vmlinux.o has",
        |kernel| {
            with_distances(kernel, |patch| {
                let start = patch.address("__start___jump_table")?;
                if start == patch.address("__stop___jump_table")? {
                    return None;
                }
                patch.set_value("__start___jump_table", start + 16)
            })
        },
    ),
    mutation(
        "sections",
        "a module has a section that LTO split",
        "is left over",
        |kernel| {
            kernel.patch_module(|patch| {
                let symbols = patch.elf.symbols().iter();
                let mut functions = symbols.filter(|symbol| patch.elf.is_function(symbol));
                let name = functions
                    .find(|symbol| symbol.section_name == Some(".text"))?
                    .name;
                patch.rename_section(".text", &format!(".text.{name}"))
            })
        },
    ),
    mutation(
        "sections",
        "the first mark of the flags of `WARN_ONCE` is moved",
        "bytes between __start_once and __end_once",
        |kernel| {
            once(kernel, |patch| {
                let end = patch.address("__end_once")?;
                patch.set_value("__start_once", end)
            })
        },
    ),
    mutation(
        "sections",
        "both marks of the flags of `WARN_ONCE` are moved",
        "is not between __start_once and __end_once",
        |kernel| {
            once(kernel, |patch| {
                let marks = ["__start_once", "__end_once"];
                let [start, end] = marks.map(|mark| patch.address(mark));
                // Some kernels with their own LTO have nothing between them, which is a fault.
                (start? < end?).then_some(())?;
                for name in marks {
                    let address = patch.address(name)?;
                    patch.set_value(name, address + 0x1000)?;
                }
                Some(())
            })
        },
    ),
    mutation(
        "sections",
        "both marks of the flags of `WARN_ONCE` are gone",
        "there is no __start_once",
        |kernel| {
            once(kernel, |patch| {
                patch
                    .unname(|symbol| symbol.name.ends_with("t_once") || symbol.name == "__end_once")
            })
        },
    ),
    mutation(
        "sections",
        "`vmlinux.o` is gone, which has the flags of `WARN_ONCE`",
        "there is no vmlinux.o of this build",
        |kernel| kernel.removed("vmlinux.o"),
    ),
    mutation(
        "sections",
        "nothing is between the symbols around the thunks of retpolines",
        "is not between __indirect_thunk_start and __indirect_thunk_end",
        |kernel| {
            let has_thunks = kernel.is_set("RETPOLINE") || kernel.is_set("MITIGATION_RETPOLINE");
            has_thunks.then(|| {
                kernel.patched("vmlinux", |patch| {
                    let start = patch.address("__indirect_thunk_start")?;
                    patch.set_value("__indirect_thunk_end", start)
                })
            })?
        },
    ),
    mutation(
        "section-mismatches",
        "code that stays calls a function that is freed",
        "refers to",
        |kernel| kernel.patched("vmlinux.o", refers_to_freed),
    ),
    mutation(
        "section-mismatches",
        "`vmlinux.o` has no relocations",
        "vmlinux.o: none of its code and data refers to anything",
        without_relocations,
    ),
    mutation(
        "got",
        "a reference goes through a GOT",
        "through a GOT",
        |kernel| kernel.patched("vmlinux.o", through_got),
    ),
    mutation(
        "got",
        "`vmlinux.o` has no relocations, by which a GOT is seen",
        "vmlinux.o: none of its code and data refers to anything",
        without_relocations,
    ),
];

/// Changes the line of the first export of vmlinux, if exports have CRCs.
fn symvers(kernel: &Kernel, change: impl Fn(&str) -> Option<String>) -> Option<Changes> {
    if !kernel.is_set("MODVERSIONS") {
        return None;
    }
    kernel.edited(SYMVERS, |text| {
        let line = text.lines().find(|line| line.contains("\tvmlinux\t"))?;
        Some(text.replacen(&format!("{line}\n"), &change(line)?, 1))
    })
}

fn with_crcs(kernel: &Kernel, change: impl Fn(&mut Patch) -> Option<()>) -> Option<Changes> {
    let has_crcs = kernel.is_set("MODVERSIONS");
    has_crcs.then(|| kernel.patched("vmlinux", change))?
}

fn with_distances(kernel: &Kernel, change: impl Fn(&mut Patch) -> Option<()>) -> Option<Changes> {
    let has_distances = kernel.is_set("HAVE_ARCH_PREL32_RELOCATIONS");
    has_distances.then(|| kernel.patched("vmlinux", change))?
}

/// Moves the first jump label that is a no-op to an instruction that is not a no-op.
fn jump_label(patch: &mut Patch) -> Option<()> {
    let start = patch.address("__start___jump_table")?;
    let stop = patch.address("__stop___jump_table")?;
    let is_arm = patch.elf.machine() == elf::EM_AARCH64;
    let mut entries = (start..stop).step_by(16);
    entries.find_map(|entry| {
        let at = patch.at(entry)?;
        let distance = i64::from(i32::from_le_bytes(patch.get(at)?));
        let code = patch.at(entry.wrapping_add_signed(distance))?;
        if is_arm {
            let [no_op, next] = [code, code + 4].map(|at| patch.get(at).map(u32::from_le_bytes));
            let is_meant =
                no_op? == 0xd503_201f && next? != 0xd503_201f && next? >> 26 != 0b00_0101;
            return is_meant.then(|| patch.add(at, 4))?;
        }
        // A no-op of five bytes, whose rest is no instruction of this kind.
        let is_meant = patch.get(code)? == [0x0f, 0x1f, 0x44, 0, 0];
        is_meant.then(|| patch.add(at, 1))?
    })
}

/// Changes the marks around the flags of `WARN_ONCE`, if vmlinux.o has such flags.
fn once(kernel: &Kernel, change: impl Fn(&mut Patch) -> Option<()>) -> Option<Changes> {
    let object = kernel.elf("vmlinux.o")?;
    let mut sections = object.sections().iter();
    let has_flags = sections
        .any(|section| [".data.once", ".data..once"].contains(&section.name) && section.size > 0);
    has_flags.then(|| kernel.patched("vmlinux", change))?
}

/// Replaces the callee of a call by a function that is freed.
fn refers_to_freed(patch: &mut Patch) -> Option<()> {
    let elf = &patch.elf;
    let mut functions = elf
        .symbols()
        .iter()
        .filter(|symbol| elf.is_function(symbol));
    let freed = functions
        .find(|symbol| symbol.section_name == Some(".init.text"))?
        .index;
    let calls = patch
        .relocations(|section| section.name == ".text" || section.name.starts_with(".text.vfs_"));
    let (at, _) = calls.into_iter().find(|(_, relocation)| {
        let is_call = [elf::R_AARCH64_CALL26, elf::R_X86_64_PLT32].contains(&relocation.kind);
        let callee = relocation.symbol.and_then(|index| patch.elf.symbol(index));
        // A call that the tracer does not record.
        is_call && callee.is_some_and(|callee| callee.name.starts_with("vfs_"))
    })?;
    patch.set_relocation_symbol(at, freed)
}

/// Turns the reference to a function or object into one through a GOT.
fn through_got(patch: &mut Patch) -> Option<()> {
    let is_arm = patch.elf.machine() == elf::EM_AARCH64;
    let (direct, through) = if is_arm {
        (elf::R_AARCH64_ADR_PREL_PG_HI21, elf::R_AARCH64_ADR_GOT_PAGE)
    } else {
        (elf::R_X86_64_PC32, elf::R_X86_64_GOTPCREL)
    };
    let found = patch.relocations(|section| section.name.starts_with(".text"));
    let (at, _) = found.into_iter().find(|(_, relocation)| {
        let symbol = relocation.symbol.and_then(|index| patch.elf.symbol(index));
        relocation.kind == direct
            && symbol
                .is_some_and(|symbol| symbol.is_defined() && symbol.kind != SymbolKind::Section)
    })?;
    patch.set_relocation_type(at, through)
}

fn without_relocations(kernel: &Kernel) -> Option<Changes> {
    kernel.patched("vmlinux.o", |patch| {
        patch.set_type(elf::SHT_PROGBITS, |section| {
            section.section_type == elf::SHT_RELA
        })
    })
}

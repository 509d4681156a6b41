// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Groups the sections of a kernel by their place in memory.

use std::collections::BTreeMap;
use std::fmt;

use object_model::{Elf, Section, elf};
use serde::Serialize;

/// The place of a section in memory, and its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Code.
    Text,
    /// Read-only after the kernel's start.
    Rodata,
    /// Writable, with content in the file.
    Data,
    /// Copied for each CPU.
    Percpu,
    /// Zero at the start.
    Bss,
    /// Freed after the kernel's start.
    Init,
    /// Discarded by the final link. Only vmlinux.o has it.
    Discarded,
}

impl Group {
    /// All groups, in the order of the report.
    pub const ALL: [Self; 7] = [
        Self::Text,
        Self::Rodata,
        Self::Data,
        Self::Percpu,
        Self::Bss,
        Self::Init,
        Self::Discarded,
    ];
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Text => "text",
            Self::Rodata => "rodata",
            Self::Data => "data",
            Self::Percpu => "percpu",
            Self::Bss => "bss",
            Self::Init => "init",
            Self::Discarded => "discarded",
        })
    }
}

/// Prefixes of the sections that `/DISCARD/` of the linker scripts takes. Source:
/// `include/asm-generic/vmlinux.lds.h`, `DISCARDS` and `COMMON_DISCARDS`.
const DISCARDED: [&str; 5] = [
    ".discard",
    ".export_symbol",
    ".no_trim_symbol",
    ".modinfo",
    ".exitcall",
];

/// Prefixes of the sections between `__init_begin` and `__init_end`, besides init and exit
/// sections. Source: `INIT_DATA` of the same file, `arch/{arm64,x86}/kernel/vmlinux.lds.S`.
const INIT: [&str; 20] = [
    ".init",
    ".exit",
    ".altinstr",
    ".apicdrivers",
    ".call_sites",
    ".cfi_sites",
    ".ibt_endbr_seal",
    ".iommu_table",
    ".meminit",
    ".parainstructions",
    ".rela",
    ".retpoline_sites",
    ".return_sites",
    ".smp_locks",
    "__earlycon_table",
    "__mcount_loc",
    "__syscalls_metadata",
    "_ftrace_ev",
    "_kprobe_blacklist",
    "_error_injection_whitelist",
];

/// Writable sections that the linker scripts place in the read-only data.
const READ_ONLY_AFTER_START: [&str; 3] = [".data..ro_after_init", ".data.rel.ro", "__jump_table"];

/// Returns the group of an allocated section of `elf`.
pub fn group(elf: &Elf, section: &Section) -> Group {
    let begins = |names: &[&str]| names.iter().any(|name| section.name.starts_with(name));
    if elf.is_relocatable() && begins(&DISCARDED) {
        Group::Discarded
    } else if begins(&INIT)
        || section.name.rsplit('.').next() == Some("init")
        || section.name.ends_with("_of_table")
    {
        Group::Init
    } else if section.is_executable() {
        Group::Text
    } else if section.name.starts_with(".data..percpu") {
        Group::Percpu
    } else if !section.is_writable() || begins(&READ_ONLY_AFTER_START) {
        Group::Rodata
    } else if section.section_type == elf::SHT_NOBITS {
        Group::Bss
    } else {
        Group::Data
    }
}

/// Sections that compilers split by function or variable.
const SPLIT: [&str; 14] = [
    ".bss",
    ".data",
    ".exit.data",
    ".exit.text",
    ".init.bss",
    ".init.data",
    ".init.rodata",
    ".init.text",
    ".meminit.text",
    ".ref.data",
    ".ref.text",
    ".rodata",
    ".sched.text",
    ".text",
];

/// Returns the name of a section before compilers split it: `.text` for `.text.vfs_read`. The
/// kernel's own section names (`.data..percpu`) and mergeable strings are not joined.
pub fn family(name: &str) -> &str {
    if let Some((before, _)) = name.split_once('+') {
        // Entries of exports are sorted by their section: `___ksymtab+vfs_read`.
        return before.strip_prefix('_').unwrap_or(before);
    }
    if name.starts_with(".initcall") {
        return ".initcall";
    }
    for stem in SPLIT {
        let Some(rest) = name.strip_prefix(stem).filter(|rest| rest.starts_with('.')) else {
            continue;
        };
        // `..L` begins the name of a private constant of the compiler.
        let own = rest.strip_prefix("..").filter(|own| !own.starts_with('L'));
        let kept = match own {
            Some(own) => "..".len() + own.find('.').unwrap_or(own.len()),
            None if rest.starts_with(".str") => ".str".len(),
            None => 0,
        };
        return name.get(..stem.len() + kept).unwrap_or(name);
    }
    name
}

/// Returns the bytes in memory of the sections of `elf`, by group and [`family`].
pub fn sizes<'elf>(elf: &'elf Elf) -> BTreeMap<(Group, &'elf str), u64> {
    let mut sizes = BTreeMap::new();
    for section in elf.sections().iter().filter(|s| s.is_allocated()) {
        *sizes
            .entry((group(elf, section), family(section.name)))
            .or_default() += section.size;
    }
    sizes
}

/// Returns the bytes in memory of all sections of `elf`.
pub fn total(elf: &Elf) -> u64 {
    let allocated = elf.sections().iter().filter(|s| s.is_allocated());
    allocated.map(|section| section.size).sum()
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The sections of a kernel, grouped as they lie in memory.

use std::collections::BTreeMap;
use std::fmt;

use object_model::{Elf, Section, elf};
use serde::Serialize;

/// Where in memory a section goes, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Code.
    Text,
    /// Read-only once the kernel has started.
    Rodata,
    /// Writable, with content in the file.
    Data,
    /// What each CPU gets a copy of.
    Percpu,
    /// Zero at the start.
    Bss,
    /// Freed after the start.
    Init,
    /// What the final link leaves out. Only vmlinux.o has it.
    Discarded,
}

impl Group {
    /// All groups, in the order in which they are shown.
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

/// What `/DISCARD/` of the linker scripts takes, by how the names begin. Source:
/// `include/asm-generic/vmlinux.lds.h`, `DISCARDS` and `COMMON_DISCARDS`.
const DISCARDED: [&str; 5] = [
    ".discard",
    ".export_symbol",
    ".no_trim_symbol",
    ".modinfo",
    ".exitcall",
];

/// What lies between `__init_begin` and `__init_end`, by how the names begin, besides what is called
/// init or exit. Source: `INIT_DATA` of the same file, `arch/{arm64,x86}/kernel/vmlinux.lds.S`.
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

/// Writable sections of which the linker scripts make a part of the read-only data.
const READ_ONLY_AFTER_START: [&str; 3] = [".data..ro_after_init", ".data.rel.ro", "__jump_table"];

/// The group of an allocated section of `elf`.
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

/// The name that a section has before compilers split it: `.text` for `.text.vfs_read`. The names
/// that the kernel itself gives (`.data..percpu`), and the mergeable strings, stay by themselves.
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
        // `..L` begins the name of a private constant, which is the compiler's.
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

/// The bytes in memory of the sections of `elf`, by group and [`family`].
pub fn sizes<'elf>(elf: &'elf Elf) -> BTreeMap<(Group, &'elf str), u64> {
    let mut sizes = BTreeMap::new();
    for section in elf.sections().iter().filter(|s| s.is_allocated()) {
        *sizes
            .entry((group(elf, section), family(section.name)))
            .or_default() += section.size;
    }
    sizes
}

/// The bytes in memory of all sections of `elf`.
pub fn total(elf: &Elf) -> u64 {
    let allocated = elf.sections().iter().filter(|s| s.is_allocated());
    allocated.map(|section| section.size).sum()
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! References through a global offset table, which no kernel has.

use anyhow::Context as _;
use object_model::elf::RelocationType;
use object_model::{Binding, Elf, ReadError, Relocation, Section, SectionIndex, Symbol, elf};
use object_tree::{Artefact, Objtree};
use section_merge::ObjectFault;

use super::Finding;

/// Nothing is reached through a GOT: a linked kernel must not have one, and the loader of modules
/// makes none.
pub fn got(tree: &Objtree) -> anyhow::Result<Finding> {
    if kinds(&tree.vmlinux).is_empty() {
        let reason = "relocations for a GOT are known of 64-bit x86 and 64-bit Arm only";
        return Ok(Finding::not_applicable(reason));
    }
    let mut faults: Vec<String> = tree.object_fault().into_iter().collect();
    let (mut n_references, mut n_weak) = (0, 0);
    for (artefact, elf) in tree.relocatable() {
        let found = scan(elf).with_context(|| artefact.to_string())?;
        n_weak += found.n_weak;
        n_references += found.faults.len();
        if artefact == Artefact::VmlinuxO && found.n_relocations == 0 {
            faults.push(format!("{artefact}: {}", ObjectFault::NoReferences));
        }
        faults.extend(
            found
                .faults
                .iter()
                .map(|fault| format!("{artefact}: {fault}")),
        );
    }
    let n_modules = tree.modules.len();
    let mut figures = vec![format!(
        "{n_references} references in vmlinux.o and {n_modules} modules"
    )];
    if n_weak > 0 {
        figures.push(format!(
            "{n_weak} to weak symbols that the last link defines"
        ));
    }
    Ok(Finding::new(figures.join("; "), faults))
}

/// The faults and the weak references of one object.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    faults: Vec<String>,
    /// References to undefined weak symbols that the final link resolves.
    n_weak: usize,
    /// All references.
    n_relocations: usize,
}

/// Relocations with their names.
macro_rules! named {
    ($($kind:ident),* $(,)?) => { &[$((elf::$kind, stringify!($kind))),*] };
}

/// The relocations of a GOT and their names, by the machine of `elf`.
///
/// Sources: the x86-64 psABI, "Relocation Types"; ELF for the Arm 64-bit Architecture,
/// "GOT-relative".
fn kinds(elf: &Elf) -> &'static [(RelocationType, &'static str)] {
    match elf.machine() {
        elf::EM_X86_64 if elf.is_64() => named![
            R_X86_64_GOT32,
            R_X86_64_GOTPCREL,
            R_X86_64_GOTOFF64,
            R_X86_64_GOTPC32,
            R_X86_64_GOT64,
            R_X86_64_GOTPCREL64,
            R_X86_64_GOTPC64,
            R_X86_64_GOTPLT64,
            R_X86_64_GOTPCRELX,
            R_X86_64_REX_GOTPCRELX,
            R_X86_64_CODE_4_GOTPCRELX,
            R_X86_64_CODE_5_GOTPCRELX,
            R_X86_64_CODE_6_GOTPCRELX,
        ],
        elf::EM_AARCH64 if elf.is_64() => named![
            R_AARCH64_MOVW_GOTOFF_G0,
            R_AARCH64_MOVW_GOTOFF_G0_NC,
            R_AARCH64_MOVW_GOTOFF_G1,
            R_AARCH64_MOVW_GOTOFF_G1_NC,
            R_AARCH64_MOVW_GOTOFF_G2,
            R_AARCH64_MOVW_GOTOFF_G2_NC,
            R_AARCH64_MOVW_GOTOFF_G3,
            R_AARCH64_GOTREL64,
            R_AARCH64_GOTREL32,
            R_AARCH64_GOT_LD_PREL19,
            R_AARCH64_LD64_GOTOFF_LO15,
            R_AARCH64_ADR_GOT_PAGE,
            R_AARCH64_LD64_GOT_LO12_NC,
            R_AARCH64_LD64_GOTPAGE_LO15,
            R_AARCH64_GOTPCREL32,
        ],
        _ => &[],
    }
}

/// The references through a GOT in what `elf`, vmlinux.o or a module, loads.
fn scan(elf: &Elf) -> Result<Found, ReadError> {
    let kinds = kinds(elf);
    let mut found = Found::default();
    for relocations in elf.sections() {
        let Some(target) = loaded_target(elf, relocations) else {
            continue;
        };
        for relocation in elf.relocations_in(relocations)? {
            found.n_relocations += 1;
            let Some((_, kind)) = kinds.iter().find(|(kind, _)| *kind == relocation.kind) else {
                continue;
            };
            let symbol = relocation.symbol.and_then(|index| elf.symbol(index));
            if symbol.is_some_and(|symbol| is_of_last_link(elf, symbol)) {
                found.n_weak += 1;
            } else {
                found.faults.push(fault(target, &relocation, kind, symbol));
            }
        }
    }
    Ok(found)
}

/// The section that is in memory at run time and that `section` has the relocations for.
fn loaded_target<'elf, 'data>(
    elf: &'elf Elf<'data>,
    section: &Section,
) -> Option<&'elf Section<'data>> {
    let has_relocations = [elf::SHT_REL, elf::SHT_RELA, elf::SHT_CREL];
    if !has_relocations.contains(&section.section_type) {
        return None;
    }
    let target = elf.section(SectionIndex(section.info as usize))?;
    target.is_allocated().then_some(target)
}

/// Whether only the final link knows the symbol, as the tables of kallsyms: undefined and weak.
/// Code of 64-bit Arm that must work without a definition takes its address from a GOT, also
/// without LTO; the linker turns that into the address itself once there is one. What modules have
/// undefined stays so.
fn is_of_last_link(elf: &Elf, symbol: &Symbol) -> bool {
    let is_module = elf.section_by_name(".gnu.linkonce.this_module").is_some();
    elf.machine() == elf::EM_AARCH64
        && !is_module
        && symbol.is_undefined()
        && symbol.binding == Binding::Weak
}

fn fault(
    section: &Section,
    relocation: &Relocation,
    kind: &str,
    symbol: Option<&Symbol>,
) -> String {
    let symbol = symbol.map_or("no symbol", |symbol| symbol.name);
    format!(
        "{}+{:#x} reaches {symbol} through a GOT ({kind}); \
         compile with -fvisibility=hidden, or link what defines it",
        section.name, relocation.offset
    )
}

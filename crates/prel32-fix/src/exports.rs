// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks the entries of the tables of exports: each must lead to the symbol and the string of its own name.
//!
//! An entry has a label, `__ksymtab_NAME` (`include/linux/export.h`). Its first field leads to `NAME`, its
//! second to the string `NAME`, by which the module loader finds it. Two swapped entries still resolve
//! to starts of symbols.

use object_model::{Elf, Image, ReadError, Relocation, Section, Symbol};

use crate::Fault;

/// The prefix of the label of an entry.
const LABEL: &str = "__ksymtab_";
/// The place of the distance to the name in an entry, in bytes.
const NAME: u64 = 4;

/// Returns the faults of the entries of exports that have a label.
pub(crate) fn check(image: &Image) -> Result<Vec<Fault>, ReadError> {
    let elf = image.elf;
    let mut faults = Vec::new();
    let mut relocations: Option<(&Section, Vec<Relocation>)> = None;
    for label in elf.symbols() {
        let Some((export, section)) = export_of(elf, label) else {
            continue;
        };
        if elf.is_relocatable() {
            let is_read = |(of, _): &(&Section, _)| of.index == section.index;
            if !relocations.as_ref().is_some_and(is_read) {
                relocations = Some((section, elf.relocations(section.index)?));
            }
        }
        let relocations = relocations.as_ref().map(|(_, found)| found.as_slice());
        let field = |offset| {
            target(
                image,
                section,
                label,
                offset,
                relocations.unwrap_or_default(),
            )
        };
        let (Some(value), Some(name)) = (field(0), field(NAME)) else {
            faults.push(Fault::Export {
                export: export.to_owned(),
                found: "nothing".to_owned(),
            });
            continue;
        };
        if !leads_to(image, value, export) {
            faults.push(Fault::Export {
                export: export.to_owned(),
                found: name_at(image, value),
            });
        }
        let string = image.string(name);
        if string != Some(export.as_bytes()) {
            let found = string.map_or_else(
                || image.place(name),
                |string| format!("\"{}\"", string.escape_ascii()),
            );
            faults.push(Fault::ExportName {
                export: export.to_owned(),
                found,
            });
        }
    }
    Ok(faults)
}

/// Returns the exported name of the entry with this label, and the entry's section.
fn export_of<'elf, 'data>(
    elf: &'elf Elf<'data>,
    label: &Symbol<'data>,
) -> Option<(&'data str, &'elf Section<'data>)> {
    let export = label.name.strip_prefix(LABEL)?;
    let section = elf.section(label.section?)?;
    // A linked kernel has them in `__ksymtab`, an object in a section each.
    let is_table = section.is_allocated() && section.name.contains("ksymtab");
    (is_table && !section.name.contains("strings")).then_some((export, section))
}

/// Returns the target of the field that is `field` bytes into the entry at `label`.
fn target(
    image: &Image,
    section: &Section,
    label: &Symbol,
    field: u64,
    relocations: &[Relocation],
) -> Option<u64> {
    let elf = image.elf;
    if elf.is_relocatable() {
        let at = label.value + field;
        let found = relocations.iter().find(|found| found.offset == at);
        return image.target(found?);
    }
    let offset = label.value.checked_sub(section.address)? + field;
    let distance = elf.read_unsigned(section, offset, 4)?;
    let distance = i64::from((distance as u32).cast_signed());
    Some((label.value + field).wrapping_add_signed(distance))
}

/// Returns whether a symbol named `export` is at this address. An undefined symbol has an address, too.
fn leads_to(image: &Image, address: u64, export: &str) -> bool {
    let named = image.symbols.named(export);
    named.iter().any(|symbol| image.address(symbol) == address)
}

fn name_at(image: &Image, address: u64) -> String {
    let symbols = image.symbols_at(address).iter();
    let mut names = symbols
        .map(|symbol| symbol.name)
        .filter(|name| !name.is_empty());
    names
        .next()
        .map_or_else(|| image.place(address), str::to_owned)
}

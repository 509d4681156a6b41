// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Entries of the tables of exports: each leads to the symbol and to the string that its own name says.
//!
//! An entry has a label, `__ksymtab_NAME` (`include/linux/export.h`). Its first field leads to `NAME`, its
//! second to the string `NAME`, by which the module loader finds it. Two entries that are swapped resolve
//! to the start of something all the same.

use object_model::{Elf, Image, ReadError, Relocation, Section, Symbol};

use crate::Fault;

/// How the label of an entry begins.
const LABEL: &str = "__ksymtab_";
/// Where in an entry the distance to the name is, in bytes.
const NAME: u64 = 4;

/// What is wrong with the entries of exports that have a label.
pub(crate) fn check(elf: &Elf) -> Result<Vec<Fault>, ReadError> {
    let image = Image::new(elf);
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
                &image,
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
        if !leads_to(&image, value, export) {
            faults.push(Fault::Export {
                export: export.to_owned(),
                found: named(&image, value),
            });
        }
        let string = string_at(&image, name);
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

/// The name that is exported by the entry with this label, and the entry's section.
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

/// What the field `field` bytes into the entry at `label` refers to.
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

/// Whether a symbol named `export` is at this address. Of an undefined one the address is its own.
fn leads_to(image: &Image, address: u64, export: &str) -> bool {
    let named = image.symbols.named(export);
    named.iter().any(|symbol| image.address(symbol) == address)
}

fn named(image: &Image, address: u64) -> String {
    let symbols = image.symbols_at(address).iter();
    let mut names = symbols
        .map(|symbol| symbol.name)
        .filter(|name| !name.is_empty());
    names
        .next()
        .map_or_else(|| image.place(address), str::to_owned)
}

/// The bytes before the next NUL.
fn string_at<'data>(image: &Image<'_, 'data>, address: u64) -> Option<&'data [u8]> {
    image.bytes(address)?.split(|byte| *byte == 0).next()
}

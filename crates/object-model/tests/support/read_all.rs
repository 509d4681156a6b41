// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Every reader over the same bytes, for tests and fuzz targets.

use std::io;
use std::path::Path;

use object_model::{Archive, Btf, Loader, Object, link_order};

/// Reads everything that there is to read in `data`, as object and as archive.
pub fn read_all(data: &[u8]) {
    if let Ok(object) = Object::parse(data) {
        for symbol in object.symbols() {
            let _ = (symbol.is_used(), symbol.section_name);
        }
        if let Some(bitcode) = object.as_bitcode() {
            let _ = bitcode.lto_kind();
            if let Ok(Some(summary)) = bitcode.summary() {
                for value in &summary.values {
                    for &index in value.summary.iter().flat_map(|found| &found.references) {
                        assert!(summary.value(index).is_some(), "{value:?}");
                    }
                }
            }
        }
        if let Some(elf) = object.as_elf() {
            let map = elf.symbol_map();
            for section in elf.sections() {
                let _ = elf.relocations(section.index);
                let _ = elf.relocations_in(section);
                let _ = elf.read_unsigned(section, section.size.wrapping_sub(4), 4);
                let _ = (
                    map.at(section.index, section.size),
                    map.in_section(section.index),
                );
            }
        }
    }
    for is_big_endian in [false, true] {
        let _ = Btf::parse(data, is_big_endian);
    }
    let _ = Archive::parse(data);
    let _ = link_order(&Same(data), &["input"]);
}

/// Gives the same bytes for every path: a thin archive then holds itself, over and over.
struct Same<'data>(&'data [u8]);

impl<'data> Loader<'data> for Same<'data> {
    fn load(&self, _: &Path) -> io::Result<&'data [u8]> {
        Ok(self.0)
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Counts symbols, sections and relocations in a linked object.

use std::fmt::Write as _;

use object::elf::RelocationType;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags};

use crate::case::Count;

/// Returns a line for each of `counts`.
pub(crate) fn of(linked: &[u8], counts: &[Count]) -> String {
    let mut text = String::new();
    if counts.is_empty() {
        return text;
    }
    let file = match object::File::parse(linked) {
        Ok(file) => file,
        Err(error) => return format!("the linked object cannot be read: {error}\n"),
    };
    for count in counts {
        let (what, number) = match count {
            Count::Symbols(part) => {
                let defined = file.symbols().filter(|symbol| !symbol.is_undefined());
                let named = defined.filter(|symbol| symbol.name().is_ok_and(|n| n.contains(part)));
                (format!("symbols with {part}"), named.count())
            }
            Count::Sections(name) => {
                let sections = file.sections();
                let named = sections.filter(|section| section.name() == Ok(name));
                (format!("sections {name}"), named.count())
            }
            Count::Relocations(wanted) => {
                let relocations = file.sections().flat_map(|section| {
                    let relocations = section.relocations();
                    relocations
                        .map(|(_, relocation)| relocation.flags())
                        .collect::<Vec<_>>()
                });
                let of_type = relocations.filter(|flags| {
                    *flags
                        == RelocationFlags::Elf {
                            r_type: RelocationType(*wanted),
                        }
                });
                (format!("relocations {wanted}"), of_type.count())
            }
        };
        let _ = writeln!(text, "{what}: {number}");
    }
    text
}

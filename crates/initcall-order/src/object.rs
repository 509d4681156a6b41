// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the sections of initcalls in one object, and the labels in them.

use std::collections::{BTreeSet, HashMap};

use object_model::Object;

use crate::initcall::MARK;

/// Returns the sections of initcalls, in byte order, that are not empty and have no label.
pub(crate) fn unlabelled_sections<'data>(object: &Object<'data>) -> BTreeSet<&'data str> {
    let mut labelled = BTreeSet::new();
    let mut sections = BTreeSet::new();
    for symbol in object
        .symbols()
        .iter()
        .filter(|symbol| !symbol.is_undefined())
    {
        let Some(section) = symbol.section_name.filter(|name| is_of_initcalls(name)) else {
            continue;
        };
        if symbol.name.starts_with(MARK) {
            labelled.insert(section);
        } else if object.as_bitcode().is_some() {
            // Each symbol of bitcode becomes an entry that the linker places by its section.
            sections.insert(section);
        }
    }
    if let Some(elf) = object.as_elf() {
        let has_entries =
            |section: &&object_model::Section<'_>| section.is_allocated() && section.size > 0;
        let found = elf.sections().iter().filter(has_entries);
        let names = found.map(|section| section.name);
        sections.extend(names.filter(|name| is_of_initcalls(name)));
        // Bitcode with a label in a section may have other entries there, which have symbols.
        sections.retain(|section| !labelled.contains(section));
    }
    sections
}

/// Returns whether it is a section of initcalls. Source: `___define_initcall` and
/// `console_initcall` in `include/linux/init.h`.
fn is_of_initcalls(section: &str) -> bool {
    section.starts_with(".initcall") || section.starts_with(".con_initcall")
}

/// Returns the section of each initcall label in the `text` of module-level assembly.
pub(crate) fn sections_of_labels(text: &str) -> HashMap<&str, &str> {
    let mut labels = HashMap::new();
    let mut section = None;
    for statement in text.split(['\n', ';']).map(str::trim) {
        let directive = [".section", ".pushsection"];
        let operands = directive
            .iter()
            .find_map(|directive| statement.strip_prefix(directive))
            .filter(|operands| operands.starts_with([' ', '\t']));
        if let Some(operands) = operands.map(str::trim_start) {
            let name = match operands.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next(),
                None => operands.split([',', ' ', '\t']).next(),
            };
            section = name;
        } else if let Some((label, _)) = statement.split_once(':')
            && label.starts_with(MARK)
            && let Some(section) = section
        {
            labels.insert(label.trim_end(), section);
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_in_the_section_before_them() {
        let text = ".section\t\".initcall6.init..a\", \"a\"\t\t\n__initcall__a6:\n\t.long\tf - .\n\
                    .previous\n.pushsection .initcall7.init..b,\"a\"; __initcall__b7: .long 0; .popsection\n\
                    other: .long 0\n";
        let expected = [
            ("__initcall__a6", ".initcall6.init..a"),
            ("__initcall__b7", ".initcall7.init..b"),
        ];
        assert_eq!(sections_of_labels(text), expected.into());
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Functions by the names that they have in the source.

use std::collections::{BTreeMap, BTreeSet};

use object_model::{Elf, SectionIndex, Symbol, source_name};

/// The functions of `elf` by source name. Of several symbols with one name, as statics of several
/// files have it, each is there.
pub fn by_source_name<'elf, 'data>(
    elf: &'elf Elf<'data>,
) -> BTreeMap<&'data str, Vec<&'elf Symbol<'data>>> {
    let mut functions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for symbol in elf
        .symbols()
        .iter()
        .filter(|symbol| elf.is_function(symbol))
    {
        let of_name = functions.entry(source_name(symbol.name)).or_default();
        of_name.push(symbol);
    }
    functions
}

/// The places at which functions of one name begin.
pub fn starts(functions: &[&Symbol]) -> BTreeSet<(SectionIndex, u64)> {
    let starts = functions.iter();
    starts
        .filter_map(|symbol| Some((symbol.section?, symbol.value)))
        .collect()
}

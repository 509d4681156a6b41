// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the names of functions in BTF.

use std::collections::BTreeSet;

use object_model::{Elf, source_name};

/// Returns the source names of the functions in the BTF of `elf`; `None` if it has no BTF. Source:
/// `include/uapi/linux/btf.h`.
pub fn functions<'data>(elf: &Elf<'data>) -> Result<Option<BTreeSet<&'data str>>, String> {
    const MAGIC: u64 = 0xeb9f;
    const FUNCTION: u64 = 12;
    let Some(section) = elf.section_by_name(".BTF") else {
        return Ok(None);
    };
    let number = |offset: u64, size| {
        elf.read_unsigned(section, offset, size)
            .ok_or_else(|| format!("ends at {offset:#x}"))
    };
    if number(0, 2)? != MAGIC {
        return Err("does not begin with its magic".into());
    }
    let header = number(4, 4)?;
    let types = header + number(8, 4)?;
    let types_end = types + number(12, 4)?;
    let strings = header + number(16, 4)?;
    let name = |offset: u64| {
        let start = usize::try_from(strings + offset).ok()?;
        let bytes = section.data.get(start..)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(bytes.get(..end)?).ok()
    };
    let mut functions = BTreeSet::new();
    let mut at = types;
    while at < types_end {
        let (name_offset, info) = (number(at, 4)?, number(at + 4, 4)?);
        let (kind, n_members) = (info >> 24 & 0x1f, info & 0xffff);
        if kind == FUNCTION {
            let name =
                name(name_offset).ok_or_else(|| format!("no name for the type at {at:#x}"))?;
            functions.insert(source_name(name));
        }
        at += 12
            + size_behind(kind, n_members)
                .ok_or_else(|| format!("unknown kind {kind} at {at:#x}"))?;
    }
    Ok(Some(functions))
}

/// Returns how many bytes follow a type of this kind.
fn size_behind(kind: u64, n_members: u64) -> Option<u64> {
    Some(match kind {
        // Pointer, forward declaration, typedef, qualifiers, function, float, type tag.
        2 | 7..=12 | 16 | 18 => 0,
        // Integer, variable, declaration tag.
        1 | 14 | 17 => 4,
        // Array.
        3 => 12,
        // Structure, union, section of variables, enumeration of 64 bits.
        4 | 5 | 15 | 19 => 12 * n_members,
        // Enumeration, prototype.
        6 | 13 => 8 * n_members,
        _ => return None,
    })
}

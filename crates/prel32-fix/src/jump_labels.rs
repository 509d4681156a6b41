// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks jump labels. The kernel writes a jump or a no-op over the instruction of an entry, so there must be
//! one of the two, and a jump must go to the target of the entry.
//!
//! Sources: `arch/x86/include/asm/jump_label.h`, `arch/x86/kernel/jump_label.c` and
//! `arch/arm64/include/asm/jump_label.h` of Linux 5.10 to 6.12; the encodings are those of the Intel
//! manual (JMP, NOP) and of the Arm architecture (B, NOP).

use std::collections::HashMap;

use object_model::{Image, ReadError, Relocation, TableName, TablePart, elf};

use crate::Fault;

const TABLE: TableName = TableName {
    section: "__jump_table",
    start: "__start___jump_table",
    stop: "__stop___jump_table",
};
/// `struct jump_entry`: code, target, and a key of 64 bits.
const STRIDE: u64 = 16;
const CODE: u64 = 0;
const TARGET: u64 = 4;
const KEY: u64 = 8;
/// Low bits of the key say whether the branch is likely, and whether the code is freed.
const KEY_FLAGS: u64 = 3;

/// The instruction at the code address of an entry.
enum Site {
    Nop,
    /// A jump: the number of bytes before its distance, if the distance may be in a relocation, and
    /// its target without a relocation.
    Jump {
        opcode_length: u64,
        target: u64,
    },
}

/// Returns the faults of the jump labels of 64-bit x86 and Arm; other architectures are not checked.
pub(crate) fn check(image: &Image) -> Result<Vec<Fault>, ReadError> {
    let elf = image.elf;
    let read: fn(&[u8], u64) -> Option<Site> = match elf.machine() {
        elf::EM_X86_64 if elf.is_64() => x86,
        elf::EM_AARCH64 if !elf.is_big_endian() => arm64,
        _ => return Ok(Vec::new()),
    };
    // A kernel without jump labels has no table; its bounds are checked with the other tables.
    let parts = image.table(TABLE).unwrap_or_default();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let jumps = jumps(image)?;
    let mut faults = Vec::new();
    for part in parts {
        let codes = image.prel32(&part, STRIDE, CODE)?;
        let targets = image.prel32(&part, STRIDE, TARGET)?;
        for (index, (code, target)) in codes.into_iter().zip(targets).enumerate() {
            let (Some(code), Some(target)) = (code, target) else {
                continue;
            };
            // An address outside of code is reported for each table that refers to code.
            if !image.is_executable(code) || !image.is_executable(target) {
                continue;
            }
            let site = image.bytes(code).and_then(|bytes| read(bytes, code));
            let fault = match site {
                None => Some("neither a jump nor a no-op".to_owned()),
                Some(Site::Nop) => None,
                Some(Site::Jump {
                    opcode_length,
                    target: found,
                }) => {
                    let found = jumps.get(&(code + opcode_length)).copied().unwrap_or(found);
                    (found != target).then(|| {
                        let (found, expected) = (image.place(found), image.place(target));
                        format!("a jump to {found}, not to {expected}")
                    })
                }
            };
            let fault = fault.or_else(|| far(image, code, target));
            let fault = fault.or_else(|| key_fault(image, &part, index));
            faults.extend(fault.map(|found| Fault::JumpLabel {
                index,
                place: image.place(code),
                found,
            }));
        }
    }
    Ok(faults)
}

/// Returns the fault of an entry that jumps into another section, such as one that is freed.
fn far(image: &Image, code: u64, target: u64) -> Option<String> {
    let section = |address| image.section_at(address).map(|section| section.index);
    let (from, to) = (section(code)?, section(target));
    // Objects have a section for each function.
    let may_differ = image.elf.is_relocatable();
    (!may_differ && to != Some(from))
        .then(|| format!("an entry that jumps to {}", image.place(target)))
}

/// Returns the fault of a key that is not in data. Only tables of linked kernels contain the key.
fn key_fault(image: &Image, part: &TablePart, index: usize) -> Option<String> {
    if image.elf.is_relocatable() {
        return None;
    }
    let offset = part.offset + index as u64 * STRIDE + KEY;
    let distance = image.elf.read_unsigned(part.section, offset, 8)?;
    let address = part.section.address.wrapping_add(offset);
    let key = address.wrapping_add(distance) & !KEY_FLAGS;
    // A key that is off at the start has no bytes in the file.
    let is_data = image.elf.sections().iter().any(|section| {
        let offset = key.checked_sub(section.address);
        section.is_allocated()
            && !section.is_executable()
            && offset.is_some_and(|offset| offset < section.size)
    });
    (!is_data).then(|| format!("an entry whose key is {}", image.place(key)))
}

/// Returns the targets of jumps with a relocation, by the address of the relocation.
fn jumps(image: &Image) -> Result<HashMap<u64, u64>, ReadError> {
    let elf = image.elf;
    let mut jumps = HashMap::new();
    if !elf.is_relocatable() {
        return Ok(jumps);
    }
    let is_x86 = elf.machine() == elf::EM_X86_64;
    for section in elf.sections().iter().filter(|s| s.is_executable()) {
        for relocation in elf.relocations(section.index)? {
            let Relocation { offset, .. } = relocation;
            // The distance of x86 counts from the end of the instruction.
            let behind = if is_x86 { 4 } else { 0 };
            if let Some(target) = image.target(&relocation) {
                jumps.insert(image.base(section) + offset, target.wrapping_add(behind));
            }
        }
    }
    Ok(jumps)
}

/// Recognizes the no-ops of five and two bytes, and the jumps of the same lengths.
fn x86(code: &[u8], address: u64) -> Option<Site> {
    match *code {
        [0x0f, 0x1f, 0x44, 0x00, 0x00, ..] | [0x66, 0x90, ..] => Some(Site::Nop),
        [0xe9, a, b, c, d, ..] => {
            let distance = i64::from(i32::from_le_bytes([a, b, c, d]));
            Some(Site::Jump {
                opcode_length: 1,
                target: (address + 5).wrapping_add_signed(distance),
            })
        }
        [0xeb, distance, ..] => Some(Site::Jump {
            opcode_length: 1,
            target: (address + 2).wrapping_add_signed(i64::from(distance.cast_signed())),
        }),
        _ => None,
    }
}

/// Recognizes `nop`, and `b` with its distance of 26 bits in words.
fn arm64(code: &[u8], address: u64) -> Option<Site> {
    let word = u32::from_le_bytes(code.get(..4)?.try_into().ok()?);
    if word == 0xd503_201f {
        return Some(Site::Nop);
    }
    // The sign of 26 bits goes to the top, and down again.
    let distance = i64::from((word << 6).cast_signed() >> 4);
    (word >> 26 == 0b00_0101).then(|| Site::Jump {
        opcode_length: 0,
        target: address.wrapping_add_signed(distance),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(site: Option<Site>) -> Option<u64> {
        match site? {
            Site::Nop => Some(0),
            Site::Jump { target, .. } => Some(target),
        }
    }

    #[test]
    fn jumps_and_no_ops_of_x86_are_read() {
        // As llvm-mc encodes them.
        for (code, target) in [
            (&[0x0f, 0x1f, 0x44, 0x00, 0x00][..], Some(0)),
            (&[0x66, 0x90], Some(0)),
            (&[0xe9, 0xfb, 0xff, 0xff, 0xff], Some(0x1000)),
            (&[0xeb, 0xfe], Some(0x1000)),
            (&[0xeb, 0x10], Some(0x1012)),
            (&[0xe8, 0, 0, 0, 0], None),
            (&[0xe9, 0, 0], None),
            (&[], None),
        ] {
            assert_eq!(shown(x86(code, 0x1000)), target, "{code:x?}");
        }
    }

    #[test]
    fn jumps_and_no_ops_of_arm64_are_read() {
        for (word, target) in [
            (0xd503_201f_u32, Some(0)),
            (0x1400_0000, Some(0x1000)),
            (0x1400_0004, Some(0x1010)),
            (0x17ff_ffff, Some(0xffc)),
            (0x9400_0000, None),
        ] {
            let code = word.to_le_bytes();
            assert_eq!(shown(arm64(&code, 0x1000)), target, "{word:#x}");
        }
        assert_eq!(shown(arm64(&[0x1f, 0x20], 0x1000)), None);
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The build ID of a linked file, by which files of one build are known.

use std::fmt;

use object::Endianness;
use object::elf::{ELF_NOTE_GNU, FileHeader64, NT_GNU_BUILD_ID};
use object::read::elf::NoteIterator;

/// The build ID that the linker wrote (`--build-id`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildId(Vec<u8>);

/// Notes are padded to as many bytes, in 32-bit files, too.
const ALIGNMENT: u64 = 4;

impl BuildId {
    /// Returns the build ID among `notes`, in little-endian order: the bytes of a section of notes, such as a kernel's
    /// `.notes`, or of its memory from `__start_notes` to `__stop_notes`.
    pub fn in_notes(notes: &[u8]) -> Option<Self> {
        Self::among(notes, Endianness::Little)
    }

    pub(crate) fn among(notes: &[u8], endian: Endianness) -> Option<Self> {
        let mut notes =
            NoteIterator::<FileHeader64<Endianness>>::new(endian, ALIGNMENT, notes).ok()?;
        while let Some(note) = notes.next().ok()? {
            let is_build_id = note.name() == ELF_NOTE_GNU && note.n_type(endian) == NT_GNU_BUILD_ID;
            if is_build_id && !note.desc().is_empty() {
                return Some(Self(note.desc().to_vec()));
            }
        }
        None
    }

    /// Returns the build ID with these bytes, or `None` if there are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (!bytes.is_empty()).then(|| Self(bytes.to_vec()))
    }

    /// Returns the build ID with these hexadecimal digits.
    pub fn from_hex(digits: &str) -> Option<Self> {
        let digits = digits.as_bytes();
        if digits.is_empty() || !digits.len().is_multiple_of(2) {
            return None;
        }
        let digit = |digit: u8| Some(char::from(digit).to_digit(16)? as u8);
        let pairs = digits.chunks(2);
        let bytes = pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.last()?)?));
        bytes.collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &[u8] = b"GNU\0";
    const NOTE_TYPE: u32 = 3;

    /// A note as linkers write it.
    fn note(owner: &[u8], kind: u32, content: &[u8]) -> Vec<u8> {
        let mut note = Vec::new();
        for word in [owner.len() as u32, content.len() as u32, kind] {
            note.extend(word.to_le_bytes());
        }
        for part in [owner, content] {
            note.extend(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    #[test]
    fn a_build_id_is_found_among_other_notes() {
        let mut notes = note(b"Linux\0", 0x100, b"salt!");
        notes.extend(note(b"Xen\0", NOTE_TYPE, b"no"));
        notes.extend(note(OWNER, 1, b"no"));
        assert_eq!(BuildId::in_notes(&notes), None);
        notes.extend(note(OWNER, NOTE_TYPE, &[0x1a, 0xb2, 3]));
        let found = BuildId::in_notes(&notes).expect("a build ID");
        assert_eq!(found.to_string(), "1ab203");
        assert_eq!(BuildId::from_hex("1aB203"), Some(found));
        for n in 0..notes.len() - 4 {
            assert_eq!(BuildId::in_notes(&notes[..n]), None, "{n} bytes");
        }
    }

    #[test]
    fn sizes_beyond_the_end_are_no_build_id() {
        for size in [u32::MAX, u32::MAX - 3, 100] {
            let mut notes = note(OWNER, NOTE_TYPE, b"12345678");
            notes[4..8].copy_from_slice(&size.to_le_bytes());
            assert_eq!(BuildId::in_notes(&notes), None);
            notes[0..4].copy_from_slice(&size.to_le_bytes());
            assert_eq!(BuildId::in_notes(&notes), None);
        }
    }

    #[test]
    fn only_pairs_of_digits_are_a_build_id() {
        for digits in ["", "1", "1g", "+1", "12 34"] {
            assert_eq!(BuildId::from_hex(digits), None, "{digits}");
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads BTF, the kernel's type information.
//!
//! Source: `Documentation/bpf/btf.rst` and `include/uapi/linux/btf.h` of the kernel.

use object::Endianness;
use object::endian::{U16, U32};
use object::pod::{from_bytes, slice_from_all_bytes, slice_from_bytes};

/// The number that BTF begins with.
const MAGIC: u16 = 0xeb9f;
/// The length in words of the header, up to the length of the strings.
const HEADER: usize = 6;
/// The length in words of the part that all types have: name, information, size or type.
const TYPE: usize = 3;
/// The kind of functions.
const FUNC: u32 = 12;

/// The types of a kernel or a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Btf<'data> {
    /// The number of types.
    pub n_types: usize,
    /// The names of the functions, in the order of the types.
    pub functions: Vec<&'data str>,
}

/// A fault of BTF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BtfError {
    /// A part reaches beyond the end.
    #[error("{0} is cut off")]
    Cut(String),
    /// It is something else.
    #[error("does not begin with its magic")]
    NoMagic,
    /// The length of a type is not known.
    #[error("unknown kind {kind} at {offset:#x} of the types")]
    UnknownKind {
        /// The kind of the type.
        kind: u32,
        /// The offset of the type in bytes.
        offset: usize,
    },
    /// A function has no readable name.
    #[error("no name for the function at {0:#x} of the types")]
    NoName(usize),
}

impl<'data> Btf<'data> {
    /// Reads all types in `bytes`, the content of a section `.BTF` or a file of `/sys/kernel/btf`.
    ///
    /// # Errors
    /// A part that is cut off, a type of an unknown kind, or a function without a name.
    pub fn parse(bytes: &'data [u8], is_big_endian: bool) -> Result<Self, BtfError> {
        let endian = if is_big_endian {
            Endianness::Big
        } else {
            Endianness::Little
        };
        let cut = |what: &str| BtfError::Cut(what.to_owned());
        let (magic, _) = from_bytes::<U16<Endianness>>(bytes).map_err(|()| cut("the header"))?;
        if magic.get(endian) != MAGIC {
            return Err(BtfError::NoMagic);
        }
        let header = slice_from_bytes::<U32<Endianness>>(bytes, HEADER);
        let (header, _) = header.map_err(|()| cut("the header"))?;
        let field = |index: usize| header.get(index).map(|field| field.get(endian) as usize);
        // Both parts are given by their distance from the end of the header, and their length.
        let part = |index: usize| {
            let start = field(1)?.checked_add(field(index)?)?;
            bytes.get(start..start.checked_add(field(index + 1)?)?)
        };
        let types = part(2).ok_or_else(|| cut("the list of types"))?;
        let strings = part(4).ok_or_else(|| cut("the table of strings"))?;
        let types = slice_from_all_bytes::<U32<Endianness>>(types);
        let types = types.map_err(|()| cut("the last type"))?;

        let mut btf = Self::default();
        let mut at = 0;
        while at < types.len() {
            let offset = at * size_of::<u32>();
            let cut = || cut(&format!("the type at {offset:#x}"));
            let (Some(name), Some(info)) = (types.get(at), types.get(at + 1)) else {
                return Err(cut());
            };
            let info = info.get(endian);
            let (kind, n_members) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            let behind = words_behind(kind, n_members);
            let behind = behind.ok_or(BtfError::UnknownKind { kind, offset })?;
            at += TYPE + behind;
            if at > types.len() {
                return Err(cut());
            }
            if kind == FUNC {
                let name = string(strings, name.get(endian));
                btf.functions.push(name.ok_or(BtfError::NoName(offset))?);
            }
            btf.n_types += 1;
        }
        Ok(btf)
    }
}

/// Returns the string at an offset.
fn string(strings: &[u8], offset: u32) -> Option<&str> {
    let rest = strings.get(offset as usize..)?;
    let length = rest.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(rest.get(..length)?).ok()
}

/// Returns how many words follow the common part of a type of this kind.
fn words_behind(kind: u32, n_members: usize) -> Option<usize> {
    Some(match kind {
        // Pointer, forward declaration, typedef, qualifiers, function, float, type tag.
        2 | 7..=12 | 16 | 18 => 0,
        // Integer, variable, declaration tag.
        1 | 14 | 17 => 1,
        // Array.
        3 => 3,
        // Structure, union, section of variables, enumeration of 64 bits.
        4 | 5 | 15 | 19 => 3 * n_members,
        // Enumeration, prototype.
        6 | 13 => 2 * n_members,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: u32 = 1;
    const STRUCT: u32 = 4;
    const FUNC_PROTO: u32 = 13;

    /// Returns BTF with an int, a prototype with one parameter, and a function of it.
    fn sample(bytes_of: fn(u32) -> [u8; 4]) -> Vec<u8> {
        let types: [u32; 12] = [
            1,
            INT << 24,
            4,
            32, // int
            0,
            FUNC_PROTO << 24 | 1,
            1,
            0,
            1, // int (*)(int)
            5,
            FUNC << 24,
            2, // fn
        ];
        let strings = b"\0int\0fn\0";
        let start = if bytes_of(1) == 1_u32.to_be_bytes() {
            [0xeb, 0x9f, 1, 0]
        } else {
            [0x9f, 0xeb, 1, 0]
        };
        let header = [24, 0, 48, 48, 8].map(bytes_of);
        let types = types.map(bytes_of);
        [&start[..], &header.concat(), &types.concat(), strings].concat()
    }

    #[test]
    fn types_and_functions_are_read_in_both_byte_orders() {
        for (bytes, is_big_endian) in [
            (sample(u32::to_le_bytes), false),
            (sample(u32::to_be_bytes), true),
        ] {
            let btf = Btf::parse(&bytes, is_big_endian).unwrap();
            let functions = vec!["fn"];
            assert_eq!(
                btf,
                Btf {
                    n_types: 3,
                    functions
                }
            );
            let other = Btf::parse(&bytes, !is_big_endian);
            assert_eq!(other, Err(BtfError::NoMagic));
        }
    }

    #[test]
    fn faults_are_told_with_their_place() {
        let sample = sample(u32::to_le_bytes);
        for length in 0..sample.len() {
            let error = Btf::parse(&sample[..length], false).unwrap_err();
            assert!(matches!(error, BtfError::Cut(_)), "{length}: {error}");
        }
        let with = |offset: usize, word: u32| {
            let mut bytes = sample.clone();
            bytes[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
            Btf::parse(&bytes, false).unwrap_err().to_string()
        };
        let function = 24 + 36;
        for (offset, word, expected) in [
            (
                function + 4,
                STRUCT << 24 | 9,
                "the type at 0x24 is cut off",
            ),
            (
                function + 4,
                31 << 24,
                "unknown kind 31 at 0x24 of the types",
            ),
            (function + 4, 0, "unknown kind 0 at 0x24 of the types"),
            (
                function,
                99,
                "no name for the function at 0x24 of the types",
            ),
            (12, 47, "the last type is cut off"),
        ] {
            assert_eq!(with(offset, word), expected);
        }
    }
}

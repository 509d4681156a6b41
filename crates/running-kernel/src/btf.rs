// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The kernel's type information. Source of the format: `Documentation/bpf/btf.rst` of the kernel.

/// The number that BTF begins with.
const MAGIC: u16 = 0xeb9f;
/// The length of the fixed part of a type.
const TYPE: usize = 12;
/// The kinds of types that have more than the fixed part, or that are functions.
const INT: u32 = 1;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const ENUM64: u32 = 19;

/// The types, as far as the page tells them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Btf {
    pub n_types: usize,
    /// The names of the functions.
    pub functions: Vec<String>,
}

impl Btf {
    /// Reads all types. A part that does not fit to the others is an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let half = |at: usize| {
            let bytes = bytes.get(at..at + 2)?;
            Some(u16::from_le_bytes(bytes.try_into().ok()?))
        };
        let word = |at: usize| word(bytes, at);
        let head = |at| word(at).map(|value| value as usize);
        let magic = half(0).ok_or("it is empty")?;
        if magic != MAGIC {
            return Err(format!("it begins with {magic:#x}, not {MAGIC:#x}"));
        }
        let cut = "it is cut";
        let length = head(4).ok_or(cut)?;
        let start = length + head(8).ok_or(cut)?;
        let end = start + head(12).ok_or(cut)?;
        let strings = length + head(16).ok_or(cut)?;
        let strings_end = strings + head(20).ok_or(cut)?;
        let types = bytes.get(start..end).ok_or(cut)?;
        let strings = bytes.get(strings..strings_end).ok_or(cut)?;
        let mut found = Self::default();
        let mut at = 0;
        while at < types.len() {
            found.n_types += 1;
            let fault = || format!("type {} is cut", found.n_types);
            let (Some(name), Some(info)) = (self::word(types, at), self::word(types, at + 4))
            else {
                return Err(fault());
            };
            let (kind, n) = ((info >> 24) & 0x1f, (info & 0xffff) as usize);
            let more = match kind {
                INT | VAR | DECL_TAG => 4,
                ARRAY => 12,
                STRUCT | UNION | DATASEC | ENUM64 => 12 * n,
                ENUM | FUNC_PROTO => 8 * n,
                0 => return Err(format!("type {} has no kind", found.n_types)),
                kind if kind > ENUM64 => {
                    return Err(format!(
                        "type {} is of the unknown kind {kind}",
                        found.n_types
                    ));
                }
                _ => 0,
            };
            at += TYPE + more;
            if at > types.len() {
                return Err(fault());
            }
            if kind == FUNC {
                let rest = strings.get(name as usize..).unwrap_or_default();
                let name = rest.split(|byte| *byte == 0).next().unwrap_or_default();
                found
                    .functions
                    .push(String::from_utf8_lossy(name).into_owned());
            }
        }
        Ok(found)
    }
}

/// Returns the number at this place; kernels that kbuild-lto is for are little-endian.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns BTF with an int, a prototype with one parameter, and a function of it.
    fn sample() -> Vec<u8> {
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
        let types: Vec<u8> = types.iter().flat_map(|word| word.to_le_bytes()).collect();
        let length = |of: &[u8]| u32::try_from(of.len()).unwrap();
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, length(&types), length(&types), length(strings)] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(types);
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn types_and_functions_are_read() {
        let btf = Btf::parse(&sample()).unwrap();
        assert_eq!(btf.n_types, 3);
        assert_eq!(btf.functions, ["fn"]);
    }

    #[test]
    fn what_is_cut_or_no_btf_is_an_error() {
        let sample = sample();
        for length in 0..sample.len() {
            assert!(Btf::parse(&sample[..length]).is_err(), "{length}");
        }
        let mut other = sample.clone();
        other[0] = 0;
        assert!(Btf::parse(&other).unwrap_err().contains("not 0xeb9f"));
        // A kind that is longer than the rest.
        let mut longer = sample;
        longer[24 + 36 + 4..24 + 36 + 8].copy_from_slice(&(STRUCT << 24 | 9).to_le_bytes());
        assert!(Btf::parse(&longer).unwrap_err().contains("type 3 is cut"));
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the tables of kallsyms: names, and addresses.
//!
//! Sources: `scripts/kallsyms.c`, `kallsyms_expand_symbol` and `kallsyms_sym_address` in `kernel/kallsyms.c`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use object_model::{Elf, Image, elf};

/// A wrong address, or a wrong place that addresses count from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressFault {
    /// kallsyms has another address than the symbol table, so traces name the wrong function.
    #[error("kallsyms has {name} at {found:#x}, and the symbol table at {expected:#x}")]
    Symbol {
        /// The name.
        name: String,
        /// The address in kallsyms.
        found: u64,
        /// An address of a symbol of that name.
        expected: u64,
    },
    /// Each address of kallsyms counts from another place than the kernel adds.
    #[error(
        "kallsyms_relative_base is {found:#x}, and the addresses of kallsyms count from {expected:#x}"
    )]
    Base {
        /// The place that the kernel adds.
        found: u64,
        /// The place that fits the symbol table.
        expected: u64,
    },
}

/// One entry.
pub struct Listed {
    /// The letter of nm for the kind of symbol.
    pub kind: u8,
    /// The name.
    pub name: String,
}

/// The symbol at the start of the table of addresses, and the symbol whose value its entries are relative to.
const OFFSETS: &str = "kallsyms_offsets";
const BASE: &str = "kallsyms_relative_base";

/// The encoding of an address in an entry of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// It counts from the base.
    FromBase,
    /// As it is, or, if it is negative, down from the base (`CONFIG_KALLSYMS_ABSOLUTE_PERCPU`).
    AbsoluteOrFromBase,
    /// It counts from its own place (later kernels).
    FromPlace,
}

impl Form {
    const ALL: [Self; 3] = [Self::FromBase, Self::AbsoluteOrFromBase, Self::FromPlace];

    /// Returns the address, if entries count from `base`.
    fn address(self, base: u64, place: u64, entry: u32) -> u64 {
        let signed = i64::from(entry.cast_signed());
        match self {
            Self::FromBase => base.wrapping_add(u64::from(entry)),
            Self::AbsoluteOrFromBase if signed >= 0 => u64::from(entry),
            Self::AbsoluteOrFromBase => base.wrapping_sub(1).wrapping_add_signed(-signed),
            Self::FromPlace => place.wrapping_add_signed(signed),
        }
    }

    /// Returns the base from which the entry says this address; `None` if it says none or another.
    fn base(self, address: u64, place: u64, entry: u32) -> Option<u64> {
        let from_zero = self.address(0, place, entry);
        match self {
            Self::AbsoluteOrFromBase if entry.cast_signed() >= 0 => None,
            Self::FromPlace => (from_zero == address).then_some(0),
            Self::FromBase | Self::AbsoluteOrFromBase => Some(address.wrapping_sub(from_zero)),
        }
    }
}

/// Returns the place of a table. In vmlinux.o the tables are undefined symbols, because the last link adds them.
fn place(image: &Image, name: &str) -> Option<u64> {
    let mut symbols = image.symbols.named(name).iter();
    let symbol = symbols.find(|symbol| symbol.section.is_some())?;
    Some(symbol.value)
}

fn bytes<'data>(image: &Image<'_, 'data>, name: &str) -> Result<&'data [u8], String> {
    let address = place(image, name).ok_or_else(|| format!("there is no {name}"))?;
    let bytes = image.bytes(address);
    bytes.ok_or_else(|| format!("{name} is where nothing is"))
}

/// Returns a number of `size` bytes.
fn number(elf: &Elf, bytes: &[u8], size: usize) -> Option<u64> {
    let bytes = bytes.get(..size)?.iter();
    let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(if elf.is_big_endian() {
        bytes.fold(0, append)
    } else {
        bytes.rev().fold(0, append)
    })
}

/// Returns the entries in their order; `None` if there are no tables.
pub fn read(image: &Image) -> Result<Option<Vec<Listed>>, String> {
    let elf = image.elf;
    let Some(names) = place(image, "kallsyms_names") else {
        return Ok(None);
    };
    let n_symbols =
        number(elf, bytes(image, "kallsyms_num_syms")?, 4).ok_or("kallsyms_num_syms ends")?;
    let tokens = bytes(image, "kallsyms_token_table")?;
    let index = bytes(image, "kallsyms_token_index")?;
    let token = |byte: u8| {
        let at = number(elf, index.get(usize::from(byte) * 2..)?, 2)?;
        let token = tokens.get(usize::try_from(at).ok()?..)?;
        let end = token.iter().position(|byte| *byte == 0)?;
        token.get(..end)
    };
    let mut rest = image
        .bytes(names)
        .ok_or("kallsyms_names is where nothing is")?;
    let mut listed = Vec::new();
    for position in 0..n_symbols {
        let broken = || format!("the name of symbol {position} cannot be read");
        // The length has 7 bits, since Linux 6.1 also 14.
        let (length, size_of_length) = match rest {
            [low, high, ..] if low & 0x80 != 0 => {
                (usize::from(low & 0x7f) | usize::from(*high) << 7, 2)
            }
            [length, ..] => (usize::from(*length), 1),
            [] => return Err(broken()),
        };
        let end = size_of_length + length;
        let compressed = rest.get(size_of_length..end).ok_or_else(broken)?;
        let mut name = Vec::new();
        for byte in compressed {
            name.extend_from_slice(token(*byte).ok_or_else(broken)?);
        }
        rest = rest.get(end..).unwrap_or_default();
        let (kind, name) = name.split_first().ok_or_else(broken)?;
        let name = std::str::from_utf8(name).map_err(|_| broken())?;
        listed.push(Listed {
            kind: *kind,
            name: name.to_owned(),
        });
    }
    Ok(Some(listed))
}

/// Compares the addresses of `listed` with those of the symbol table. The form of the entries, and the base
/// that they count from, are those that fit most symbols.
pub fn addresses(image: &Image, listed: &[Listed]) -> Result<Vec<AddressFault>, String> {
    let Some(table) = place(image, OFFSETS) else {
        // A kernel of 32 bits may have addresses themselves.
        return Ok(Vec::new());
    };
    let elf = image.elf;
    let mut known: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for symbol in elf.symbols().iter().filter(|symbol| symbol.is_defined()) {
        known.entry(symbol.name).or_default().insert(symbol.value);
    }
    let entries = bytes(image, OFFSETS)?.chunks_exact(4);
    let mut found = Vec::new();
    for (index, (entry, listed)) in entries.zip(listed).enumerate() {
        let entry = number(elf, entry, 4).unwrap_or_default() as u32;
        if let Some(expected) = known.get(listed.name.as_str()) {
            found.push((&listed.name, table + index as u64 * 4, entry, expected));
        }
    }
    let mut votes: HashMap<(Form, u64), usize> = HashMap::new();
    for (_, place, entry, expected) in found.iter().filter(|(.., expected)| expected.len() == 1) {
        let address = expected.first().copied().unwrap_or_default();
        for form in Form::ALL {
            if let Some(base) = form.base(address, *place, *entry) {
                *votes.entry((form, base)).or_default() += 1;
            }
        }
    }
    let best = votes.iter().max_by_key(|(_, votes)| **votes);
    let Some(((form, base), _)) = best.filter(|(_, votes)| **votes >= found.len() / 2) else {
        return match found.len() {
            0 => Ok(Vec::new()),
            n => Err(format!(
                "{OFFSETS}: its entries fit no more than half of {n} symbols"
            )),
        };
    };
    let mut faults: Vec<_> = base_fault(image, *form, *base).into_iter().collect();
    for (name, place, entry, expected) in found {
        let address = form.address(*base, place, entry);
        if !expected.contains(&address) {
            faults.push(AddressFault::Symbol {
                name: name.clone(),
                found: address,
                expected: expected.first().copied().unwrap_or_default(),
            });
        }
    }
    Ok(faults)
}

/// Returns the fault of a base that is not the one that entries count from.
fn base_fault(image: &Image, form: Form, expected: u64) -> Option<AddressFault> {
    if form == Form::FromPlace {
        return None;
    }
    let address = place(image, BASE)?;
    let found =
        moved(image.elf, address).or_else(|| number(image.elf, image.bytes(address)?, 8))?;
    // Zero, it may be in a relocation of a packed form.
    (found != 0 && found != expected).then_some(AddressFault::Base { found, expected })
}

/// Returns the word at `address` if a relocation makes it when the kernel starts.
fn moved(elf: &Elf, address: u64) -> Option<u64> {
    let sections = elf.sections().iter();
    let dynamic =
        sections.filter(|section| section.is_allocated() && section.section_type == elf::SHT_RELA);
    let mut relocations = dynamic
        .filter_map(|section| elf.relocations_in(section).ok())
        .flatten();
    let relocation = relocations.find(|relocation| relocation.offset == address)?;
    relocation.addend.map(i64::cast_unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_says_an_address() {
        let (base, place) = (0xffff_8000_1000_0000_u64, 0xffff_8000_2000_0000_u64);
        for (form, entry, address) in [
            (Form::FromBase, 0x20, base + 0x20),
            (Form::FromBase, 0x9000_0000, base + 0x9000_0000),
            (Form::AbsoluteOrFromBase, 0x20, 0x20),
            (Form::AbsoluteOrFromBase, (-1_i32).cast_unsigned(), base),
            (
                Form::AbsoluteOrFromBase,
                (-0x21_i32).cast_unsigned(),
                base + 0x20,
            ),
            (Form::FromPlace, (-0x10_i32).cast_unsigned(), place - 0x10),
        ] {
            assert_eq!(
                form.address(base, place, entry),
                address,
                "{form:?} {entry:#x}"
            );
            let of_base = match form {
                Form::AbsoluteOrFromBase if entry == 0x20 => None,
                Form::FromPlace => Some(0),
                Form::FromBase | Form::AbsoluteOrFromBase => Some(base),
            };
            assert_eq!(
                form.base(address, place, entry),
                of_base,
                "{form:?} {entry:#x}"
            );
        }
        assert_eq!(Form::FromPlace.base(1, place, 0), None);
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The names that LTO gives to symbols and sections.

use object::Endianness;
use object::read::elf::Sym;
use object_model::{elf, is_number};

/// A symbol that has its name of the source again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredName {
    /// Its name in the source.
    pub source_name: String,
    /// The name that LTO gave it.
    pub lto_name: String,
}

/// The text between a name and the hash that thin LTO appends to it.
const PROMOTED: &str = ".llvm.";

/// Returns the name of a symbol or section without the suffix of thin LTO, if it has one.
pub(super) fn without_hash(name: &str) -> Option<String> {
    let (before, after) = name.rsplit_once(PROMOTED)?;
    let n_digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let (hash, rest) = after.split_at(n_digits);
    // A part of the function has a further suffix, such as `.cold`.
    let is_suffix = rest.is_empty() || rest.starts_with('.');
    let is_promoted = !before.is_empty() && !hash.is_empty() && is_suffix;
    is_promoted.then(|| format!("{before}{rest}"))
}

/// Returns the name of `symbol` before LTO, if LTO changed it and it is defined.
pub(super) fn name_before_lto<S>(name: &str, symbol: &S, endian: Endianness) -> Option<String>
where
    S: Sym<Endian = Endianness>,
{
    let section = symbol.st_shndx(endian);
    if section == elf::SHN_UNDEF || section == elf::SHN_COMMON {
        return None;
    }
    if name.contains(PROMOTED) {
        return without_hash(name);
    }
    let is_static_function =
        symbol.st_bind() == elf::STB_LOCAL && symbol.st_type() == elf::STT_FUNC;
    let (before, number) = name.rsplit_once('.').filter(|_| is_static_function)?;
    // `name.cold.1` and `name.specialized.1` are parts and variants, which exist without LTO, too.
    let is_second = is_number(number) && !before.is_empty() && !before.contains('.');
    is_second.then(|| before.to_owned())
}

#[cfg(test)]
mod tests {
    use super::without_hash;

    #[test]
    fn only_the_suffix_of_thin_lto_is_removed() {
        for (name, expected) in [
            (".text.f.llvm.123", Some(".text.f")),
            (".rela.text.f.llvm.123", Some(".rela.text.f")),
            (".text.f.llvm.123.cold", Some(".text.f.cold")),
            (".text.f.llvm.", None),
            (".text.f.llvm.1x", None),
            (".text.f.5", None),
        ] {
            assert_eq!(without_hash(name).as_deref(), expected);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Makes one linker script of `.symversions` files.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use object_model::{Definition, Elf, Faults, Input, Object, Symbol};

/// Returns the names that `object` exports, in symbol-table order: each X with a defined `__ksymtab_X`.
pub fn exports<'data>(object: &Object<'data>) -> impl Iterator<Item = &'data str> {
    object
        .linker_symbols()
        .filter(|symbol| symbol.definition != Definition::Undefined)
        .filter_map(|symbol| symbol.name.strip_prefix("__ksymtab_"))
}

/// Returns the path of the file with the CRCs of the bitcode object at `object`.
pub fn symversions_path(object: &Path) -> PathBuf {
    let mut path = OsString::from(object);
    path.push(".symversions");
    path.into()
}

/// The CRCs of all bitcode objects of a link.
#[derive(Debug, Default)]
pub struct Collected {
    script: String,
    n_crcs: usize,
}

impl Collected {
    /// Returns the linker script that sets every `__crc_` symbol: genksyms' lines for the exports of each
    /// object, in link order. Empty if nothing is exported from bitcode.
    pub fn linker_script(&self) -> &str {
        &self.script
    }

    /// Returns the number of CRCs that the script sets.
    pub fn n_crcs(&self) -> usize {
        self.n_crcs
    }
}

/// A reason to stop the link.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An export has no CRC, so modules that use it would be loaded unchecked, or not at all.
    #[error(
        "{object}: exported symbol {symbol} has no CRC: remove the object and run make again, and \
         if that does not help look for genksyms' message about it"
    )]
    Missing {
        /// The exported name.
        symbol: String,
        /// The object that exports it.
        object: String,
    },
    /// The CRC of an export is zero, because genksyms did not understand the symbol's type.
    #[error(
        "{object}: the CRC of exported symbol {symbol} is zero: does genksyms see its declaration \
         (for assembly: in asm/asm-prototypes.h)?"
    )]
    Zero {
        /// The exported name.
        symbol: String,
        /// The object that exports it.
        object: String,
    },
    /// A file is not genksyms' output.
    #[error("{}:{line}: not a line that genksyms writes: {text}", file.display())]
    Malformed {
        /// The `.symversions` file.
        file: PathBuf,
        /// The number of the line, counted from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// Two lines of one file give a symbol different CRCs.
    #[error(
        "{}:{line}: the CRC of {symbol} is {crc:#010x} here and {first_crc:#010x} in line \
         {first_line}; remove {object} and run make again",
        file.display()
    )]
    Contradiction {
        /// The `.symversions` file.
        file: PathBuf,
        /// The later line, counted from 1.
        line: usize,
        /// The exported name.
        symbol: String,
        /// The CRC in the later line.
        crc: u32,
        /// The first line that sets the CRC.
        first_line: usize,
        /// The CRC there.
        first_crc: u32,
        /// The object that exports the symbol.
        object: String,
    },
    /// An existing file cannot be read.
    #[error("{} cannot be read", file.display())]
    Read {
        /// The `.symversions` file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The exporting object is a member of a regular archive, so its CRCs cannot be found.
    #[error(
        "{object}: exports {symbol}, but is a member of an archive, so it cannot have a .symversions file"
    )]
    NotAFile {
        /// The first exported name.
        symbol: String,
        /// The member.
        object: String,
    },
}

/// Collects the CRCs of all exports of `inputs`.
///
/// `read` returns the text of a `.symversions` file, or `NotFound`. Native objects contain their CRCs
/// and are only checked.
///
/// # Errors
/// Every export without a CRC or with a zero one, every unreadable or malformed file, and every line
/// that gives a symbol another CRC than an earlier line of the same file.
pub fn collect(
    inputs: &[Input],
    read: impl Fn(&Path) -> io::Result<String>,
) -> Result<Collected, Faults<Fault>> {
    let mut collected = Collected::default();
    let mut faults = Vec::new();
    for input in inputs {
        match &input.object {
            Object::Bitcode(_) => collect_bitcode(input, &read, &mut collected, &mut faults),
            Object::Elf(elf) => check_native(input, elf, &mut faults),
        }
    }
    Faults::check(collected, faults)
}

fn collect_bitcode(
    input: &Input,
    read: &impl Fn(&Path) -> io::Result<String>,
    collected: &mut Collected,
    faults: &mut Vec<Fault>,
) {
    let exported: Vec<&str> = exports(&input.object).collect();
    let Some(first) = exported.first() else {
        return;
    };
    let object = || input.name.clone();
    let Some(path) = &input.path else {
        let symbol = (*first).to_owned();
        return faults.push(Fault::NotAFile {
            symbol,
            object: object(),
        });
    };
    let file = symversions_path(path);
    let text = match read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return faults.push(Fault::Read { file, source }),
    };
    let is_exported: HashSet<&str> = exported.iter().copied().collect();
    // The line that sets each CRC, and the CRC.
    let mut crcs: HashMap<&str, (usize, u32)> = HashMap::new();
    for (index, text) in text.lines().enumerate() {
        let line = index + 1;
        if text.trim().is_empty() {
            continue;
        }
        let Some((symbol, crc)) = parse_line(text) else {
            faults.push(Fault::Malformed {
                file: file.clone(),
                line,
                text: text.to_owned(),
            });
            continue;
        };
        match crcs.get(symbol) {
            Some(&(_, first_crc)) if first_crc == crc => {}
            Some(&(first_line, first_crc)) => faults.push(Fault::Contradiction {
                file: file.clone(),
                line,
                symbol: symbol.to_owned(),
                crc,
                first_line,
                first_crc,
                object: object(),
            }),
            None => {
                crcs.insert(symbol, (line, crc));
                // A left-over line would set the CRC of a symbol that another object exports now.
                if is_exported.contains(symbol) {
                    collected.script.push_str(text);
                    collected.script.push('\n');
                    collected.n_crcs += 1;
                }
            }
        }
    }
    for symbol in exported {
        let symbol = symbol.to_owned();
        match crcs.get(symbol.as_str()) {
            None => faults.push(Fault::Missing {
                symbol,
                object: object(),
            }),
            Some((_, 0)) => faults.push(Fault::Zero {
                symbol,
                object: object(),
            }),
            Some(_) => {}
        }
    }
}

/// Returns whether a native object's own link has set `__crc_NAME`: to the CRC, or with relative CRCs to
/// the place that contains it.
fn check_native(input: &Input, elf: &Elf, faults: &mut Vec<Fault>) {
    let crcs: HashMap<&str, _> = crc_symbols(input.object.symbols()).collect();
    for name in exports(&input.object) {
        let (symbol, object) = (name.to_owned(), input.name.clone());
        match crcs.get(name).and_then(|crc| native_crc(elf, crc)) {
            None => faults.push(Fault::Missing { symbol, object }),
            Some(0) => faults.push(Fault::Zero { symbol, object }),
            Some(_) => {}
        }
    }
}

/// Returns the symbols of CRCs, with the names of the exported symbols.
pub(crate) fn crc_symbols<'object, 'data>(
    symbols: &'object [Symbol<'data>],
) -> impl Iterator<Item = (&'data str, &'object Symbol<'data>)> {
    symbols
        .iter()
        .filter_map(|symbol| Some((symbol.name.strip_prefix("__crc_")?, symbol)))
}

/// Returns the CRC that is the value of the symbol, or that is at the place that the symbol points to.
pub(crate) fn native_crc(elf: &Elf, symbol: &Symbol) -> Option<u64> {
    match symbol.definition {
        Definition::Absolute => Some(symbol.value),
        Definition::Defined => {
            let section = elf.section(symbol.section?)?;
            let offset = symbol.value.checked_sub(section.address)?;
            elf.read_unsigned(section, offset, 4)
        }
        Definition::Undefined | Definition::Common => None,
    }
}

/// Returns name and CRC of a line `__crc_NAME = 0x01234567;`, or of the form for relative CRCs,
/// `SECTIONS { .rodata : ALIGN(4) { __crc_NAME = .; LONG(0x01234567); } }`.
fn parse_line(line: &str) -> Option<(&str, u32)> {
    let (before, rest) = line.trim_end().split_once("__crc_")?;
    let (symbol, value) = rest.split_once(" = ")?;
    let crc = if before.trim().is_empty() {
        value.strip_suffix(';')?
    } else {
        if !before.starts_with("SECTIONS {") {
            return None;
        }
        value.strip_prefix(".; LONG(")?.strip_suffix("); } }")?
    };
    let crc = u32::from_str_radix(crc.strip_prefix("0x")?, 16).ok()?;
    Some((symbol, crc))
}

#[cfg(test)]
mod tests {
    use super::parse_line;

    #[test]
    fn both_forms_of_genksyms_are_read() {
        assert_eq!(
            parse_line("__crc_kfree = 0x037a0cba;"),
            Some(("kfree", 0x037a_0cba))
        );
        assert_eq!(
            parse_line("SECTIONS { .rodata : ALIGN(4) { __crc_kfree = .; LONG(0x037a0cba); } }"),
            Some(("kfree", 0x037a_0cba))
        );
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "kfree = 0x1;",
            "__crc_kfree = 1;",
            "__crc_kfree = 0x1",
            "SECTIONS { .rodata : ALIGN(4) { __crc_kfree = .; LONG(0x037a0cba)",
            "SECTIONS { .rodata : ALIGN(4) { __crc_kfree = .; LONG(0x037a0cba); }",
            "__crc_kfree",
        ] {
            assert_eq!(parse_line(line), None, "{line}");
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks the names that a running kernel has for its functions: kallsyms and BTF.

use std::collections::{BTreeMap, BTreeSet};

use object_model::{Elf, Image, Symbol, SymbolKind, source_name};

/// Names that kallsyms leaves out. Sources: `is_ignored_symbol` in `scripts/kallsyms.c` of Linux
/// 5.10, `scripts/mksysmap` of 6.12.
const LEFT_OUT: [&str; 8] = [
    "$",
    ".L",
    "__crc_",
    "__efistub_",
    "__kvm_nvhe_",
    "__pi_",
    "__kcfi_typeid_",
    "__kstrtab",
];
const LEFT_OUT_ENDS: [&str; 3] = ["_from_arm", "_from_thumb", "_veneer"];

/// A function that one table of the kernel names and another does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// Tracing and live patching do not find the function.
    #[error("function {0} has a symbol, and kallsyms does not know it")]
    NotInKallsyms(String),
    /// kallsyms has a name without a function.
    #[error("kallsyms knows {0} as code, and no symbol has the name")]
    NoSymbol(String),
    /// A BPF program that refers to the function cannot be loaded.
    #[error("BTF has function {0}, and kallsyms does not know it")]
    NotInKallsymsButBtf(String),
    /// A table cannot be read.
    #[error("{table}: {reason}")]
    Malformed {
        /// The table.
        table: &'static str,
        /// The fault.
        reason: String,
    },
}

/// The result of comparing the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelNames {
    /// The number of names of code in kallsyms; `None` in a kernel without kallsyms.
    pub n_kallsyms: Option<usize>,
    /// The number of functions in BTF; `None` in a kernel without BTF.
    pub n_btf: Option<usize>,
    /// The number of functions in kallsyms that are not in BTF: assembly, and functions that pahole leaves out.
    pub n_not_in_btf: usize,
    /// All faults found.
    pub faults: Vec<NameFault>,
}

/// Compares the names of functions in kallsyms, in BTF and in the symbol table of the linked kernel
/// `vmlinux`. The suffixes that compilers append are ignored.
pub fn kernel_names(vmlinux: &Elf) -> KernelNames {
    let mut names = KernelNames::default();
    let kallsyms = read("kallsyms", kallsyms(vmlinux), &mut names.faults);
    let btf = read(".BTF", btf_functions(vmlinux), &mut names.faults);
    names.n_btf = btf.as_ref().map(BTreeSet::len);
    let Some(kallsyms) = kallsyms else {
        return names;
    };
    names.n_kallsyms = Some(kallsyms.values().filter(|is_code| **is_code).count());
    let outside = outside_of_text(vmlinux, &kallsyms);
    compare(vmlinux, &kallsyms, &outside, &mut names.faults);
    if let Some(btf) = &btf {
        let missing = btf
            .iter()
            .filter(|name| !kallsyms.contains_key(**name) && !outside.contains(**name));
        for function in missing {
            let function = (*function).to_owned();
            names.faults.push(NameFault::NotInKallsymsButBtf(function));
        }
        let code = kallsyms.iter().filter(|(_, is_code)| **is_code);
        names.n_not_in_btf = code
            .filter(|(name, _)| !btf.contains(name.as_str()))
            .count();
    }
    names
}

/// Returns a readable table, or adds the fault.
fn read<T>(
    table: &'static str,
    found: Result<Option<T>, String>,
    faults: &mut Vec<NameFault>,
) -> Option<T> {
    found.unwrap_or_else(|reason| {
        faults.push(NameFault::Malformed { table, reason });
        None
    })
}

/// Compares kallsyms with the symbol table. kallsyms need not list the functions `outside`.
fn compare(
    vmlinux: &Elf,
    kallsyms: &BTreeMap<String, bool>,
    outside: &BTreeSet<&str>,
    faults: &mut Vec<NameFault>,
) {
    let symbols = vmlinux.symbols().iter();
    let named: BTreeSet<&str> = symbols.map(|symbol| source_name(symbol.name)).collect();
    let symbols = vmlinux.symbols().iter();
    let functions: BTreeSet<&str> = symbols
        .filter(|symbol| vmlinux.is_function(symbol) && !is_left_out(symbol))
        .map(|symbol| source_name(symbol.name))
        .collect();
    for function in functions {
        if !kallsyms.contains_key(function) && !outside.contains(function) {
            faults.push(NameFault::NotInKallsyms(function.to_owned()));
        }
    }
    for (name, is_code) in kallsyms {
        if *is_code && !named.contains(name.as_str()) {
            faults.push(NameFault::NoSymbol(name.clone()));
        }
    }
}

/// Symbols around the code that kallsyms lists without `KALLSYMS_ALL`. `.exit.text`, which some architectures
/// keep until the kernel has patched it, is outside. Source: `text_ranges` and `symbol_valid` in
/// `scripts/kallsyms.c`.
const TEXT: [[&str; 2]; 2] = [["_stext", "_etext"], ["_sinittext", "_einittext"]];

/// Returns the source names of the functions that kallsyms leaves out because of their addresses. If it
/// lists data, it lists all code, too.
fn outside_of_text<'data>(
    vmlinux: &Elf<'data>,
    kallsyms: &BTreeMap<String, bool>,
) -> BTreeSet<&'data str> {
    let symbols = || vmlinux.symbols().iter();
    let is_data = |symbol: &&Symbol| symbol.kind == SymbolKind::Data && symbol.section.is_some();
    let mut data = symbols().filter(is_data);
    if data.any(|symbol| kallsyms.contains_key(source_name(symbol.name))) {
        return BTreeSet::new();
    }
    let place = |name: &str| {
        symbols()
            .find(|symbol| symbol.name == name)
            .map(|found| found.value)
    };
    let ranges: Vec<_> = TEXT
        .iter()
        .filter_map(|[start, end]| Some(place(start)?..place(end)?))
        .collect();
    if ranges.len() < TEXT.len() {
        return BTreeSet::new();
    }
    let is_within = |symbol: &Symbol| ranges.iter().any(|range| range.contains(&symbol.value));
    let mut within = BTreeSet::new();
    let mut outside = BTreeSet::new();
    for symbol in symbols().filter(|symbol| vmlinux.is_function(symbol)) {
        let names = if is_within(symbol) {
            &mut within
        } else {
            &mut outside
        };
        names.insert(source_name(symbol.name));
    }
    &outside - &within
}

fn is_left_out(symbol: &Symbol) -> bool {
    let name = symbol.name;
    LEFT_OUT.iter().any(|start| name.starts_with(start))
        || LEFT_OUT_ENDS.iter().any(|end| name.ends_with(end))
        || name.starts_with("__") && name.contains("Thunk_")
}

/// Returns the source names in the kallsyms tables of `vmlinux`, and whether each names code; `None` if
/// there are no tables. Source: `scripts/kallsyms.c`, `kallsyms_expand_symbol` in `kernel/kallsyms.c`.
fn kallsyms(vmlinux: &Elf) -> Result<Option<BTreeMap<String, bool>>, String> {
    let image = Image::new(vmlinux);
    // In vmlinux.o the tables are undefined symbols: the last link adds them.
    let place = |name: &str| {
        let mut symbols = image.symbols.named(name).iter();
        let symbol = symbols.find(|symbol| symbol.section.is_some())?;
        Some(symbol.value)
    };
    let Some(names) = place("kallsyms_names") else {
        return Ok(None);
    };
    let bytes = |name: &str| {
        let address = place(name).ok_or_else(|| format!("there is no {name}"))?;
        let bytes = image.bytes(address);
        bytes.ok_or_else(|| format!("{name} is where nothing is"))
    };
    let number = |bytes: &[u8], size: usize| {
        let bytes = bytes.get(..size)?.iter();
        let append = |number: usize, byte: &u8| number << 8 | usize::from(*byte);
        Some(if vmlinux.is_big_endian() {
            bytes.fold(0, append)
        } else {
            bytes.rev().fold(0, append)
        })
    };
    let n_symbols = number(bytes("kallsyms_num_syms")?, 4).ok_or("kallsyms_num_syms ends")?;
    let (tokens, index) = (
        bytes("kallsyms_token_table")?,
        bytes("kallsyms_token_index")?,
    );
    let token = |byte: u8| {
        let at = number(index.get(usize::from(byte) * 2..)?, 2)?;
        let token = tokens.get(at..)?;
        let end = token.iter().position(|byte| *byte == 0)?;
        token.get(..end)
    };
    let mut rest = image
        .bytes(names)
        .ok_or("kallsyms_names is where nothing is")?;
    let mut found = BTreeMap::new();
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
        // The first letter is nm's letter for the kind of symbol.
        let (kind, name) = name.split_first().ok_or_else(broken)?;
        let name = std::str::from_utf8(name).map_err(|_| broken())?;
        let is_code = matches!(kind, b't' | b'T');
        *found.entry(source_name(name).to_owned()).or_insert(false) |= is_code;
    }
    Ok(Some(found))
}

/// Returns the source names of the functions in the BTF of `elf`; `None` if it has no BTF. Source:
/// `include/uapi/linux/btf.h`.
fn btf_functions<'data>(elf: &Elf<'data>) -> Result<Option<BTreeSet<&'data str>>, String> {
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

/// Returns the number of bytes that follow a type of this kind.
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

#[cfg(test)]
mod tests {
    use super::*;
    use test_support::TestDir;
    use tool_io::Files;

    /// Two functions between the marks, one outside, and a variable.
    const KERNEL: &str = "\
        .text\n_stext:\n.type inside, %function\n.globl inside\ninside: .quad 0\n_etext:\n\
        .section .init.text, \"ax\"\n_sinittext:\n.type at_start, %function\nat_start: .quad 0\n_einittext:\n\
        .section .exit.text, \"ax\"\n.type at_exit, %function\nat_exit: .quad 0\n\
        .data\n.type variable, %object\nvariable: .quad 0\n";

    /// Returns the functions that a list with these names lacks.
    fn missing(listed: &[(&str, bool)]) -> Vec<String> {
        let dir = TestDir::new();
        dir.asm("kernel.o", KERNEL, &[]);
        dir.run("ld.lld", &["-e", "inside", "-o", "vmlinux", "kernel.o"]);
        let files = Files::new();
        let path = dir.join("vmlinux");
        let vmlinux = files.elf(&path).expect("an ELF file");
        let listed = listed
            .iter()
            .map(|(name, is_code)| ((*name).to_owned(), *is_code))
            .collect();
        let mut faults = Vec::new();
        let outside = outside_of_text(&vmlinux, &listed);
        compare(&vmlinux, &listed, &outside, &mut faults);
        let missing = faults.into_iter().filter_map(|fault| match fault {
            NameFault::NotInKallsyms(name) => Some(name),
            _ => None,
        });
        missing.collect()
    }

    #[test]
    fn without_data_the_list_has_what_stands_between_the_marks() {
        assert_eq!(
            missing(&[("inside", true), ("at_start", true)]),
            Vec::<String>::new()
        );
        assert_eq!(missing(&[("inside", true)]), ["at_start"]);
    }

    #[test]
    fn with_data_the_list_has_all_functions() {
        assert_eq!(
            missing(&[("inside", true), ("at_start", true), ("variable", false)]),
            ["at_exit"]
        );
    }
}

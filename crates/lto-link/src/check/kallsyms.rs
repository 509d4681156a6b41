// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks the names that a running kernel has for its functions: kallsyms and BTF.

use std::collections::{BTreeMap, BTreeSet};

use object_model::{Elf, Image, Symbol, SymbolKind, source_name};

use super::btf;
use super::kallsyms_table::{self, AddressFault, Listed};

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
    /// kallsyms has wrong addresses.
    #[error(transparent)]
    Address(#[from] AddressFault),
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
    let image = Image::new(vmlinux);
    let listed = read("kallsyms", kallsyms_table::read(&image), &mut names.faults);
    let btf = read(".BTF", btf::functions(vmlinux), &mut names.faults);
    names.n_btf = btf.as_ref().map(BTreeSet::len);
    let Some(listed) = listed else {
        return names;
    };
    match kallsyms_table::addresses(&image, &listed) {
        Ok(faults) => names
            .faults
            .extend(faults.into_iter().map(NameFault::Address)),
        Err(reason) => names.faults.push(NameFault::Malformed {
            table: "kallsyms",
            reason,
        }),
    }
    let mut kallsyms = BTreeMap::new();
    for Listed { kind, name } in &listed {
        let is_code = matches!(kind, b't' | b'T');
        *kallsyms
            .entry(source_name(name).to_owned())
            .or_insert(false) |= is_code;
    }
    names.n_kallsyms = Some(kallsyms.values().filter(|is_code| **is_code).count());
    let data = listed.iter().filter(|listed| is_data(listed.kind));
    let data = data.map(|listed| source_name(&listed.name)).collect();
    let outside = outside_of_text(vmlinux, &data);
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

/// Returns whether nm's letter for a symbol stands for data.
const fn is_data(kind: u8) -> bool {
    matches!(kind.to_ascii_lowercase(), b'b' | b'd' | b'g' | b'r' | b's')
}

/// Returns the source names of the functions that kallsyms leaves out because of their addresses. `data` are the
/// names that it lists as data: if a variable is among them, it lists all code, too. Marks of the linker script are
/// not variables, and a function may have the name of a static variable.
fn outside_of_text<'data>(vmlinux: &Elf<'data>, data: &BTreeSet<&str>) -> BTreeSet<&'data str> {
    let symbols = || vmlinux.symbols().iter();
    let is_variable =
        |symbol: &&Symbol| symbol.kind == SymbolKind::Data && symbol.section.is_some();
    let mut variables = symbols().filter(is_variable);
    if variables.any(|symbol| data.contains(source_name(symbol.name))) {
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

/// Returns whether `System.map` and kallsyms list the symbol, if it is a function.
pub fn is_listed(symbol: &Symbol) -> bool {
    !is_left_out(symbol)
}

fn is_left_out(symbol: &Symbol) -> bool {
    let name = symbol.name;
    LEFT_OUT.iter().any(|start| name.starts_with(start))
        || LEFT_OUT_ENDS.iter().any(|end| name.ends_with(end))
        || name.starts_with("__") && name.contains("Thunk_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_support::TestDir;
    use tool_io::Files;

    /// Two functions between the marks, one outside, a variable, a mark, and a static variable with the name of a function.
    const KERNEL: &str = "\
        .text\n_stext:\n.type inside, %function\n.globl inside\ninside: .quad 0\n_etext:\n\
        .section .init.text, \"ax\"\n_sinittext:\n.type at_start, %function\nat_start: .quad 0\n_einittext:\n\
        .section .exit.text, \"ax\"\n.type at_exit, %function\nat_exit: .quad 0\n\
        .data\n.type variable, %object\nvariable: .quad 0\nmark:\n";
    const STATIC: &str = ".data\n.type at_start, %object\nat_start: .quad 0\n";

    /// Returns the functions that a list with these letters and names lacks.
    fn missing(listed: &[(u8, &str)]) -> Vec<String> {
        let dir = TestDir::new();
        dir.asm("kernel.o", KERNEL, &[]);
        dir.asm("static.o", STATIC, &[]);
        dir.run(
            "ld.lld",
            &["-e", "inside", "-o", "vmlinux", "kernel.o", "static.o"],
        );
        let files = Files::new();
        let path = dir.join("vmlinux");
        let vmlinux = files.elf(&path).expect("an ELF file");
        let data = listed.iter().filter(|(kind, _)| is_data(*kind));
        let data = data.map(|(_, name)| *name).collect();
        let listed = listed.iter().map(|(kind, name)| {
            let is_code = matches!(kind, b't' | b'T');
            ((*name).to_owned(), is_code)
        });
        let mut faults = Vec::new();
        let outside = outside_of_text(&vmlinux, &data);
        compare(&vmlinux, &listed.collect(), &outside, &mut faults);
        let missing = faults.into_iter().filter_map(|fault| match fault {
            NameFault::NotInKallsyms(name) => Some(name),
            _ => None,
        });
        missing.collect()
    }

    /// Four functions, and kallsyms with a token for the name of each.
    const LISTED: &str = "\
        .text\n.type a, %function\n.globl a\na: .quad 0\n.type b, %function\nb: .quad 0\n\
        .type c, %function\nc: .quad 0\n.type d, %function\nd: .quad 0\n\
        .section .rodata, \"a\"\n\
        kallsyms_names: .byte 1, 0, 1, 1, 1, 2, 1, 3\n\
        kallsyms_num_syms: .long 4\n\
        kallsyms_token_table: .asciz \"Ta\", \"Tb\", \"Tc\", \"Td\"\n\
        kallsyms_token_index: .short 0, 3, 6, 9\n\
        kallsyms_offsets: .long 0, b - a, c - a, d - a\n\
        kallsyms_relative_base: .quad a\n";

    /// Returns the faults of the kernel with this assembly.
    fn faults(source: &str) -> Vec<String> {
        let dir = TestDir::new();
        dir.asm("kernel.o", source, &[]);
        dir.run("ld.lld", &["-e", "a", "-o", "vmlinux", "kernel.o"]);
        let files = Files::new();
        let path = dir.join("vmlinux");
        let names = kernel_names(&files.elf(&path).expect("an ELF file"));
        assert_eq!(names.n_kallsyms, Some(4));
        names.faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_are_those_of_the_symbol_table() {
        assert_eq!(faults(LISTED), [""; 0]);
        for (from, to, said) in [
            ("c - a", "d - a", "kallsyms has c at "),
            (": .quad a", ": .quad b", "kallsyms_relative_base is "),
        ] {
            let found = faults(&LISTED.replace(from, to));
            assert!(found.len() == 1 && found[0].starts_with(said), "{found:?}");
        }
    }

    #[test]
    fn without_data_the_list_has_what_stands_between_the_marks() {
        let code = [(b'T', "inside"), (b't', "at_start"), (b'R', "mark")];
        assert_eq!(missing(&code), Vec::<String>::new());
        assert_eq!(missing(&[(b'T', "inside")]), ["at_start"]);
    }

    #[test]
    fn with_data_the_list_has_all_functions() {
        let all = [(b'T', "inside"), (b't', "at_start"), (b'd', "variable")];
        assert_eq!(missing(&all), ["at_exit"]);
    }
}

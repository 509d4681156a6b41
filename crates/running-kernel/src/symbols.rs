// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The symbols that the kernel lists in `/proc/kallsyms`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The suffix of names that thin LTO has promoted.
const PROMOTED: &str = ".llvm.";

/// A summary of `/proc/kallsyms`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    n_kernel: usize,
    n_modules: usize,
    /// Symbols of the kernel whose address is not that of the line before or a higher one.
    n_unsorted: usize,
    are_hidden: bool,
    /// The functions of the kernel by name, with their number.
    functions: BTreeMap<String, usize>,
    promoted: BTreeSet<String>,
}

impl Symbols {
    /// Reads lines `<address> <type> <name>`, with the module in brackets at the end.
    pub fn parse(text: &str) -> Self {
        let mut symbols = Self {
            are_hidden: true,
            ..Self::default()
        };
        let mut before = 0;
        for line in text.lines() {
            let mut fields = line.split_whitespace();
            let (Some(address), Some(kind), Some(name)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if fields.next().is_some() {
                symbols.n_modules += 1;
                continue;
            }
            symbols.n_kernel += 1;
            let address = u64::from_str_radix(address, 16).unwrap_or_default();
            symbols.are_hidden &= address == 0;
            // Variables of each CPU have offsets, on x86_64, and absolute symbols are no addresses.
            let is_code = matches!(kind, "t" | "T" | "w" | "W");
            if is_code {
                symbols.n_unsorted += usize::from(address < before);
                before = address;
                *symbols.functions.entry(name.to_owned()).or_default() += 1;
            }
            if name.contains(PROMOTED) {
                symbols.promoted.insert(name.to_owned());
            }
        }
        symbols
    }

    /// Returns whether a function has this name, or this name and a suffix of the compiler.
    pub fn has_function(&self, name: &str) -> bool {
        let start = format!("{name}.");
        let mut next = self.functions.range(start.clone()..);
        self.functions.contains_key(name)
            || next
                .next()
                .is_some_and(|(other, _)| other.starts_with(&start))
    }
}

impl fmt::Display for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            n_kernel,
            n_modules,
            n_unsorted,
            are_hidden,
            functions,
            promoted,
        } = self;
        let n_shared = functions.values().filter(|n| **n > 1).count();
        write!(
            f,
            "{n_kernel} of the kernel, {n_modules} of modules; {} names of functions, {n_shared} of which \
             several functions have; {} names with `{PROMOTED}`",
            functions.len(),
            promoted.len()
        )?;
        if *are_hidden {
            return f.write_str("; the addresses are hidden (run this program as root)");
        }
        if *n_unsorted > 0 {
            write!(
                f,
                "; **wrong**: {n_unsorted} functions are not in the order of addresses"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0000000000000000 A fixed_percpu_data\n\
                        ffff000000000010 T start\n\
                        ffff000000000020 t f.llvm.123\n\
                        ffff000000000030 t g\n\
                        ffff000000000040 t g\n\
                        ffff000000000035 D data\n\
                        ffff100000000000 t h\t[ext4]\n";

    #[test]
    fn symbols_are_counted() {
        let symbols = Symbols::parse(TEXT);
        let text = symbols.to_string();
        let expected = "6 of the kernel, 1 of modules; 3 names of functions, 1 of which several functions \
                        have; 1 names with `.llvm.`";
        assert_eq!(text, expected);
        for (name, is_there) in [("start", true), ("f", true), ("h", false), ("star", false)] {
            assert_eq!(symbols.has_function(name), is_there, "{name}");
        }
    }

    #[test]
    fn hidden_and_unsorted_addresses_are_told() {
        let hidden = "0000000000000000 T a\n0000000000000000 T b\n";
        assert!(Symbols::parse(hidden).to_string().contains("are hidden"));
        let unsorted = TEXT.replace("0010 T start", "1000 T start");
        let text = Symbols::parse(&unsorted).to_string();
        assert!(text.contains("**wrong**: 1 functions"), "{text}");
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `System.map`, which tools look symbols up in, against vmlinux.
//!
//! Source: `scripts/mksysmap`: the lines of nm, without some symbols.

use std::collections::{HashMap, HashSet};

use object_tree::{Objtree, text_if_there};

const MAP: &str = "System.map";

/// Returns the lines that vmlinux has no symbol for, and the functions that the map lacks.
pub fn faults(tree: &Objtree) -> anyhow::Result<Vec<String>> {
    let Some(text) = text_if_there(&tree.root.join(MAP))? else {
        return Ok(vec![format!("{MAP} is missing; run make again")]);
    };
    let mut by_name: HashMap<&str, Vec<u64>> = HashMap::new();
    for symbol in tree
        .vmlinux
        .symbols()
        .iter()
        .filter(|symbol| symbol.is_defined())
    {
        by_name.entry(symbol.name).or_default().push(symbol.value);
    }
    let mut faults = Vec::new();
    let mut listed = HashSet::new();
    for (index, line) in text.lines().enumerate() {
        let Some((address, name)) = parse(line) else {
            faults.push(format!(
                "{MAP}: line {} is no address, letter and name: {line}",
                index + 1
            ));
            continue;
        };
        listed.insert((address, name));
        match by_name.get(name) {
            Some(found) if found.contains(&address) => {}
            Some(found) => {
                let first = found.first().copied().unwrap_or_default();
                faults.push(format!(
                    "{MAP}: has {name} at {address:#x}, and vmlinux at {first:#x}"
                ));
            }
            None => faults.push(format!(
                "{MAP}: has {name} at {address:#x}, and vmlinux has no such symbol"
            )),
        }
    }
    let functions = tree.vmlinux.symbols().iter();
    let functions =
        functions.filter(|symbol| tree.vmlinux.is_function(symbol) && lto_link::is_listed(symbol));
    for symbol in functions.filter(|symbol| !listed.contains(&(symbol.value, symbol.name))) {
        faults.push(format!(
            "{MAP}: lacks {} at {:#x} of vmlinux",
            symbol.name, symbol.value
        ));
    }
    Ok(faults)
}

/// Returns address and name of a line.
fn parse(line: &str) -> Option<(u64, &str)> {
    let mut words = line.split(' ');
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let name = words.nth(1)?;
    (!name.is_empty() && words.next().is_none()).then_some((address, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_an_address_and_a_name() {
        assert_eq!(
            parse("ffffffff81000000 T _text"),
            Some((0xffff_ffff_8100_0000, "_text"))
        );
        for line in ["", "T _text", "0 T", "0 T ", "x T _text", "0 T a b"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}

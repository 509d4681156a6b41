// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `include/config/auto.conf`, which says which checks apply, against `include/generated/autoconf.h`, which was written
//! with it and which the kernel was compiled with.
//!
//! Source: `conf_write_autoconf` in `scripts/kconfig/confdata.c`.

use std::collections::BTreeMap;

use object_tree::{Objtree, Settings, text_if_there};

const HEADER: &str = "include/generated/autoconf.h";
const CONFIG: &str = "include/config/auto.conf";

/// Returns the differences between the two files.
pub fn faults(tree: &Objtree) -> anyhow::Result<Vec<String>> {
    let Some(text) = text_if_there(&tree.root.join(HEADER))? else {
        let fault = format!(
            "{HEADER} is missing, so {CONFIG} cannot be checked against it; run make again"
        );
        return Ok(vec![fault]);
    };
    Ok(differences(&as_in_header(&tree.settings), &defined(&text)))
}

/// Returns the macros that the header defines for these settings, without `CONFIG_`.
fn as_in_header(settings: &Settings) -> BTreeMap<String, String> {
    let as_macro = |(option, value): (&str, &str)| match value {
        "y" => (option.to_owned(), "1".to_owned()),
        "m" => (format!("{option}_MODULE"), "1".to_owned()),
        _ => (option.to_owned(), plain(value)),
    };
    settings.iter().map(as_macro).collect()
}

/// Returns the macros that the header defines, without `CONFIG_`.
fn defined(header: &str) -> BTreeMap<String, String> {
    let lines = header.lines();
    let macros = lines.filter_map(|line| line.strip_prefix("#define CONFIG_")?.split_once(' '));
    macros
        .map(|(name, value)| (name.to_owned(), plain(value)))
        .collect()
}

/// Returns a value without what only one of the two files may have: `0x`, `\` in strings, and the quotes of
/// strings, which `auto.conf` of later kernels leaves out.
fn plain(value: &str) -> String {
    let value = value.strip_prefix("0x").unwrap_or(value);
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(value).replace('\\', "")
}

fn differences(
    found: &BTreeMap<String, String>,
    expected: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, expected) in expected {
        match found.get(name) {
            Some(found) if found == expected => {}
            Some(found) => faults.push(format!(
                "{CONFIG}: CONFIG_{name} is {found}, expected {expected} of {HEADER}"
            )),
            None => faults.push(format!(
                "{CONFIG}: lacks CONFIG_{}, which {HEADER} has",
                as_option(name)
            )),
        }
    }
    for name in found.keys().filter(|name| !expected.contains_key(*name)) {
        faults.push(format!(
            "{CONFIG}: has CONFIG_{}, which {HEADER} lacks",
            as_option(name)
        ));
    }
    faults
}

fn as_option(name: &str) -> String {
    match name.strip_suffix("_MODULE") {
        Some(option) => format!("{option}=m"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "/*\n * made\n */\n#define CONFIG_A 1\n#define CONFIG_B_MODULE 1\n\
                          #define CONFIG_C 0x10\n#define CONFIG_D \"a b\"\n";

    fn found(settings: &[(&str, &str)]) -> Vec<String> {
        let line = |(option, value): &(&str, &str)| format!("CONFIG_{option}={value}\n");
        let lines: Vec<_> = settings.iter().map(line).collect();
        differences(
            &as_in_header(&Settings::parse(&lines.concat())),
            &defined(HEADER),
        )
    }

    #[test]
    fn the_two_forms_of_a_configuration_are_equal() {
        let settings = [("A", "y"), ("B", "m"), ("C", "10"), ("D", "\"a b\"")];
        assert_eq!(found(&settings), [""; 0]);
    }

    #[test]
    fn strings_of_later_kernels_have_no_quotes_in_one_of_them() {
        let settings = [("A", "y"), ("B", "m"), ("C", "0x10"), ("D", "a b")];
        assert_eq!(found(&settings), [""; 0]);
        let settings = [("A", "y"), ("B", "m"), ("C", "0x10"), ("D", "")];
        assert_eq!(found(&settings).len(), 1);
    }

    #[test]
    fn each_difference_is_told() {
        let settings = [("A", "m"), ("C", "0x11"), ("D", "\"a b\"")];
        let lacks = |option| {
            format!("{CONFIG}: lacks CONFIG_{option}, which include/generated/autoconf.h has")
        };
        assert_eq!(
            found(&settings),
            [
                lacks("A"),
                lacks("B=m"),
                format!("{CONFIG}: CONFIG_C is 11, expected 10 of include/generated/autoconf.h"),
                format!("{CONFIG}: has CONFIG_A=m, which include/generated/autoconf.h lacks"),
            ]
        );
    }
}

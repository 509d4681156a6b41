// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the list of a thin link, from which make generates code.
//!
//! `generate/codegen_list.rs` writes it. Only the forms that it writes are read.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::actions::error::ActionError;
use crate::paths::LinkPaths;

/// The objects of a thin link, in link order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodegenList {
    /// The bitcode objects, with the flags of their compilation.
    pub(crate) objects: Vec<(PathBuf, Vec<String>)>,
    /// The objects among them that other links take, too.
    pub(crate) shared: Vec<PathBuf>,
}

impl CodegenList {
    /// Reads the list of the link of `paths`.
    ///
    /// # Errors
    /// It cannot be read, or has an unknown line.
    pub(crate) fn read(paths: LinkPaths<'_>) -> Result<Self, ActionError> {
        let list = paths.codegen_list();
        let text = fs::read_to_string(&list).map_err(|source| ActionError::NoList {
            list: list.clone(),
            output: paths.output().to_owned(),
            source,
        })?;
        parse(&text).map_err(|(line, what)| ActionError::List { list, line, what })
    }
}

/// Returns the content of a list, or the number of a line and its fault.
fn parse(text: &str) -> Result<CodegenList, (usize, String)> {
    let mut list = CodegenList::default();
    let mut runs = BTreeMap::new();
    let mut flags_of = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let fault = |what: &str| (number, format!("{what}: `{line}`"));
        if let Some(object) = line.strip_prefix("lto-bitcode += ") {
            list.objects.push((object.into(), Vec::new()));
        } else if let Some(object) = line.strip_prefix("lto-shared += ") {
            list.shared.push(object.into());
        } else if let Some(flags) = line.strip_prefix("lto-flags-of-") {
            let flags = flags.split_once(" = ");
            let (object, flags) = flags.ok_or_else(|| fault("has no flags"))?;
            let flags = with_runs(flags, &runs).ok_or_else(|| fault("refers to unknown flags"))?;
            let words = shlex::split(&flags).ok_or_else(|| fault("has quotes that do not end"))?;
            flags_of.insert(PathBuf::from(object), words);
        } else if let Some(run) = line.strip_prefix("lto-flags-") {
            let run = run.split_once(" := ");
            let (name, flags) = run.ok_or_else(|| fault("has no flags"))?;
            runs.insert(format!("$(lto-flags-{name})"), from_makefile(flags));
        } else if !["lto-bitcode :=", "lto-shared :="].contains(&line)
            && ![
                "lto-link-name := ",
                "lto-complete := ",
                "lto-pass-limit := ",
            ]
            .iter()
            .any(|start| line.starts_with(start))
        {
            return Err(fault("is unknown"));
        }
    }
    for (object, flags) in &mut list.objects {
        let of_object = flags_of.remove(object);
        *flags = of_object.ok_or_else(|| (1, format!("{} has no flags", object.display())))?;
    }
    Ok(list)
}

/// Replaces the names of sequences of flags in `text`, which is Makefile text, by the flags.
fn with_runs(text: &str, runs: &BTreeMap<String, String>) -> Option<String> {
    let mut flags = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("$(lto-flags-") {
        let (before, from_name) = rest.split_at(start);
        let (name, after) = from_name.split_at(from_name.find(')')? + 1);
        flags.push_str(&from_makefile(before));
        flags.push_str(runs.get(name)?);
        rest = after;
    }
    flags.push_str(&from_makefile(rest));
    Some(flags)
}

/// Returns the text that make puts in place of the Makefile text `text`.
fn from_makefile(text: &str) -> String {
    text.replace("$(pound)", "#").replace("$$", "$")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "lto-bitcode :=\nlto-shared :=\nlto-link-name := m\n\
        lto-bitcode += a.o\nlto-shared += b.o\nlto-bitcode += b.o\n\
        lto-flags-1 := -O2 '-mguard=$$sp'\nlto-flags-2 := -c\n\
        lto-flags-of-a.o = $(lto-flags-1) '-x=a $(pound)$$' $(lto-flags-2)\n\
        lto-flags-of-b.o = $(lto-flags-2)\nlto-complete := x\nlto-pass-limit := 7\n";

    #[test]
    fn a_list_has_objects_and_their_flags() {
        let list = parse(LIST).expect("a list");
        let flags = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        assert_eq!(
            list.objects,
            [
                (
                    PathBuf::from("a.o"),
                    flags(&["-O2", "-mguard=$sp", "-x=a #$", "-c"])
                ),
                (PathBuf::from("b.o"), flags(&["-c"])),
            ]
        );
        assert_eq!(list.shared, [PathBuf::from("b.o")]);
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        for (line, what) in [
            (
                "lto-flags-of-a.o = $(lto-flags-9)",
                "refers to unknown flags",
            ),
            ("lto-flags-of-a.o = 'x", "has quotes that do not end"),
            ("lto-flags-1", "has no flags"),
            ("other := x", "is unknown"),
        ] {
            let (number, said) = parse(&format!("lto-bitcode :=\n{line}\n")).unwrap_err();
            assert_eq!((number, said), (2, format!("{what}: `{line}`")));
        }
        let (_, said) = parse("lto-bitcode += a.o\n").unwrap_err();
        assert_eq!(said, "a.o has no flags");
    }
}

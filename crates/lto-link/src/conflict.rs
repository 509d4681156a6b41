// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Objects that LLVM cannot merge, because they were compiled with flags that contradict each other.
//!
//! Source: `IRLinker::linkModuleFlagsMetadata` of LLVM, which says `linking module flags 'F': IDs have
//! conflicting values`, then `in 'A' and 'B'` or, later, `: 'V' from A, and 'W' from B`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::LinkError;
use crate::plan::options::LinkOptions;
use crate::read::inputs::{Inputs, is_bitcode, object_name};

/// lld's name for all objects that full LTO has merged so far.
const MERGED: &str = "ld-temp.o";

/// Two objects with different values of a module flag that can have only one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagConflict {
    /// The flag's name in bitcode.
    pub flag: String,
    /// The objects, as the linker names them.
    pub objects: [String; 2],
}

impl FlagConflict {
    /// Finds the conflict in the messages of the linker that failed.
    pub fn of(error: &LinkError) -> Option<Self> {
        Self::parse(error.linker_messages()?)
    }

    /// Finds the conflict in the messages of a linker.
    fn parse(said: &str) -> Option<Self> {
        let (_, rest) = said.split_once("linking module flags '")?;
        let (flag, rest) = rest.split_once("': ")?;
        let line = rest.lines().next()?;
        let objects = if let Some((one, other)) = line.split_once(", and ") {
            [one.rsplit_once(" from ")?.1, other.rsplit_once(" from ")?.1]
        } else {
            let (one, other) = line.split_once(" in '")?.1.split_once("' and '")?;
            [one, other.trim_end_matches('\'')]
        };
        Some(Self {
            flag: flag.to_owned(),
            objects: objects.map(str::to_owned),
        })
    }

    /// Returns advice. With full LTO the linker names only one of the objects; trial links of two
    /// objects find the other.
    pub fn advice(&self, options: &LinkOptions, inputs: &Inputs) -> String {
        let objects = self.objects.each_ref().map(|object| {
            if object != MERGED {
                return object.clone();
            }
            let found = self.merged_object(options, inputs);
            found.unwrap_or_else(|| "an object before it".to_owned())
        });
        format!(
            "{} and {} were compiled with flags that contradict each other ({}); give both the same in \
             their Makefiles, or keep one out of LTO (CFLAGS_foo.o += -fno-lto)",
            objects[0], objects[1], self.flag
        )
    }

    /// Returns the first object that conflicts with the one that the linker names.
    fn merged_object(&self, options: &LinkOptions, inputs: &Inputs) -> Option<String> {
        let named = self.objects.iter().find(|object| *object != MERGED)?;
        // lld calls a member `built-in.a(fork.o at 1234)`.
        let member = named
            .split_once('(')
            .map_or(named.as_str(), |(_, member)| member);
        let member = member
            .split_once(" at ")
            .map_or(member, |(member, _)| member);
        let bitcode = inputs.objects.iter();
        let bitcode: Vec<&Path> = bitcode
            .filter(|input| is_bitcode(input))
            .filter_map(|input| input.path.as_deref())
            .collect();
        let other = bitcode.iter().find(|path| path.ends_with(member))?;
        let mut others = bitcode.iter().filter(|path| *path != other);
        let found = others.find(|object| self.is_between(options, object, other))?;
        let input = inputs.objects.iter();
        let mut input = input.filter(|input| input.path.as_deref() == Some(*found));
        input.next().map(object_name)
    }

    fn is_between(&self, options: &LinkOptions, one: &Path, other: &Path) -> bool {
        let output = options.paths().pair();
        let Some((linker, flags)) = options.linker.split_first() else {
            return false;
        };
        let mut command = Command::new(linker);
        command.args(flags).args(["-r", "-o"]).arg(&output);
        let run = command.args([one, other]).output();
        let _ = fs::remove_file(&output);
        let said = run.map(|run| String::from_utf8_lossy(&run.stderr).into_owned());
        said.is_ok_and(|said| Self::parse(&said).is_some_and(|found| found.flag == self.flag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conflict_is_read_from_what_each_lld_says() {
        let expected = FlagConflict {
            flag: "stack-protector-guard".into(),
            objects: ["m/b.o".into(), "ld-temp.o".into()],
        };
        for said in [
            "ld.lld: error: linking module flags 'stack-protector-guard': IDs have conflicting values: \
             '!\"global\"' from m/b.o, and '!\"sysreg\"' from ld-temp.o\n",
            "x\nld.lld: error: linking module flags 'stack-protector-guard': IDs have conflicting values \
             in 'm/b.o' and 'ld-temp.o'\ny\n",
        ] {
            assert_eq!(FlagConflict::parse(said), Some(expected.clone()), "{said}");
        }
        assert_eq!(
            FlagConflict::parse("ld.lld: error: undefined symbol: x\n"),
            None
        );
    }
}

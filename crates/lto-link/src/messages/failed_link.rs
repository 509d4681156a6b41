// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The causes of a failed link, and the inputs that its messages do not name: with full LTO, the linker
//! often names none, and LLVM names none for damaged bitcode.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use object_model::{Architecture, Bitcode, Input, LtoKind, WithCauses};

use crate::error::LinkError;
use crate::messages::cause::{Cause, Origin, Work};
use crate::messages::table;
use crate::paths::LinkPaths;
use crate::read::inputs::{Inputs, object_name};
use crate::record::usage::peak_rss_kib;

/// A link that failed.
#[derive(Clone, Copy, Debug)]
pub struct FailedLink<'link, 'data> {
    linker: &'link [OsString],
    output: &'link Path,
    inputs: &'link Inputs<'data>,
}

/// Returns the cause of each message in `log` that has an explanation. `log` is the output of any link,
/// compiler or build; `object` is the object that messages without a name are about, and `code` the
/// exit code of the program.
pub fn causes_in_log(log: &str, object: Option<&str>, code: Option<i32>) -> Vec<Cause> {
    let mut causes = table::causes(log);
    add(&mut causes, table::cause_of_status(None, code));
    if let Some(name) = object {
        for cause in &mut causes {
            if let Cause::OutOfMemory { work, .. } = cause {
                *work = Work::OneObject;
            } else if let Some(unnamed) = cause.unnamed() {
                *unnamed = Origin::Named(name.to_owned());
            }
        }
    }
    causes
}

fn add(causes: &mut Vec<Cause>, more: Option<Cause>) {
    if let Some(cause) = more
        && !causes.iter_mut().any(|known| known.absorb(&cause))
    {
        causes.push(cause);
    }
}

impl<'link, 'data> FailedLink<'link, 'data> {
    /// Describes the link of `inputs` into `output` by `linker`, a program and its flags.
    pub fn new(
        linker: &'link [OsString],
        output: &'link Path,
        inputs: &'link Inputs<'data>,
    ) -> Self {
        Self {
            linker,
            output,
            inputs,
        }
    }

    /// Returns the text of `error`, and behind it a line for each explained message of the linker.
    pub fn explain(&self, error: &LinkError) -> String {
        let mut text = WithCauses(error).to_string();
        for cause in self.causes(error) {
            // Writing to a string does not fail.
            let _ = write!(text, "\n{cause}");
        }
        text
    }

    /// Returns the causes of the failure `error`, as far as the linker's messages and its end tell
    /// them. To find an input that the messages do not name, it may run trial links of single objects.
    fn causes(&self, error: &LinkError) -> Vec<Cause> {
        let Some(failed) = error.linker_run() else {
            return Vec::new();
        };
        let mut causes = table::causes(failed.said);
        let status = failed.status;
        let by_status = status.and_then(|end| table::cause_of_status(end.signal(), end.code()));
        add(&mut causes, by_status);
        for cause in &mut causes {
            self.complete(cause);
        }
        causes
    }

    /// Adds facts of the link that the messages do not tell.
    fn complete(&self, cause: &mut Cause) {
        match cause {
            Cause::FlagConflict { flag, objects } => self.name_merged(flag, objects),
            Cause::BlockAddress {
                object: object @ Origin::Unnamed,
                ..
            } => {
                let is_same = |found: &Cause| matches!(found, Cause::BlockAddress { .. });
                self.name_alone(object, |_| true, is_same);
            }
            Cause::AssemblyRange {
                object: object @ Origin::Merged,
                instruction,
            } => {
                let opcode = opcode(instruction);
                let may_have =
                    |bitcode: &Bitcode| has_assembly(bitcode, |text| text.contains(opcode));
                let is_same = |found: &Cause| matches!(found, Cause::AssemblyRange { .. });
                self.name_alone(object, may_have, is_same);
            }
            Cause::AssemblyLabel { label, objects, .. } => {
                let inputs = self.bitcode();
                let defining = inputs
                    .filter(|(_, bitcode)| has_assembly(bitcode, |text| defines(text, label)));
                *objects = defining.map(|(input, _)| object_name(input)).collect();
            }
            Cause::OutOfMemory { used_kib, work, .. } => {
                *used_kib = peak_rss_kib();
                let mut kinds = self.bitcode().map(|(_, bitcode)| bitcode.lto_kind());
                *work = match kinds.next() {
                    Some(Ok(LtoKind::Full)) => Work::FullLink,
                    Some(Ok(LtoKind::Thin)) => Work::ThinLink,
                    Some(Err(_)) | None => Work::Unknown,
                };
            }
            Cause::OtherMachine {
                object,
                other,
                architectures,
            } => {
                if let Some((named, found)) = self.architectures(object, other) {
                    *other = named;
                    *architectures = Some(found.map(|architecture| architecture.to_string()));
                }
            }
            _ => {}
        }
    }

    /// Returns the bitcode objects.
    fn bitcode(&self) -> impl Iterator<Item = (&Input<'_>, &Bitcode<'_>)> {
        let inputs = self.inputs.objects.iter();
        inputs.filter_map(|input| Some((input, input.object.as_bitcode()?)))
    }

    /// Returns the object that the linker calls `name`; it calls a member `built-in.a(fork.o at 1234)`.
    fn input(&self, name: &str) -> Option<&Input<'_>> {
        let member = name.split_once('(').map_or(name, |(_, member)| member);
        let member = member.split_once(" at ").map_or(member, |(name, _)| name);
        let member = member.trim_end_matches(')');
        let mut inputs = self.inputs.objects.iter();
        inputs.find(|input| {
            let path = input.path.as_deref();
            path.is_some_and(|path| path.ends_with(member))
        })
    }

    /// Names the first object whose flag conflicts with that of the object that the linker names.
    fn name_merged(&self, flag: &str, objects: &mut [Origin; 2]) {
        let mut named = objects.iter().filter_map(|object| match object {
            Origin::Named(name) => self.input(name)?.path.as_deref(),
            Origin::Merged | Origin::Unnamed => None,
        });
        let Some(other) = named.next() else {
            return;
        };
        let is_conflict = |cause: &Cause| matches!(cause, Cause::FlagConflict { flag: of_pair, .. } if of_pair == flag);
        let found = self.bitcode().find(|(input, _)| {
            let path = input.path.as_deref().filter(|path| *path != other);
            path.is_some_and(|path| self.trial(&[path, other]).iter().any(is_conflict))
        });
        let found = found.map(|(input, _)| Origin::Named(object_name(input)));
        for object in objects {
            if let (Origin::Merged, Some(found)) = (&object, &found) {
                *object = found.clone();
            }
        }
    }

    /// Names the first object that fails in the same way when it is linked alone, among those that `may_have`
    /// the fault.
    fn name_alone(
        &self,
        object: &mut Origin,
        may_have: impl Fn(&Bitcode) -> bool,
        is_same: impl Fn(&Cause) -> bool,
    ) {
        let found = self.bitcode().find(|(input, bitcode)| {
            may_have(bitcode)
                && input
                    .path
                    .as_deref()
                    .is_some_and(|path| self.trial(&[path]).iter().any(&is_same))
        });
        if let Some((input, _)) = found {
            *object = Origin::Named(object_name(input));
        }
    }

    /// Links only `objects`, and returns the causes of the failure.
    fn trial(&self, objects: &[&Path]) -> Vec<Cause> {
        let Some((linker, flags)) = self.linker.split_first() else {
            return Vec::new();
        };
        let output = LinkPaths::new(self.output).trial();
        let mut command = Command::new(linker);
        command.args(flags).args(["-r", "-o"]).arg(&output);
        let run = command.args(objects).output();
        // A trial that failed has left no file.
        let _ = fs::remove_file(&output);
        let said = run.map(|run| String::from_utf8_lossy(&run.stderr).into_owned());
        said.map_or_else(|_| Vec::new(), |said| table::causes(&said))
    }

    /// Returns the name of an object of another architecture than `object`, if possible `other`, and both
    /// architectures.
    fn architectures(&self, object: &str, other: &str) -> Option<(String, [Architecture; 2])> {
        let of_object = Architecture::of(&self.input(object)?.object);
        let others = self.input(other).into_iter().chain(&self.inputs.objects);
        let mut others = others.map(|input| (object_name(input), Architecture::of(&input.object)));
        let (name, of_other) = others.find(|(_, of_other)| !of_object.goes_with(of_other))?;
        Some((name, [of_object, of_other]))
    }
}

/// Returns the name of the operation in an instruction, behind a label if it has one.
fn opcode(instruction: &str) -> &str {
    let mut words = instruction.split_whitespace();
    words.find(|word| !word.ends_with(':')).unwrap_or_default()
}

/// Returns whether assembly of `bitcode` has a text that is `wanted`. Damaged bitcode has none.
fn has_assembly(bitcode: &Bitcode, wanted: impl Fn(&str) -> bool) -> bool {
    let Ok(assembly) = bitcode.assembly() else {
        return false;
    };
    let of_functions = assembly
        .functions
        .iter()
        .flat_map(|function| &function.texts);
    let mut texts = assembly.modules.iter().chain(of_functions);
    texts.any(|text| wanted(&String::from_utf8_lossy(text)))
}

/// Returns whether the assembly `text` defines `label`, by `label:` or `label =` or `.set label, …`.
fn defines(text: &str, label: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || "_.$".contains(letter);
    text.match_indices(label).any(|(at, _)| {
        let (before, from) = text.split_at(at);
        let after = from.strip_prefix(label).unwrap_or_default();
        if before.ends_with(is_part) || after.starts_with(is_part) {
            return false;
        }
        let before = before.trim_end();
        after.trim_start().starts_with([':', '='])
            || [".set", ".equ"].iter().any(|set| before.ends_with(set))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_of_a_label_are_told_from_other_words() {
        for text in [
            "lab: nop",
            "nop\n\tlab:",
            "lab = 1",
            ".set lab, 1",
            "x: lab :",
        ] {
            assert!(defines(text, "lab"), "{text}");
        }
        for text in ["b lab", "label: nop", "a.lab: nop", ".long lab, 1", ""] {
            assert!(!defines(text, "lab"), "{text}");
        }
    }
}

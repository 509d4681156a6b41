// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The files and lines of a unit.

use std::collections::HashMap;
use std::rc::Rc;

use gimli::{Dwarf, LineInstruction, LineProgramHeader, Unit};

use crate::calls::CodeCalls;
use crate::sections::Reader;
use crate::{Error, Place};

/// The files of a unit by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Files(HashMap<u64, Rc<str>>);

impl Files {
    /// Returns the files of `unit`.
    pub(crate) fn of(
        dwarf: &Dwarf<Reader<'_>>,
        unit: &Unit<Reader<'_>>,
        prefixes: &[String],
    ) -> Result<Self, Error> {
        let mut files = HashMap::new();
        let Some(program) = &unit.line_program else {
            return Ok(Self(files));
        };
        let header = program.header();
        // Files count from 0 in DWARF 5, from 1 before. The header resolves both.
        for index in 0..=header.file_names().len() as u64 {
            if let Some(path) = path(dwarf, unit, header, index)? {
                files.insert(index, Rc::from(relative(&path, prefixes)));
            }
        }
        Ok(Self(files))
    }

    /// Returns the place of a line of the file with this number. Line 0 is no line.
    pub(crate) fn place(&self, file: Option<u64>, line: Option<u64>) -> Option<Place> {
        let line = line.filter(|line| *line > 0)?;
        let file = Rc::clone(self.0.get(&file?)?);
        Some(Place { file, line })
    }

    /// Notes the place of each call whose address the line program of `unit` knows.
    ///
    /// The addresses of a sequence go back where assembly has `.subsection`, as alternatives of arm64 have, so gimli's
    /// own rows, which must not go back, cannot be used.
    pub(crate) fn mark(&self, unit: &Unit<Reader<'_>>, calls: &mut CodeCalls) -> Result<(), Error> {
        let Some(program) = &unit.line_program else {
            return Ok(());
        };
        let header = program.header();
        let mut instructions = header.instructions();
        let mut row = Row::default();
        let mut before: Option<(u64, Option<Place>)> = None;
        while let Some(instruction) = instructions.next_instruction(header)? {
            let Some(is_end) = row.execute(&instruction, header) else {
                continue;
            };
            // Code that the linker left out is at 0.
            if let Some((address, place)) = before.take().filter(|(address, _)| *address != 0) {
                for call in calls.within(&(address..row.address)) {
                    call.place.clone_from(&place);
                }
            }
            if is_end {
                row = Row::default();
            } else {
                before = Some((row.address, self.place(Some(row.file), Some(row.line))));
            }
        }
        Ok(())
    }
}

/// The registers of a line program that matter here.
#[derive(Debug)]
struct Row {
    address: u64,
    file: u64,
    line: u64,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            address: 0,
            file: 1,
            line: 1,
        }
    }
}

impl Row {
    /// Executes an instruction. Returns whether the sequence ends, if the instruction makes a row. Source: DWARF 5,
    /// 6.2.5.
    fn execute(
        &mut self,
        instruction: &LineInstruction<Reader<'_>>,
        header: &LineProgramHeader<Reader<'_>>,
    ) -> Option<bool> {
        match *instruction {
            LineInstruction::Special(opcode) => {
                let (lines, addresses) = special(opcode, header)?;
                self.line = self.line.wrapping_add_signed(lines);
                self.advance(addresses, header);
                return Some(false);
            }
            LineInstruction::Copy => return Some(false),
            LineInstruction::EndSequence => return Some(true),
            LineInstruction::AdvancePc(by) => self.advance(by, header),
            LineInstruction::ConstAddPc => {
                let (_, addresses) = special(u8::MAX, header)?;
                self.advance(addresses, header);
            }
            LineInstruction::FixedAddPc(by) => {
                self.address = self.address.wrapping_add(by.into());
            }
            LineInstruction::AdvanceLine(by) => self.line = self.line.wrapping_add_signed(by),
            LineInstruction::SetAddress(address) => self.address = address,
            LineInstruction::SetFile(file) => self.file = file,
            _ => {}
        }
        None
    }

    fn advance(&mut self, by: u64, header: &LineProgramHeader<Reader<'_>>) {
        let bytes = by.wrapping_mul(header.minimum_instruction_length().into());
        self.address = self.address.wrapping_add(bytes);
    }
}

/// Returns by how many lines and instructions a special opcode advances. A damaged header has a range of 0.
fn special(opcode: u8, header: &LineProgramHeader<Reader<'_>>) -> Option<(i64, u64)> {
    let adjusted = opcode.checked_sub(header.opcode_base())?;
    let range = header.line_range();
    let lines = adjusted.checked_rem(range)?;
    let lines = i64::from(header.line_base()) + i64::from(lines);
    Some((lines, adjusted.checked_div(range)?.into()))
}

fn path(
    dwarf: &Dwarf<Reader<'_>>,
    unit: &Unit<Reader<'_>>,
    header: &LineProgramHeader<Reader<'_>>,
    index: u64,
) -> Result<Option<String>, Error> {
    let Some(file) = header.file(index) else {
        return Ok(None);
    };
    let mut path = match unit.comp_dir {
        Some(dir) => dir.to_string_lossy().into_owned(),
        None => String::new(),
    };
    if let Some(dir) = file.directory(header) {
        append(&mut path, &dwarf.attr_string(unit, dir)?.to_string_lossy());
    }
    let name = dwarf.attr_string(unit, file.path_name())?;
    append(&mut path, &name.to_string_lossy());
    Ok(Some(path))
}

/// Appends a path, which replaces `path` if it is absolute.
fn append(path: &mut String, part: &str) {
    if part.starts_with('/') {
        path.clear();
    } else if !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    path.push_str(part);
}

/// Returns `path` without `.` and `..`, relative to the first of `prefixes` that contains it.
fn relative(path: &str, prefixes: &[String]) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let whole = format!("/{}", parts.join("/"));
    let within = |prefix: &String| whole.strip_prefix(prefix.as_str())?.strip_prefix('/');
    let found = prefixes.iter().find_map(within).map(str::to_owned);
    found.unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_source_and_of_the_object_tree_are_relative() {
        let prefixes = ["/b/objtree".to_owned(), "/b".to_owned()];
        for (path, expected) in [
            (
                "/b/objtree/./include/generated/x.h",
                "include/generated/x.h",
            ),
            ("/b/mm/../lib/sort.c", "lib/sort.c"),
            ("/bb/mm.c", "/bb/mm.c"),
            ("/usr/include/x.h", "/usr/include/x.h"),
        ] {
            assert_eq!(relative(path, &prefixes), expected);
        }
    }
}

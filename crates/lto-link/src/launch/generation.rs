// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command of one code generation, as make gives it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use object_model::{Architecture, Elf};
use tool_io::Files;

use crate::actions::hermetic::placed_argument;
use crate::actions::inputs::{InputFile, input_files, read_imports};
use crate::generate::codegen_flags::uses_other_assembler;

const INDEX_OPTION: &[u8] = b"-fthinlto-index=";

/// A code generation: its command, and the files of that command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    /// The compiler and its arguments.
    pub(crate) command: Vec<OsString>,
    /// The bitcode object.
    pub(crate) object: PathBuf,
    /// The native object.
    pub(crate) output: PathBuf,
    /// All files that the compiler reads: object, index, objects that code is imported from, profiles.
    pub(crate) inputs: Vec<InputFile>,
}

impl Generation {
    /// Finds the files of `command`, which ends as `cmd_lto_codegen` in `Makefile.codegen` does. Returns `None` for
    /// another command, or if the list of imports cannot be read.
    pub(crate) fn of(command: Vec<OsString>) -> Option<Self> {
        let after = |option: &str| {
            let position = command.iter().rposition(|word| word == option)?;
            command.get(position + 1).map(PathBuf::from)
        };
        let output = after("-o")?;
        let object = PathBuf::from(command.last()?);
        let index = command
            .iter()
            .rev()
            .find_map(|word| word.as_bytes().strip_prefix(INDEX_OPTION))?;
        let imports = [index.strip_suffix(b"thinlto.bc")?, b"imports"].concat();
        let imports = read_imports(Path::new(OsStr::from_bytes(&imports))).ok()?;
        let index = Path::new(OsStr::from_bytes(index));
        let words = command.iter().filter_map(|word| word.to_str());
        let inputs = input_files(&object, index, imports, words);
        Some(Self {
            command,
            object,
            output,
            inputs,
        })
    }

    /// Returns the words before the first option: the compiler, with programs such as ccache in front.
    pub(crate) fn compiler(&self) -> &[OsString] {
        let words = self.command.iter();
        let n_words = words.take_while(|word| !word.as_bytes().starts_with(b"-"));
        self.command.get(..n_words.count()).unwrap_or_default()
    }

    /// Returns the words after the compiler.
    pub(crate) fn arguments(&self) -> &[OsString] {
        let n_words = self.compiler().len();
        self.command.get(n_words..).unwrap_or_default()
    }

    /// Returns the command as an action has it: the compiler by its name, and files of options at their places below
    /// `root`.
    ///
    /// # Errors
    /// The reason why the command is not that of an action.
    pub(crate) fn placed_command(&self, root: &Path) -> Result<Vec<String>, String> {
        let name = self.compiler().last();
        let name = name.and_then(|compiler| Path::new(compiler).file_name()?.to_str());
        let mut command = vec![name.ok_or("no compiler is named")?.to_owned()];
        for word in self.arguments() {
            let word = word.to_str().ok_or("an argument is not UTF-8")?;
            command.push(placed_argument(root, word));
        }
        if uses_other_assembler(&command) {
            return Err("another program than clang assembles the code".to_owned());
        }
        Ok(command)
    }

    /// Checks that the output is a whole native object for the machine of the bitcode; returns what it is
    /// otherwise.
    pub(crate) fn check_output(&self) -> Result<(), String> {
        match fs::metadata(&self.output) {
            Err(_) => return Err("left no file".to_owned()),
            Ok(output) if output.len() == 0 => return Err("left an empty file".to_owned()),
            Ok(_) => {}
        }
        let files = Files::new();
        let native = files.object(&self.output);
        let native = native.map_err(|_| "left a file that is no whole object".to_owned())?;
        if !native.object.as_elf().is_some_and(Elf::is_relocatable) {
            return Err("left a file that is no native object".to_owned());
        }
        let bitcode = files.object(&self.object);
        let bitcode = bitcode.map_err(|error| error.to_string())?;
        let expected = Architecture::of(&bitcode.object);
        let machine = Architecture::of(&native.object);
        if !expected.goes_with(&machine) {
            return Err(format!(
                "left an object for {machine} instead of {expected}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::inputs::Role;

    #[test]
    fn the_files_of_a_command_are_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let imports = dir.path().join("a.o.m.imports");
        fs::write(&imports, "b.o\nc/d.o\n").expect("written");
        let index = dir.path().join("a.o.m.thinlto.bc").display().to_string();
        let words = format!(
            "clang -o x -fprofile-use=p -fthinlto-index={index} -c -o a.native.o -x ir a.o"
        );
        let command: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let generation = Generation::of(command.clone()).expect("a code generation");
        assert_eq!(generation.output, Path::new("a.native.o"));
        let inputs = [
            ("a.o", Role::Object),
            (&index, Role::Index),
            ("b.o", Role::Import),
            ("c/d.o", Role::Import),
            ("p", Role::Option),
        ];
        let inputs = inputs.map(|(path, role)| InputFile::new(path, role));
        assert_eq!(generation.inputs, inputs);
        fs::remove_file(&imports).expect("written");
        assert_eq!(Generation::of(command), None);
        assert_eq!(Generation::of(vec!["clang".into(), "a.c".into()]), None);
    }
}

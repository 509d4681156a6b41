// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What make needs to generate code object by object: the objects, and for each the flags that it
//! was compiled with.
//!
//! Sources: `make-cmd` in scripts/Kbuild.include and `print_cmdline` in scripts/basic/fixdep.c of
//! the kernel (what stands in a `.cmd` file, as `cmd_…` and from 6.2 on as `savedcmd_…`); the manual
//! of clang (`-fthinlto-index=`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use object_model::Faults;

use crate::inputs::{InputKind, Inputs, kind_of};
use crate::link::LinkError;
use crate::places::Places;
use crate::plan::temporary;

/// An object whose flags are not known.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}; it says how {} was compiled", command.display(), object.display())]
pub struct CodegenError {
    /// The bitcode object.
    object: PathBuf,
    /// The file that has the command it was made by.
    command: PathBuf,
    /// What is wrong with it.
    why: CommandError,
}

/// What is wrong with a `.cmd` file.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("cannot be read ({0})")]
    Read(#[from] io::Error),
    #[error("has no line `cmd_… := …`")]
    NoCommand,
    #[error("its command has quotes that do not end")]
    Quotes,
    #[error("its command has a word that no shell takes ({0})")]
    Word(#[from] shlex::QuoteError),
}

/// Where the list for the link of `output` stands.
pub fn list_path(output: &Path) -> PathBuf {
    temporary(output, ".codegen.mk")
}

/// The list: Makefile text with `lto-bitcode`, all bitcode objects in link order; for each
/// `lto-flags-of-<object>`, what the compiler must be told besides index and files; `lto-shared`, those
/// among them that other links take too, and `lto-link-name`, what stands in the names for them.
///
/// # Errors
/// Every object whose `.cmd` file cannot be read or understood.
pub fn list(inputs: &Inputs, places: Places<'_>) -> Result<String, Faults<CodegenError>> {
    let mut objects = String::new();
    let mut flags_of = String::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    let bitcode = inputs
        .objects
        .iter()
        .filter(|input| kind_of(input) == InputKind::Bitcode);
    for object in bitcode.filter_map(|input| input.path.as_deref()) {
        let command = command_path(object);
        match flags(&command) {
            Ok(flags) => {
                let next = known.len() + 1;
                // Most objects have the same.
                let number = *known.entry(flags).or_insert(next);
                let is_shared = places.is_shared(object);
                let object = object.display();
                if is_shared {
                    let _ = writeln!(objects, "lto-shared += {object}");
                }
                let _ = writeln!(objects, "lto-bitcode += {object}");
                let _ = writeln!(flags_of, "lto-flags-of-{object} = $(lto-flags-{number})");
            }
            Err(why) => faults.push(CodegenError {
                object: object.to_owned(),
                command,
                why,
            }),
        }
    }
    let mut list = format!(
        "lto-bitcode :=\nlto-shared :=\nlto-link-name := {}\n",
        places.link_name().display()
    );
    list.push_str(&objects);
    for (flags, number) in &known {
        let _ = writeln!(list, "lto-flags-{number} := {}", in_makefile(flags));
    }
    list.push_str(&flags_of);
    Faults::check(list, faults)
}

/// What is added to the list where generated code must be looked at: `lto-complete`, the command that
/// does so.
///
/// # Errors
/// A word of it that no shell takes.
pub fn completion(command: &[OsString]) -> Result<String, LinkError> {
    let words: Vec<String> = command
        .iter()
        .map(|word| word.display().to_string())
        .collect();
    let command =
        shlex::try_join(words.iter().map(String::as_str)).map_err(|error| LinkError::Io {
            what: "the command that completes the link".into(),
            source: io::Error::new(io::ErrorKind::InvalidInput, error),
        })?;
    Ok(format!("lto-complete := {}\n", in_makefile(&command)))
}

/// `kernel/.fork.o.cmd` of `kernel/fork.o`.
fn command_path(object: &Path) -> PathBuf {
    let name = object.file_name().unwrap_or_default().display();
    object.with_file_name(format!(".{name}.cmd"))
}

/// The flags that generate code as the command in the `.cmd` file at `path` would have.
fn flags(path: &Path) -> Result<String, CommandError> {
    let text = std::fs::read_to_string(path)?;
    let command = text
        .lines()
        .find_map(|line| {
            let line = line.strip_prefix("saved").unwrap_or(line);
            line.strip_prefix("cmd_")?.split_once(" := ")
        })
        .ok_or(CommandError::NoCommand)?
        .1;
    let command = command.replace("$(pound)", "#").replace("$$", "$");
    let words = shlex::split(&command).ok_or(CommandError::Quotes)?;
    let flags = of_code_generation(words.iter().map(String::as_str));
    Ok(shlex::try_join(flags)?)
}

/// Options of which the next word is part, and which are read before there is code.
const WITH_WORD: [&str; 8] = [
    "-D",
    "-I",
    "-U",
    "-idirafter",
    "-include",
    "-iquote",
    "-isystem",
    "-o",
];

/// Those of which no word is.
const ALONE: [&str; 2] = ["-c", "-nostdinc"];

/// What they begin with where the word is joined to them. `-flto` is what was asked of the compile
/// step; of the dependency file, which `-Wp` names, nothing must be written now.
const JOINED: [&str; 5] = ["-D", "-I", "-U", "-Wp,", "-flto"];

/// Of the words of a compile command, the options that code generation must have too: all but the
/// compiler, what the preprocessor reads, and the files.
fn of_code_generation<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut flags = Vec::new();
    let mut words = words.skip(1).peekable();
    while let Some(word) = words.next() {
        if WITH_WORD.contains(&word) {
            words.next();
        } else if word == "-mllvm" {
            flags.push(word);
            flags.extend(words.next());
        } else if word.starts_with('-')
            && !ALONE.contains(&word)
            && !JOINED.iter().any(|option| word.starts_with(option))
        {
            flags.push(word);
        }
    }
    flags
}

/// As the value of a variable that make expands once, when the recipe runs.
fn in_makefile(text: &str) -> String {
    text.replace('$', "$$").replace('#', "$(pound)")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quotes, dollars, removed flags and the single file are what real commands have.
    const COMMAND: &str = r#"cmd_a/b.o := clang -Wp,-MMD,a/.b.o.d -nostdinc -isystem /usr/include -I./include -include a.h -D"pr_fmt(fmt)=KBUILD_MODNAME \": \" fmt" -D"KBUILD_STR(s)=$(pound)s" --target=aarch64-linux-gnu -O2 -mllvm -inline-threshold=5 -fmacro-prefix-map='/a b/'= -mstack-protector-guard-reg='$$sp' -flto=thin -fvisibility=hidden -c -o a/b.o /src/a/b.c

source_a/b.o := /src/a/b.c
"#;

    #[test]
    fn flags_of_code_generation_are_those_of_the_compile_step() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(".b.o.cmd");
        std::fs::write(&path, COMMAND).expect("written");
        let flags = flags(&path).expect("flags");
        let newer = dir.path().join(".newer.o.cmd");
        std::fs::write(&newer, format!("saved{COMMAND}")).expect("written");
        assert_eq!(super::flags(&newer).expect("flags"), flags);
        assert_eq!(
            shlex::split(&flags).expect("words"),
            [
                "--target=aarch64-linux-gnu",
                "-O2",
                "-mllvm",
                "-inline-threshold=5",
                "-fmacro-prefix-map=/a b/=",
                "-mstack-protector-guard-reg=$sp",
                "-fvisibility=hidden",
            ]
        );
        assert!(in_makefile(&flags).contains("$$sp"), "{flags}");
    }

    #[test]
    fn a_command_that_is_missing_or_torn_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(".b.o.cmd");
        assert!(matches!(flags(&path), Err(CommandError::Read(_))));
        std::fs::write(&path, "deps_a/b.o :=\n").expect("written");
        assert!(matches!(flags(&path), Err(CommandError::NoCommand)));
        std::fs::write(&path, "cmd_a/b.o := clang -D\"x -c b.c\n").expect("written");
        assert!(matches!(flags(&path), Err(CommandError::Quotes)));
    }
}

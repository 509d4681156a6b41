// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The list from which make generates code object by object: the objects, and the flags with which each was
//! compiled.
//!
//! Sources: `make-cmd` in scripts/Kbuild.include and `print_cmdline` in scripts/basic/fixdep.c of the kernel
//! (the content of a `.cmd` file: `cmd_…`, since Linux 6.2 `savedcmd_…`); the manual of clang
//! (`-fthinlto-index=`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use kernel_facts::command_file;
use object_model::Faults;

use crate::error::{CodegenError, CommandError, LinkError, io_error};
use crate::generate::codegen_flags::without_frontend_flags;
use crate::paths::LinkPaths;
use crate::read::inputs::{Inputs, is_bitcode};

/// The maximum number of times that make generates code for one link with dropping. Three times
/// have always been enough.
const MAX_PASSES: usize = 7;

/// Returns the list as Makefile text. It sets `lto-bitcode` to all bitcode objects in link order,
/// `lto-shared` to those that other links use too, `lto-link-name` to this link's part of their file
/// names, and for each object `lto-flags-of-<object>` to the compiler's flags without index and files.
///
/// # Errors
/// Every object whose `.cmd` file cannot be read or understood.
pub(crate) fn codegen_list(
    inputs: &Inputs,
    paths: LinkPaths<'_>,
) -> Result<String, Faults<CodegenError>> {
    let mut objects = String::new();
    let mut flags_of = String::new();
    let mut runs = Runs::default();
    let mut faults = Vec::new();
    let bitcode = inputs.objects.iter().filter(|input| is_bitcode(input));
    for object in bitcode.filter_map(|input| input.path.as_deref()) {
        let command = command_file(object);
        match flags(&command).and_then(|flags| Ok(runs.refer(object, &flags)?)) {
            Ok(flags) => {
                let is_shared = paths.is_shared(object);
                let object = object.display();
                if is_shared {
                    let _ = writeln!(objects, "lto-shared += {object}");
                }
                let _ = writeln!(objects, "lto-bitcode += {object}");
                let _ = writeln!(flags_of, "lto-flags-of-{object} = {flags}");
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
        paths.link_name().display()
    );
    list.push_str(&objects);
    for (flags, number) in &runs.numbers {
        let _ = writeln!(list, "lto-flags-{number} := {}", in_makefile(flags));
    }
    list.push_str(&flags_of);
    Faults::check(list, faults)
}

/// Sequences of flags that objects have in common, each written once.
#[derive(Default)]
struct Runs {
    numbers: BTreeMap<String, usize>,
}

impl Runs {
    /// Returns `flags` as Makefile text: flags that contain the name of `object` as they are, and the sequences
    /// between them by their numbers.
    fn refer(&mut self, object: &Path, flags: &[String]) -> Result<String, shlex::QuoteError> {
        // kbuild's macros have `_` in place of `-`.
        let plain = |text: &str| text.replace('-', "_");
        let stem = plain(&object.file_stem().unwrap_or_default().display().to_string());
        let is_own = |flag: &&String| plain(flag).contains(&stem);
        let mut text = String::new();
        for run in flags.chunk_by(|one, next| is_own(&one) == is_own(&next)) {
            let joined = shlex::try_join(run.iter().map(String::as_str))?;
            if !text.is_empty() {
                text.push(' ');
            }
            if run.first().is_some_and(|flag| is_own(&flag)) {
                text.push_str(&in_makefile(&joined));
            } else {
                let next = self.numbers.len() + 1;
                let number = *self.numbers.entry(joined).or_insert(next);
                let _ = write!(text, "$(lto-flags-{number})");
            }
        }
        Ok(text)
    }
}

/// Writes a response file with the arguments of `command`, which completes the thin link. Returns
/// Makefile text that sets `lto-complete` to the command, and `lto-pass-limit` to the number of
/// passes after which make gives up. The response file is needed because the arguments name every
/// object of a module, which may be too many for a shell command.
///
/// # Errors
/// The response file cannot be written, or the program's name cannot be quoted for a shell.
pub(crate) fn write_completion(
    paths: LinkPaths<'_>,
    command: &[OsString],
) -> Result<String, LinkError> {
    let program = command.first().cloned().unwrap_or_default();
    let arguments = command.get(1..).unwrap_or_default();
    let path = paths.completion();
    tool_io::write_if_changed(&path, &tool_io::argument_file(arguments))?;
    let program = program.display().to_string();
    let response = format!("@{}", path.display());
    let command = shlex::try_join([program.as_str(), &response]).map_err(|error| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, error);
        io_error("the command that completes the link")(error)
    })?;
    let command = in_makefile(&command);
    Ok(format!(
        "lto-complete := {command}\nlto-pass-limit := {MAX_PASSES}\n"
    ))
}

/// Returns the flags for generating code as the command in the `.cmd` file at `path` would have done.
fn flags(path: &Path) -> Result<Vec<String>, CommandError> {
    let text = std::fs::read_to_string(path)?;
    let (object, command) = text
        .lines()
        .find_map(|line| {
            let line = line.strip_prefix("saved").unwrap_or(line);
            line.strip_prefix("cmd_")?.split_once(" := ")
        })
        .ok_or(CommandError::NoCommand)?;
    let command = command.replace("$(pound)", "#").replace("$$", "$");
    let mut words = shlex::split(&command).ok_or(CommandError::Quotes)?;
    // Commands after the compiler, such as objtool or a link, have other flags.
    words.truncate(of_first_command(&words));
    let prefix = format!("source_{object} := ");
    let source = text.lines().find_map(|line| line.strip_prefix(&prefix));
    of_code_generation(words, object, source)
}

/// Returns the number of a shell's `words` that belong to the first command.
fn of_first_command(words: &[String]) -> usize {
    let is_end = |word: &String| [";", "&&", "||", "|"].contains(&word.as_str());
    words.iter().position(is_end).unwrap_or(words.len())
}

/// Returns the options in `words`, the command that compiled `object`, in order: all words except
/// the compiler, the `source`, the output, and options that only concern the source.
fn of_code_generation(
    words: Vec<String>,
    object: &str,
    source: Option<&str>,
) -> Result<Vec<String>, CommandError> {
    let output = words
        .windows(2)
        .rposition(|pair| pair[0] == "-o" && pair[1] == object);
    let output = output.ok_or_else(|| CommandError::NoOutput(object.to_owned()))?;
    // If the file does not name the source, it is the last word before or after the output.
    let named = words.iter().rposition(|word| Some(word.as_str()) == source);
    let source = named.unwrap_or(if output + 2 < words.len() {
        words.len() - 1
    } else {
        output.saturating_sub(1)
    });
    // A launcher, such as ccache, may stand before the compiler.
    let first = words.iter().position(|word| word.starts_with('-'));
    let kept = words.into_iter().enumerate().filter(|(index, _)| {
        !(first.is_none_or(|first| *index < first)
            || (output..output + 2).contains(index)
            || *index == source)
    });
    Ok(without_frontend_flags(kept.map(|(_, word)| word).collect()))
}

/// Returns `text` as the value of a variable that make expands once, when the recipe runs.
fn in_makefile(text: &str) -> String {
    text.replace('$', "$$").replace('#', "$(pound)")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Real commands contain quotes, dollars, removed flags and the single file.
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
            flags,
            [
                "-nostdinc",
                "--target=aarch64-linux-gnu",
                "-O2",
                "-mllvm",
                "-inline-threshold=5",
                "-mstack-protector-guard-reg=$sp",
                "-flto=thin",
                "-fvisibility=hidden",
                "-c",
            ]
        );
    }

    #[test]
    fn flags_are_of_the_compiler_alone() {
        let flags = |command: &str| {
            let words = shlex::split(command).expect("words");
            let n_words = of_first_command(&words);
            of_code_generation(words[..n_words].to_vec(), "a/b.o", Some("a/b.c"))
        };
        let expected = ["-Xclang", "-Ix", "-O2", "-c"];
        for command in [
            "clang -DA -DB -Xclang -Ix -DC -O2 -c -o a/b.o a/b.c",
            "ccache clang -Xclang -Ix -Iy -O2 -c -o a/b.o a/b.c ; lto-link module -o a/b.o -- ld.lld -EL",
            "clang -Xclang -Ix -Iy -O2 -c a/b.c -o a/b.o && objtool --module a/b.o",
            "clang -Xclang -Ix -Iy -O2 -c -o a/b.o a/other.c",
            "clang -Xclang -Ix -Iy -o a/b.o a/b.c -O2 -c",
        ] {
            let flags = flags(command).expect("flags");
            assert_eq!(flags, expected, "{command}");
        }
        let error = flags("llvm-objcopy -O2 x.o a/b.o").expect_err("no compiler");
        assert!(matches!(error, CommandError::NoOutput(object) if object == "a/b.o"));
    }

    #[test]
    fn flags_that_objects_share_are_written_once() {
        let mut runs = Runs::default();
        let mut refer = |object: &str, flags: &str| {
            let flags = shlex::split(flags).expect("words");
            runs.refer(Path::new(object), &flags).expect("text")
        };
        let one = refer("a/the-one.o", "-O2 -DNAME=the_one -flto -mguard='$sp'");
        assert_eq!(one, "$(lto-flags-1) '-DNAME=the_one' $(lto-flags-2)");
        let two = refer("a/two.o", "-O2 -flto -mguard='$sp'");
        assert_eq!(two, "$(lto-flags-3)");
        let three = refer("a/$x#.o", "-O2 '-DNAME=$x#'");
        assert_eq!(three, "$(lto-flags-1) '-DNAME=$$x$(pound)'");
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

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The compiler that generates code, by its content.
//!
//! clang is a small program beside two large libraries, in the packages of distributions. All of them decide
//! what code is generated; other libraries, such as the C library, do not.
//!
//! Source: `ld.so(8)`, `LD_TRACE_LOADED_OBJECTS`; the manual of clang, "Configuration files" (`clang --version` names
//! those that it reads; they may differ by target).

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kernel_facts::command_file;
use serde::{Deserialize, Serialize};

use crate::actions::codegen_list::CodegenList;
use crate::actions::digest::Digest;
use crate::actions::error::CompilerError;
use crate::actions::state::FileState;
use crate::paths::LinkPaths;

/// The beginnings of the file names of libraries that generate code.
const LIBRARIES: [&str; 2] = ["libLLVM", "libclang"];

/// The variable that decides which libraries a program loads.
pub(crate) const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// The option that decides which configuration files clang reads.
const TARGET: &str = "--target=";

/// A compiler: its name in commands, and its files.
#[derive(Clone, Debug, Serialize)]
pub struct Compiler {
    /// The name by which a machine finds it.
    pub name: String,
    /// The digest over the digests of its files, which names it in actions.
    pub digest: Digest,
    /// Its files on this machine: the program and its libraries.
    pub files: Vec<CompilerFile>,
    /// The path by which this machine runs it.
    #[serde(skip)]
    pub(crate) program: PathBuf,
}

/// A file of a compiler.
#[derive(Clone, Debug, Serialize)]
pub struct CompilerFile {
    /// Its path on this machine.
    pub path: String,
    /// The digest of its content.
    pub digest: Digest,
}

impl Compiler {
    /// Finds the program of `command`, which may have a launcher such as ccache in front, and reads its files.
    ///
    /// # Errors
    /// There is no such program, or a file cannot be read.
    pub fn read(command: &[String]) -> Result<Self, CompilerError> {
        let name = command.last().map(String::as_str).unwrap_or_default();
        let program = in_path(name).ok_or_else(|| CompilerError::NotFound(name.to_owned()))?;
        let mut paths = vec![program.clone()];
        paths.extend(libraries(&program));
        let mut files = Vec::new();
        let mut names = String::new();
        for path in paths {
            // Links have other names on other machines.
            let real = fs::canonicalize(&path);
            let digest = real.and_then(|real| Digest::of_file(&real));
            let digest = digest.map_err(|source| CompilerError::Read(path.clone(), source))?;
            // Writing to a string does not fail.
            let _ = writeln!(names, "{digest}");
            files.push(CompilerFile {
                path: path.display().to_string(),
                digest,
            });
        }
        let name = Path::new(name).file_name().unwrap_or_default();
        Ok(Self {
            name: name.display().to_string(),
            digest: Digest::of(names.as_bytes()),
            files,
            program,
        })
    }
}

/// A compiler that code is generated with, as far as a cache or another machine must know it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KnownCompiler {
    name: String,
    target: Vec<String>,
    library_path: Option<String>,
    states: Vec<(PathBuf, FileState)>,
    /// The digest over its files.
    pub(crate) digest: Digest,
    /// The reason why its files do not decide alone what code it generates.
    pub(crate) not_alone: Option<String>,
}

impl KnownCompiler {
    /// Returns the path by which this machine runs it.
    pub(crate) fn program(&self) -> &Path {
        self.states.first().map_or(Path::new(""), |(path, _)| path)
    }

    /// Returns whether its files are as they were when they were read.
    pub(crate) fn is_unchanged(&self) -> bool {
        let mut states = self.states.iter();
        states.all(|(path, state)| FileState::of(path).is_ok_and(|now| now == *state))
    }
}

/// Returns the compiler `name`. `words` are the arguments of a code generation. The file `known` saves reading its
/// libraries, which have hundreds of megabytes, once for each object.
///
/// # Errors
/// There is no such program, or a file cannot be read.
pub(crate) fn known_compiler(
    name: &str,
    words: &[OsString],
    known: Option<&Path>,
) -> Result<KnownCompiler, CompilerError> {
    let words = words.iter().filter_map(|word| word.to_str());
    let target: Vec<String> = words
        .filter(|word| word.starts_with(TARGET))
        .map(str::to_owned)
        .collect();
    let library_path = env::var(LIBRARY_PATH).ok();
    let text = known.and_then(|known| fs::read(known).ok());
    let known_before = text.and_then(|text| serde_json::from_slice::<KnownCompiler>(&text).ok());
    if let Some(before) = known_before
        && before.name == name
        && before.target == target
        && before.library_path == library_path
        && in_path(name).as_deref() == Some(before.program())
        && before.is_unchanged()
    {
        return Ok(before);
    }
    let compiler = Compiler::read(&[name.to_owned()])?;
    let states = compiler.files.iter().map(|file| {
        let path = PathBuf::from(&file.path);
        let state = FileState::of(&path);
        let state = state.map_err(|source| CompilerError::Read(path.clone(), source))?;
        Ok((path, state))
    });
    let now = KnownCompiler {
        name: name.to_owned(),
        states: states.collect::<Result<_, CompilerError>>()?,
        digest: compiler.digest,
        not_alone: reads_more(&compiler.program, &target),
        target,
        library_path,
    };
    // Without the file, the next object takes longer.
    if let Some(known) = known
        && let Ok(text) = serde_json::to_vec(&now)
    {
        let _ = tool_io::write_atomic(known, &text);
    }
    Ok(now)
}

/// Returns what decides besides the files of `program` what code it generates: another program that it runs, or a
/// configuration file.
fn reads_more(program: &Path, target: &[String]) -> Option<String> {
    let output = Command::new(program)
        .args(target)
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let value = |name: &str| said.lines().find_map(|line| line.strip_prefix(name));
    if let Some(file) = value("Configuration file: ") {
        return Some(format!("clang reads the configuration file {file}"));
    }
    // A script, or ccache by the name of clang, prints where the clang that it runs is.
    let own = fs::canonicalize(program).ok();
    let own = own.as_deref().and_then(Path::parent);
    let installed = value("InstalledDir: ").and_then(|dir| fs::canonicalize(dir).ok());
    if own.is_none() || own != installed.as_deref() || !is_elf(program) {
        let program = program.display();
        return Some(format!(
            "{program} is not clang, but runs it; name clang itself (CC)"
        ));
    }
    None
}

fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let file = fs::File::open(path);
    let read = file.and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"\x7fELF"
}

/// Returns the compiler and its flags of code generation, from the command that make saved for the first native
/// object of the link of `output`: the words before the first option, and the words after the last `-fno-lto`.
///
/// # Errors
/// The link has no list or no object, the command has not been saved, or is another.
pub fn saved_compiler(output: &Path, native_suffix: &str) -> Result<Vec<String>, CompilerError> {
    let paths = LinkPaths::new(output);
    let list = CodegenList::read(paths).map_err(|error| CompilerError::List(Box::new(error)))?;
    let Some((object, _)) = list.objects.first() else {
        return Err(CompilerError::NoObject(output.to_owned()));
    };
    let paths = LinkPaths::with_shared(output, &list.shared);
    let path = command_file(&paths.native_as(object, native_suffix));
    let text = fs::read_to_string(&path)
        .map_err(|source| CompilerError::NoCommand(path.clone(), source))?;
    compiler_in(&text).ok_or(CompilerError::OtherCommand(path))
}

fn compiler_in(text: &str) -> Option<Vec<String>> {
    let (_, command) = text.lines().find_map(|line| line.split_once("cmd_"))?;
    // The command is in a substitution: said=$(clang … 2>&1) && …
    let (_, command) = command.split_once("said=$$(")?;
    let (command, _) = command.split_once(" 2>&1)")?;
    let command = command.replace("$(pound)", "#").replace("$$", "$");
    // A launcher stands in front if the user asked for one: ${LTO_LAUNCHER:+…}
    let command = match command.strip_prefix("${") {
        Some(launcher) => launcher.split_once("} ")?.1,
        None => &command,
    };
    let words = shlex::split(command)?;
    let first = words.iter().position(|word| word.starts_with('-'))?;
    let after = words.iter().rposition(|word| word == "-fno-lto")? + 1;
    let end = words.iter().rposition(|word| word == WARNINGS_OFF)?;
    let mut compiler = words.get(..first)?.to_vec();
    compiler.extend_from_slice(words.get(after..end)?);
    (first > 0).then_some(compiler)
}

/// The option behind the flags of code generation, in `Makefile.codegen`.
pub(crate) const WARNINGS_OFF: &str = "-Wno-unused-command-line-argument";

/// Returns the path of `program`, which is a path, or a name in `PATH`.
fn in_path(program: &str) -> Option<PathBuf> {
    if program.is_empty() {
        return None;
    }
    if program.contains('/') {
        return fs::canonicalize(Path::new(program).parent()?)
            .ok()
            .map(|dir| dir.join(Path::new(program).file_name().unwrap_or_default()))
            .filter(|path| path.is_file());
    }
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path).map(|dir| dir.join(program));
    found.into_iter().find(|path| path.is_file())
}

/// Returns the paths of the libraries that generate code for `program`; none for a script or a static program.
fn libraries(program: &Path) -> Vec<PathBuf> {
    // The dynamic linker prints what it loads, and does not run the program. A static program prints its
    // version instead.
    let output = Command::new(program)
        .arg("--version")
        .env("LD_TRACE_LOADED_OBJECTS", "1")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let listing = output.map(|output| output.stdout).unwrap_or_default();
    let listing = String::from_utf8_lossy(&listing);
    let is_code = |path: &&str| {
        let name = Path::new(path).file_name().and_then(OsStr::to_str);
        name.is_some_and(|name| LIBRARIES.iter().any(|start| name.starts_with(start)))
    };
    let mut paths: Vec<PathBuf> = listing
        .lines()
        .filter_map(|line| line.split_once(" => ")?.1.split_whitespace().next())
        .filter(is_code)
        .map(PathBuf::from)
        .collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_is_in_the_saved_command() {
        let text = "savedcmd_a.native.o := said=$$($${LTO_LAUNCHER:+$$T/lto-link launch} ccache clang --target=x -fno-lto -O2 \
                    -fno-lto -mllvm '-x=$(pound)' -Wno-unused-command-line-argument -fthinlto-index=a -c -o \
                    a.native.o -x ir a.o 2>&1) && code=0 || code=$$?; rest\n";
        let compiler = compiler_in(text).expect("a compiler");
        assert_eq!(compiler, ["ccache", "clang", "-mllvm", "-x=#"]);
        assert_eq!(compiler_in("cmd_a.o := clang -c -o a.o a.c\n"), None);
    }

    #[test]
    fn a_known_digest_is_that_of_the_present_files() {
        let dir = tempfile::tempdir().expect("a directory");
        let [program, known] = ["cc", "known"].map(|name| dir.path().join(name));
        let name = program.display().to_string();
        let digest = |known| {
            let compiler = known_compiler(&name, &[], known).expect("a compiler");
            compiler.digest
        };
        fs::write(&program, "one").expect("written");
        let one = digest(Some(&known));
        assert_eq!(digest(Some(&known)), one);
        assert_eq!(digest(None), one);
        fs::write(&program, "another").expect("written");
        let other = digest(Some(&known));
        assert_ne!(other, one);
        // The file is believed as long as the compiler has the same state.
        let text = fs::read_to_string(&known).expect("written");
        fs::write(&known, text.replace(&other.hash, &one.hash)).expect("written");
        assert_eq!(digest(Some(&known)).hash, one.hash);
        // Another target may have other configuration files.
        let target = ["--target=x".into()];
        let of_target = known_compiler(&name, &target, Some(&known)).expect("a compiler");
        assert_eq!(of_target.digest, other);
    }

    #[test]
    fn a_program_that_runs_clang_is_not_clang() {
        let clang = test_support::llvm_tool("clang");
        assert_eq!(
            reads_more(&clang, &["--target=x86_64-linux-gnu".into()]),
            None
        );
        let dir = tempfile::tempdir().expect("a directory");
        let script = dir.path().join("clang");
        // Another process writes the program: a file that this one has open for writing cannot be run.
        let write = format!(
            "printf '#!/bin/sh\\nexec {} \"$@\"\\n' > {script}; chmod 755 {script}",
            clang.display(),
            script = script.display()
        );
        test_support::stdout(Command::new("sh").args(["-c", &write]));
        let said = reads_more(&script, &[]).expect("a reason");
        assert!(
            said.ends_with("is not clang, but runs it; name clang itself (CC)"),
            "{said}"
        );
        let said = reads_more(Path::new("/no/such/clang"), &[]).expect("a reason");
        assert!(said.contains("is not clang"), "{said}");
        fs::write(dir.path().join("own.cfg"), "-O1\n").expect("written");
        let config = format!("--config={}/own.cfg", dir.path().display());
        let said = reads_more(&clang, &[config]).expect("a reason");
        assert!(
            said.starts_with("clang reads the configuration file "),
            "{said}"
        );
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        for name in ["no-such-clang", "/no/such/clang", ""] {
            let error = Compiler::read(&[name.to_owned()]).unwrap_err();
            assert!(matches!(error, CompilerError::NotFound(named) if named == name));
        }
    }
}

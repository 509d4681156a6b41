// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks that a compiler and a linker can do LTO, by a trial with a small source.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Command, Output};

use object_model::{Bitcode, InputError};
use tool_io::Files;

/// The reason why a compiler and a linker cannot do LTO.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// A program cannot be started.
    #[error("{program} cannot be run")]
    Start {
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// The trial's files cannot be written.
    #[error("no file for a trial can be written: {0}")]
    Write(#[from] io::Error),
    /// The compiler is not clang, or the linker is not ld.lld.
    #[error("{program} is not {expected}")]
    Other {
        /// The program.
        program: String,
        /// The required program.
        expected: &'static str,
    },
    /// The compiler does not compile the source to bitcode.
    #[error("{program} makes no bitcode: {said}")]
    Compile {
        /// The compiler.
        program: String,
        /// The first line of its output.
        said: String,
    },
    /// lto-link does not know the form of the compiler's bitcode.
    #[error("{program} makes bitcode that lto-link cannot read: {cause}")]
    Read {
        /// The compiler.
        program: String,
        /// The reader's error.
        cause: String,
    },
    /// The linker does not read the compiler's bitcode, because it is older.
    #[error("{linker} does not read the bitcode of {compiler}: {said}")]
    Link {
        /// The linker.
        linker: String,
        /// The compiler.
        compiler: String,
        /// The first line of its output.
        said: String,
    },
}

/// Compiles a small source with `compiler` for thin LTO, reads the bitcode and its summary, and links it with
/// `linker`. Both are a command and its flags: a build system may add `--sysroot` to each.
///
/// # Errors
/// The first failing step.
pub fn check_toolchain(compiler: &[OsString], linker: &[OsString]) -> Result<(), ToolchainError> {
    let (program, flags) = program_and_flags(compiler);
    let (linker, linker_flags) = program_and_flags(linker);
    let (compiler, linker_name) = (name(program), name(linker));
    // The program may be a wrapper such as ccache, so its output is checked and not its name.
    require(Command::new(program).args(flags), "clang", "clang")?;
    require(Command::new(linker).args(linker_flags), "LLD", "ld.lld")?;
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);
    let (source, object) = (path("a.c"), path("a.o"));
    std::fs::write(&source, "int lto_trial(void) { return 1; }\n")?;
    let mut command = Command::new(program);
    command.args(flags).args(["-flto=thin", "-c", "-o"]);
    let output = run(command.arg(&object).arg(&source))?;
    if !output.status.success() {
        let said = first_line(&output);
        return Err(ToolchainError::Compile {
            program: compiler,
            said,
        });
    }
    let unreadable = |cause: String| ToolchainError::Read {
        program: compiler.clone(),
        cause,
    };
    let files = Files::new();
    let read = files.object(&object);
    let input = read.map_err(|error: InputError| unreadable(error.to_string()))?;
    match input.object.as_bitcode().map(Bitcode::summary) {
        Some(Ok(Some(_))) => {}
        Some(Err(error)) => return Err(unreadable(error.to_string())),
        Some(Ok(None)) => return Err(unreadable("it has no summary".to_owned())),
        None => {
            return Err(ToolchainError::Compile {
                program: compiler,
                said: "the object is native code".to_owned(),
            });
        }
    }
    let mut command = Command::new(linker);
    command.args(linker_flags);
    command.arg("-r").arg("-o").arg(path("b.o")).arg(&object);
    let output = run(&mut command)?;
    if output.status.success() {
        return Ok(());
    }
    Err(ToolchainError::Link {
        linker: linker_name,
        compiler,
        said: first_line(&output),
    })
}

fn program_and_flags(command: &[OsString]) -> (&OsStr, &[OsString]) {
    command
        .split_first()
        .map_or((OsStr::new(""), command), |(program, flags)| {
            (program.as_os_str(), flags)
        })
}

/// Checks that the output of `--version` contains `word`.
fn require(
    command: &mut Command,
    word: &str,
    expected: &'static str,
) -> Result<(), ToolchainError> {
    let output = run(command.arg("--version"))?;
    if String::from_utf8_lossy(&output.stdout).contains(word) {
        return Ok(());
    }
    let program = name(command.get_program());
    Err(ToolchainError::Other { program, expected })
}

fn name(program: &OsStr) -> String {
    program.display().to_string()
}

fn run(command: &mut Command) -> Result<Output, ToolchainError> {
    let program = name(command.get_program());
    let output = command.output();
    output.map_err(|source| ToolchainError::Start { program, source })
}

/// Returns the first line that the program printed, from standard error if it printed anything there.
fn first_line(output: &Output) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let text = [&stderr[..], &stdout[..]].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(|| status.to_string(), str::to_owned)
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The errors of a link.
//!
//! This module knows no other of the crate, so that every phase can use it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use object_model::{Faults, InputError};
use tool_io::WriteError;

/// The reason why a link left no output.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The initcalls have no known order.
    #[error("the initcalls cannot be put in order:\n{0}")]
    Initcalls(Box<dyn std::error::Error + Send + Sync>),
    /// Exports have no CRC.
    #[error("the exported symbols cannot be versioned:\n{0}")]
    Crcs(Faults<modversions::Fault>),
    /// Objects have no file for a linker or compiler.
    #[error("the objects cannot be linked one by one:\n{0}")]
    Embedded(Faults<EmbeddedError>),
    /// The compiler flags for generating code are unknown.
    #[error("code cannot be generated:\n{0}")]
    Codegen(Faults<CodegenError>),
    /// Native code cannot be read.
    #[error("native code cannot be read:\n{0}")]
    Natives(Faults<InputError>),
    /// Bitcode has no readable summary of its references.
    #[error("the references of the bitcode cannot be read")]
    Summary(#[source] InputError),
    /// The roots cannot be determined.
    #[error("the roots cannot be collected")]
    Roots(#[from] RootError),
    /// The output refers to definitions that the link dropped.
    #[error("the link dropped definitions that its code refers to:\n{}", .0.join("\n"))]
    Dropped(Vec<String>),
    /// The symbols of the output cannot get their names of the source.
    #[error("{}: {source}", .output.display())]
    Names {
        /// The output of the link.
        output: PathBuf,
        /// The reason.
        source: NameError,
    },
    /// An object or a symbol is linked twice.
    #[error("the objects cannot be linked into one:\n{0}")]
    Definitions(Faults<DefinitionFault>),
    /// The objects are incompatible.
    #[error("the objects cannot be linked into one:\n{0}")]
    Incompatible(Faults<IncompatibleObject>),
    /// No root reaches any definition.
    #[error(
        "{}: nothing of it would be left: no symbol is exported, marked as used, or looked up by the module \
         loader (init_module); list the symbols to keep in a file for --keep", .0.display()
    )]
    NothingKept(PathBuf),
    /// The output cannot be replaced.
    #[error("{}: is no regular file; name a file to write to", .0.display())]
    NoFile(PathBuf),
    /// The linker that generates code for a link that drops failed.
    #[error(
        "{}: {} generated no code ({status}){}\n{}",
        output.display(), linker.display(), saved(.capture.as_deref()), said.trim_end()
    )]
    CodeGeneration {
        /// The output of the link.
        output: PathBuf,
        /// The program.
        linker: PathBuf,
        /// Its exit status.
        status: ExitStatus,
        /// Its messages.
        said: String,
        /// The script that runs the link again, if it was captured.
        capture: Option<PathBuf>,
    },
    /// The linker that generates code for a link that drops succeeded, but left out objects.
    #[error(
        "{}: {} generated no code of {}{}\n{}",
        output.display(), linker.display(), objects.join(", "), saved(.capture.as_deref()), said.trim_end()
    )]
    NoCode {
        /// The output of the link.
        output: PathBuf,
        /// The program.
        linker: PathBuf,
        /// The bitcode objects without code.
        objects: Vec<String>,
        /// The linker's messages.
        said: String,
        /// The script that runs the link again, if it was captured.
        capture: Option<PathBuf>,
    },
    /// The linker that makes the output failed.
    #[error("{}: {} failed ({status}){}", output.display(), linker.display(), saved(.capture.as_deref()))]
    Linker {
        /// The output of the link.
        output: PathBuf,
        /// The program.
        linker: PathBuf,
        /// Its exit status.
        status: ExitStatus,
        /// Its messages, which have been shown.
        said: String,
        /// The script that runs the link again, if it was captured.
        capture: Option<PathBuf>,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An operation on a file or a process failed.
    #[error("{what}")]
    Io {
        /// The operation.
        what: String,
        /// The system's error.
        source: io::Error,
    },
}

/// The reason why symbols cannot be renamed.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    /// The linker made something that is no ELF object, or a damaged one. The text is the place and the fault.
    #[error("is no relocatable ELF object whose symbol table can be changed: {0}")]
    Unreadable(String),
    /// A section contains numbers of symbols in an unknown form.
    #[error(
        "section {name} (type {kind:#x}) refers to the symbol table in an unknown way; \
         link it without what makes this section"
    )]
    Section {
        /// The name of the section.
        name: String,
        /// Its type.
        kind: u32,
    },
}

impl NameError {
    /// Returns the error for a damaged object; `what` is the place in it, and the fault.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Unreadable(what.into())
    }

    /// Returns a function that makes an error of the ELF reader's; `what` returns the place.
    pub(crate) fn reading(
        what: impl FnOnce() -> String,
    ) -> impl FnOnce(object::read::Error) -> Self {
        |error| Self::damaged(format!("{}: {error}", what()))
    }
}

/// The messages and the end of a linker that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkerRun<'error> {
    /// Its messages.
    pub(crate) said: &'error str,
    /// Its exit status, unless it succeeded.
    pub(crate) status: Option<ExitStatus>,
}

impl LinkError {
    /// Returns the messages and the end of the linker that failed.
    pub(crate) fn linker_run(&self) -> Option<LinkerRun<'_>> {
        match self {
            Self::Linker { said, status, .. } | Self::CodeGeneration { said, status, .. } => {
                Some(LinkerRun {
                    said,
                    status: Some(*status),
                })
            }
            Self::NoCode { said, .. } => Some(LinkerRun { said, status: None }),
            _ => None,
        }
    }
}

fn saved(capture: Option<&Path>) -> String {
    match capture {
        Some(script) => format!("; the link is saved with its inputs: {}", script.display()),
        None => {
            "; LTO_CAPTURE=<directory> on make's command line saves the link with its inputs".into()
        }
    }
}

/// Returns a function that turns the cause of a failed operation `what` into an error.
pub(crate) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> LinkError {
    let what = what.into();
    |source| LinkError::Io { what, source }
}

/// Returns a function that turns the cause why `path` cannot be read into an error.
pub(crate) fn reading(path: &Path) -> impl Fn(io::Error) -> LinkError {
    let what = format!("reading {}", path.display());
    move |error| io_error(what.clone())(error)
}

/// Bitcode in a regular archive, which has no file for a compiler.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}: the bitcode is not a separate file; distributed LTO takes it from thin archives only (ar's option T)"
)]
pub struct EmbeddedError(pub(crate) String);

/// An object that was compiled with unknown flags.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}; this file has the command that compiled {}", command.display(), object.display())]
pub struct CodegenError {
    /// The bitcode object.
    pub(crate) object: PathBuf,
    /// The file with the command that made it.
    pub(crate) command: PathBuf,
    /// The fault.
    pub(crate) why: CommandError,
}

/// A fault of a `.cmd` file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("cannot be read ({0})")]
    Read(#[from] io::Error),
    #[error("has no line `cmd_… := …`")]
    NoCommand,
    #[error("its command has no `-o {0}`")]
    NoOutput(String),
    #[error("its command has quotes that do not end")]
    Quotes,
    #[error("its command has a word that no shell takes ({0})")]
    Word(#[from] shlex::QuoteError),
}

/// A fault of the files that name definitions to keep.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The file cannot be read.
    #[error("{}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// An object is damaged.
    #[error(transparent)]
    Object(InputError),
    /// A line of a file of patterns is malformed.
    #[error("{}: line {line}: {what}; a line is a pattern and, behind it, the reason", path.display())]
    Pattern {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The fault.
        what: String,
    },
    /// A pattern matches no definition of the link.
    #[error("{}: `{pattern}` matches no definition; remove it, or correct the name", path.display())]
    Unmatched {
        /// The file.
        path: PathBuf,
        /// The pattern.
        pattern: String,
    },
}

/// An object that is incompatible with the others of its link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IncompatibleObject {
    /// It is for another machine.
    #[error("{object} is for {machine}, and {first} is for {expected}")]
    Machine {
        /// The object.
        object: String,
        /// Its machine.
        machine: String,
        /// The first object of the link.
        first: String,
        /// The machine of the first object.
        expected: String,
    },
    /// It is bitcode for another kind of LTO.
    #[error(
        "{object} is bitcode for {kind} LTO, and {first} is for {expected} LTO; compile both with the \
         same -flto"
    )]
    LtoKind {
        /// The object.
        object: String,
        /// The kind of LTO that it was compiled for.
        kind: &'static str,
        /// The first bitcode object of the link.
        first: String,
        /// The kind of LTO that the first was compiled for.
        expected: &'static str,
    },
    /// It is bitcode without a summary of its references.
    #[error(
        "{object} is bitcode without a summary, so that it does not take part in LTO; compile it with \
         -flto=thin or -flto=full, or as native code"
    )]
    NoSummary {
        /// The object.
        object: String,
    },
}

/// An object or a symbol that one link has twice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionFault {
    /// The object is among the inputs more than once.
    #[error("{object} is linked {times} times")]
    LinkedTwice {
        /// The object.
        object: String,
        /// The number of times that it is linked.
        times: usize,
    },
    /// A bitcode object and its native form are both linked.
    #[error("{bitcode} is linked, and so is {native}, which was made of it")]
    BothForms {
        /// The bitcode object.
        bitcode: String,
        /// Its native form.
        native: String,
    },
    /// Two objects define a global symbol, neither of them weakly.
    #[error("{symbol} is defined by {first} and by {second}")]
    DefinedTwice {
        /// The symbol.
        symbol: String,
        /// The first object in link order that defines it.
        first: String,
        /// The second object that defines it.
        second: String,
    },
}

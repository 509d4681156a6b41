// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The faults of actions.

use std::io;
use std::path::PathBuf;

/// A reason why a code generation is no action.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The list of the thin link cannot be read.
    #[error("{}: cannot be read; has the thin link of {} run?", list.display(), output.display())]
    NoList {
        /// The list.
        list: PathBuf,
        /// The output of the link.
        output: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The list of the thin link is not one that lto-link wrote.
    #[error("{}: line {line}: {what}; run the thin link again", list.display())]
    List {
        /// The list.
        list: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The fault.
        what: String,
    },
    /// An input cannot be read.
    #[error("{object}: {path}, {role}, cannot be read")]
    Input {
        /// The object whose code is generated.
        object: String,
        /// The input.
        path: String,
        /// Its role.
        role: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// An argument has a path that only this machine has.
    #[error(
        "{object}: the argument `{argument}` of its code generation has an absolute path; remove the \
         option from the flags of the object, or build with paths from the root"
    )]
    AbsoluteArgument {
        /// The object.
        object: String,
        /// The argument.
        argument: String,
    },
    /// A file lies outside of the root.
    #[error("{object}: {path} is not below the root {}; name another with --root", root.display())]
    OutsideRoot {
        /// The object.
        object: String,
        /// The file.
        path: String,
        /// The root.
        root: PathBuf,
    },
    /// Another program assembles the code.
    #[error(
        "{object}: its code is assembled by another program than clang, which is no input of an action; \
         remove -no-integrated-as (LLVM_IAS=1 on make's command line)"
    )]
    OtherAssembler {
        /// The object.
        object: String,
    },
}

/// A reason why the compiler of a link is not known.
#[derive(Debug, thiserror::Error)]
pub enum CompilerError {
    /// The list of the thin link cannot be read.
    #[error(transparent)]
    List(Box<ActionError>),
    /// The link has no bitcode.
    #[error("{}: its link has no bitcode, so that no code is generated for it", .0.display())]
    NoObject(PathBuf),
    /// No command of a code generation has been saved.
    #[error(
        "{}: cannot be read; name the compiler and the flags of code generation behind `--`, as in \
         `-- clang -mllvm -enable-machine-outliner=always`", .0.display()
    )]
    NoCommand(PathBuf, #[source] io::Error),
    /// The saved command is not one of code generation.
    #[error("{}: has no command of code generation; name the compiler behind `--`", .0.display())]
    OtherCommand(PathBuf),
    /// The program is not installed.
    #[error("{0}: there is no such program in PATH; name the compiler behind `--`")]
    NotFound(String),
    /// A file of the compiler cannot be read.
    #[error("{}: cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
}

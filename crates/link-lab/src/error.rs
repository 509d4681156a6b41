// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The reasons why a case cannot be judged. A link with another meaning is a verdict, not an error.

use std::io;
use std::path::{Path, PathBuf};

use crate::arch::Arch;

/// A case cannot be read, or something that it needs is missing.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The description of a case is not understood.
    #[error("{}: {source}", path.display())]
    Description {
        /// The file `case.toml`.
        path: PathBuf,
        /// The place and the reason.
        source: Box<toml::de::Error>,
    },
    /// The description of a case cannot be written as TOML.
    #[error("{case}: its description cannot be written: {source}")]
    Describe {
        /// The case.
        case: String,
        /// The reason.
        source: toml::ser::Error,
    },
    /// A case names a source that it does not have.
    #[error("{case}: names {file}, which is not there")]
    NoSource {
        /// The case.
        case: String,
        /// The source.
        file: String,
    },
    /// A program cannot be started.
    #[error("{}: {source}; is it installed?", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// QEMU's user mode is not installed.
    #[error(
        "{program} is missing, which runs {arch} programs: install Debian's package qemu-user-static"
    )]
    NoEmulator {
        /// The architecture.
        arch: Arch,
        /// The missing program.
        program: String,
    },
    /// A source does not compile, or an archive cannot be made.
    #[error("{case}: `{command}` failed:\n{said}")]
    Build {
        /// The case.
        case: String,
        /// The command.
        command: String,
        /// The output of the command.
        said: String,
    },
    /// Plain links with thin and with full LTO give different programs.
    #[error(
        "{case}: ld.lld -r gives {thin} with thin LTO, and {full} with full LTO: the program is ambiguous"
    )]
    Meaningless {
        /// The case.
        case: String,
        /// The output of the program after thin LTO.
        thin: String,
        /// The output after full LTO.
        full: String,
    },
}

impl LabError {
    /// Returns an error of the file at `path`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

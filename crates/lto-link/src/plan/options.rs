// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The options of a link.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::paths::LinkPaths;
use crate::resolve::roots::RootOptions;

/// The kind of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// vmlinux.o, whose initcalls are put in order.
    Vmlinux,
    /// The object of a module, which has no initcalls.
    Module,
}

/// lld's cache of generated code.
#[derive(Clone, Debug)]
pub struct Cache {
    /// The directory, which lld makes if it is missing.
    pub dir: PathBuf,
    /// The limits of the cache (lld's `--thinlto-cache-policy`).
    pub policy: String,
}

/// The way to make native code from bitcode.
#[derive(Clone, Debug)]
pub enum CodeGeneration {
    /// The linker generates code while it makes the output.
    InLinker {
        /// Thin LTO's cache, if one is used.
        cache: Option<Cache>,
    },
    /// A separate linker run generates code, as for an executable, and drops every definition that
    /// no root reaches. It cannot use lld's cache, because lld does not leave the native objects
    /// that it takes from there.
    Dropping(RootOptions),
    /// make has generated code object by object, after a thin link that dropped unreached definitions.
    Distributed {
        /// The objects that other links use too.
        shared: Vec<PathBuf>,
    },
}

/// The options of one link.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// The kind of the output.
    pub kind: LinkKind,
    /// The native object to make.
    pub output: PathBuf,
    /// Objects and archives that are linked completely, in link order.
    pub objs: Vec<PathBuf>,
    /// Libraries of which the linker takes the needed members.
    pub libs: Vec<PathBuf>,
    /// The linker and its flags.
    pub linker: Vec<OsString>,
    /// The way of generating code.
    pub code: CodeGeneration,
    /// Whether exports need CRCs.
    pub modversions: bool,
    /// The directory in which a failing link is saved with its inputs.
    pub capture: Option<PathBuf>,
    /// The maximum number of threads.
    pub jobs: usize,
}

impl LinkOptions {
    /// Returns the names of the link's files.
    pub fn paths(&self) -> LinkPaths<'_> {
        match &self.code {
            CodeGeneration::Distributed { shared } => LinkPaths::with_shared(&self.output, shared),
            CodeGeneration::InLinker { .. } | CodeGeneration::Dropping(_) => {
                LinkPaths::new(&self.output)
            }
        }
    }
}

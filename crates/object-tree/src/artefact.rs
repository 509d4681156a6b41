// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The kinds of files that are read from a build.

use std::fmt;

/// A file that a build links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Artefact<'a> {
    /// The kernel.
    Vmlinux,
    /// The object that the kernel was linked from, which still has relocations.
    VmlinuxO,
    /// A module, by its path in the object tree, without `.ko`.
    Module(&'a str),
}

impl<'a> Artefact<'a> {
    /// Returns the object that its inputs are linked to, relative to the object tree.
    pub fn object(self) -> String {
        match self {
            Self::Vmlinux | Self::VmlinuxO => "vmlinux.o".to_owned(),
            Self::Module(path) => format!("{path}.o"),
        }
    }

    /// Returns its name as an exporter in `Module.symvers`.
    pub fn exporter(self) -> &'a str {
        match self {
            Self::Vmlinux | Self::VmlinuxO => "vmlinux",
            Self::Module(path) => path,
        }
    }
}

/// Its path in the object tree.
impl fmt::Display for Artefact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vmlinux => f.write_str("vmlinux"),
            Self::VmlinuxO => f.write_str("vmlinux.o"),
            Self::Module(path) => write!(f, "{path}.ko"),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The ways in which a program is linked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of bitcode that the sources are compiled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lto {
    /// `-flto=thin`.
    Thin,
    /// `-flto=full`.
    Full,
}

impl Lto {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Thin, Self::Full];

    /// Returns the value of clang's `-flto=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thin => "thin",
            Self::Full => "full",
        }
    }
}

/// A way in which lto-link links a program. Each is compared with `ld.lld -r` of the same objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Thin LTO; nothing is dropped.
    Thin,
    /// Thin LTO that drops unreferenced definitions.
    ThinDropping,
    /// A thin link, and code generated object by object.
    Distributed,
    /// The same, dropping unreferenced definitions.
    DistributedDropping,
    /// Full LTO; nothing is dropped.
    Full,
    /// Full LTO that drops unreferenced definitions.
    FullDropping,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 6] = [
        Self::Thin,
        Self::ThinDropping,
        Self::Distributed,
        Self::DistributedDropping,
        Self::Full,
        Self::FullDropping,
    ];

    /// Returns the kind of bitcode that is linked.
    pub fn lto(self) -> Lto {
        match self {
            Self::Full | Self::FullDropping => Lto::Full,
            _ => Lto::Thin,
        }
    }

    /// Returns whether the link drops unreferenced definitions.
    pub fn is_dropping(self) -> bool {
        matches!(
            self,
            Self::ThinDropping | Self::DistributedDropping | Self::FullDropping
        )
    }

    /// Returns whether code is generated object by object.
    pub fn is_distributed(self) -> bool {
        matches!(self, Self::Distributed | Self::DistributedDropping)
    }

    /// Returns the name for `case.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thin => "thin",
            Self::ThinDropping => "thin-dropping",
            Self::Distributed => "distributed",
            Self::DistributedDropping => "distributed-dropping",
            Self::Full => "full",
            Self::FullDropping => "full-dropping",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

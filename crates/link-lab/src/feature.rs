// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The constructs that generated programs may have.

use std::fmt;
use std::str::FromStr;

/// A kind of constructs that programs may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Inline assembly calls functions, in chains too.
    AsmCalls,
    /// The names in inline assembly are built by macros, operands, aliases.
    AsmSpellings,
    /// Inline assembly reads and writes variables.
    AsmData,
    /// Inline assembly takes addresses of functions.
    AsmAddresses,
    /// Inline assembly takes differences of functions.
    AsmDifferences,
    /// Inline assembly defines functions.
    AsmLabels,
    /// Inline assembly makes tables of handlers.
    AsmTables,
    /// Assembly beside functions.
    ModuleAsm,
    /// The last link overrides earlier definitions.
    LastLink,
    /// Weak references to functions that are missing, or in a library only.
    WeakReferences,
    /// Libraries with needed and unneeded members.
    Library,
    /// Several definitions of one function, in any order.
    DefinitionOrder,
    /// Aliases, marks as used, static variables.
    Linkage,
    /// Functions in COMDAT sections of native objects.
    Comdat,
    /// Constructors.
    Constructors,
    /// Tables of functions in sections.
    Tables,
}

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 16] = [
        Self::AsmCalls,
        Self::AsmSpellings,
        Self::AsmData,
        Self::AsmAddresses,
        Self::AsmDifferences,
        Self::AsmLabels,
        Self::AsmTables,
        Self::ModuleAsm,
        Self::LastLink,
        Self::WeakReferences,
        Self::Library,
        Self::DefinitionOrder,
        Self::Linkage,
        Self::Comdat,
        Self::Constructors,
        Self::Tables,
    ];

    /// Returns the name for command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsmCalls => "asm-calls",
            Self::AsmSpellings => "asm-spellings",
            Self::AsmData => "asm-data",
            Self::AsmAddresses => "asm-addresses",
            Self::AsmDifferences => "asm-differences",
            Self::AsmLabels => "asm-labels",
            Self::AsmTables => "asm-tables",
            Self::ModuleAsm => "module-asm",
            Self::LastLink => "last-link",
            Self::WeakReferences => "weak-references",
            Self::Library => "library",
            Self::DefinitionOrder => "definition-order",
            Self::Linkage => "linkage",
            Self::Comdat => "comdat",
            Self::Constructors => "constructors",
            Self::Tables => "tables",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Feature {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|feature| feature.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no feature of that name; there are: {names}")
        })
    }
}

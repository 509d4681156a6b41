// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Global values as a summary describes them.

use std::fmt;

/// Position of a value among the [`values`](Summary::values) of its file.
///
/// Within a module, LLVM numbers variables, functions, aliases and indirect functions in the order of
/// their records; the values of a second module (`-fsplit-lto-unit`) follow those of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueIndex(pub usize);

/// LLVM's hash of a name (`GlobalValue::getGUID`): the first 8 bytes, little-endian, of the MD5 of the
/// name. The name of a local value is preceded by the path of the source and `;`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub u64);

/// The kind of a global value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GlobalValueKind {
    /// A variable or constant.
    Variable,
    /// A function.
    Function,
    /// Another name for a variable or function.
    Alias,
    /// A function that another function, its resolver, chooses at run time.
    IndirectFunction,
}

/// The linkage of a name of the IR. Source: `GlobalValue::LinkageTypes`; `Display` gives LLVM's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Linkage {
    /// Visible to every object.
    External,
    /// A copy of a definition of another object, for inlining only.
    AvailableExternally,
    /// Dropped if unused; the link takes one of several definitions.
    LinkOnce,
    /// The same, and all definitions are equivalent.
    LinkOnceOdr,
    /// The link takes one of several definitions.
    Weak,
    /// The same, and all definitions are equivalent.
    WeakOdr,
    /// Arrays that the link concatenates, such as `llvm.used`.
    Appending,
    /// Visible only within its module.
    Internal,
    /// The same, and not in a symbol table.
    Private,
    /// Undefined, and may stay undefined.
    ExternWeak,
    /// A tentative definition.
    Common,
}

/// A variable, function, alias or indirect function of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalValue<'data> {
    /// Its name in the IR, without the `\x01` that keeps LLVM from changing it. This is also the name of
    /// the ELF symbol, except that private values get `.L` before it.
    pub name: &'data str,
    /// Its linkage.
    pub linkage: Linkage,
    /// Whether the IR of this module only declares it; module assembly may still define it.
    pub is_declaration: bool,
    /// Its kind.
    pub kind: GlobalValueKind,
    /// The size of a defined variable in bytes, on a 64-bit machine.
    pub size: Option<u64>,
    /// The summary of its definition. `None` for declarations, indirect functions, and aliases of
    /// indirect functions. A local symbol that module assembly defines has one.
    pub summary: Option<ValueSummary>,
}

/// The summary of a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueSummary {
    /// Whether it is needed even without references: members of `llvm.used` and other lists, resolvers
    /// of indirect functions, and values that local symbols of module assembly stand for. LLVM starts
    /// its search for live values with these and with those that the linker asks for.
    pub is_live: bool,
    /// Whether other modules must not import a copy.
    pub is_not_eligible_to_import: bool,
    /// The number of instructions of a function.
    pub instructions: Option<u64>,
    /// The values that it refers to, in the order of LLVM's record, each once: references, then calls.
    /// For an alias, the function or variable that it stands for, through other aliases.
    ///
    /// This does not include references of assembly, within functions or beside them, and calls through
    /// the name of an indirect function or of an alias of one.
    pub references: Vec<ValueIndex>,
    /// The number of these, from the first on, that it does not only call: it takes their addresses,
    /// reads or writes them.
    pub n_named: usize,
    /// The values that its indirect calls and loads reach according to a profile, and that the module
    /// does not name otherwise. LLVM treats them as references.
    pub profiled: Vec<Guid>,
}

/// The global values of a bitcode file, and their references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary<'data> {
    /// All values, those of the first module first. A [`ValueIndex`] is an index of this list.
    pub values: Vec<GlobalValue<'data>>,
}

impl<'data> Summary<'data> {
    /// Returns the value at `index`, or `None` if `index` belongs to another file.
    pub fn value(&self, index: ValueIndex) -> Option<&GlobalValue<'data>> {
        self.values.get(index.0)
    }
}

impl Linkage {
    /// Returns whether the name is visible only within its module.
    pub fn is_local(self) -> bool {
        matches!(self, Self::Internal | Self::Private)
    }

    /// Returns the linkage for the `number` in a module's record. Some numbers are of old LLVMs, which
    /// had more kinds or other rules for comdats; unlike LLVM, this does not treat unknown numbers as
    /// external. Source: `getDecodedLinkage` in `BitcodeReader.cpp`.
    pub(super) fn of_record(number: u64) -> Option<Self> {
        Some(match number {
            0 | 5 | 6 | 15 => Self::External,
            1 | 16 => Self::Weak,
            2 => Self::Appending,
            3 => Self::Internal,
            4 | 18 => Self::LinkOnce,
            7 => Self::ExternWeak,
            8 => Self::Common,
            9 | 13 | 14 => Self::Private,
            10 | 17 => Self::WeakOdr,
            11 | 19 => Self::LinkOnceOdr,
            12 => Self::AvailableExternally,
            _ => return None,
        })
    }
}

impl fmt::Display for Linkage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::External => "external",
            Self::AvailableExternally => "available_externally",
            Self::LinkOnce => "linkonce",
            Self::LinkOnceOdr => "linkonce_odr",
            Self::Weak => "weak",
            Self::WeakOdr => "weak_odr",
            Self::Appending => "appending",
            Self::Internal => "internal",
            Self::Private => "private",
            Self::ExternWeak => "extern_weak",
            Self::Common => "common",
        })
    }
}

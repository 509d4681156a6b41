// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The parts of a generated program: files with definitions, and functions with statements.
//!
//! These parts are independent of the architecture; `lab.h` has the inline assembly of each. Names are
//! unique in the program, except for definitions that override each other, so that a part can be removed
//! together with everything that names it.

mod tidy;

/// The name of the file and the function that every program has.
pub(crate) const MAIN: &str = "main";

/// A program.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Its seed; the first one if it was joined from several programs.
    pub(crate) seed: u64,
    /// The number of joined programs, each from one seed.
    pub(crate) n_seeds: u64,
    /// Flags for all files.
    pub(crate) flags: Vec<String>,
    /// Whether all declarations have hidden visibility, as in the kernel's position-independent code.
    pub(crate) hides_declarations: bool,
    /// Whether the library is a regular archive.
    pub(crate) has_regular_archive: bool,
    /// Its files, in link order.
    pub(crate) files: Vec<SourceFile>,
}

/// A C source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceFile {
    /// Its name without `.c`.
    pub(crate) name: String,
    pub(crate) is_native: bool,
    pub(crate) place: Place,
    pub(crate) items: Vec<Item>,
}

/// The links that contain a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Every link.
    Object,
    /// Every link that needs it.
    Library,
    /// Only the link of the program.
    LastLink,
}

/// A definition, or another item at file level.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Function(Function),
    /// A variable of four numbers.
    Variable {
        name: String,
        value: u32,
        linkage: Linkage,
        is_constant: bool,
    },
    /// An alias in C.
    Alias {
        name: String,
        target: String,
        is_weak: bool,
    },
    /// An alias defined by assembly.
    AsmAlias {
        name: String,
        target: String,
        is_weak: bool,
    },
    /// A function in assembly, which calls `target` with `value`. It is in a C function without a
    /// frame, or beside functions.
    AsmFunction {
        name: String,
        target: String,
        value: u32,
        is_naked: bool,
    },
    /// A variable in assembly.
    AsmVariable {
        name: String,
        value: u32,
    },
    /// The address of a symbol that may be missing, in assembly.
    WeakAddress {
        name: String,
    },
    /// A handler in the section `handlers`, by assembly.
    AsmTableEntry {
        key: u32,
        function: String,
    },
    /// An entry of a table of functions.
    TableEntry {
        table: String,
        function: String,
    },
    /// A function that several native objects have.
    Comdat {
        name: String,
        value: u32,
    },
    /// A constructor that changes a variable.
    Constructor {
        variable: String,
        value: u32,
    },
    /// A definition that the last link may override.
    Version {
        name: String,
        text: String,
        data: Option<String>,
        function: Option<String>,
        is_weak: bool,
        is_constant: bool,
    },
}

/// The linkage of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linkage {
    Global,
    Weak,
    Static,
    /// Static, and marked as used.
    StaticUsed,
    /// Global, and marked as used.
    Used,
}

/// A function of two numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) linkage: Linkage,
    pub(crate) is_noinline: bool,
    pub(crate) section: Option<&'static str>,
    /// The arguments that it uses.
    pub(crate) uses: [bool; 2],
    pub(crate) body: Vec<Statement>,
}

/// A statement of a function; each changes the function's result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    Call {
        callee: String,
        how: How,
        first: Value,
        second: Value,
    },
    /// Calls a function that may be missing.
    WeakCall {
        callee: String,
        value: u32,
    },
    /// Reads one of the numbers; without a place, the one that the current result selects.
    Read {
        variable: String,
        place: Option<u8>,
        by_asm: bool,
    },
    Write {
        variable: String,
        place: u8,
        value: u32,
        by_asm: bool,
    },
    /// Tests whether two functions have different addresses, by assembly.
    Difference {
        first: String,
        second: String,
    },
    /// Makes an entry of `handlers` by inline assembly, optionally with a C label to jump to.
    TableEntry {
        key: u32,
        function: String,
        is_goto: bool,
    },
    /// Calls the handler with this key.
    CallHandler {
        key: u32,
        value: u32,
    },
    /// Calls all functions of a table.
    WalkTable {
        table: String,
        in_order: bool,
    },
    /// Defines a function within this one.
    Label {
        name: String,
        value: u32,
    },
    ReadVersion {
        name: String,
    },
}

/// The form of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// A call in C.
    C,
    /// A call in C through a pointer that is opaque to the compiler.
    Pointer,
    /// A call in C through an address that inline assembly takes.
    AsmAddress,
    /// A call in inline assembly that spells the name in this form.
    Asm(Spelling),
}

/// The form of a name in inline assembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    Plain,
    /// Quoted.
    Quoted,
    /// The name ends with a numeric operand: `f_%c0`.
    NumberOperand,
    /// The name is a function operand: `%c0`.
    FunctionOperand,
    /// A macro appends a suffix to its argument: `\name\()_5`.
    MacroArgument,
    /// The name is the default of a macro's argument.
    MacroDefault,
    /// By `.irp`.
    Repeated,
    /// By `.irpc`.
    RepeatedCharacters,
    /// By `.set alias, f`.
    Set,
    /// By `alias = f`.
    Assigned,
    /// In a branch of `.if`.
    Conditional,
    /// In another section, to which the call jumps.
    OtherSection,
    /// With linker directives about it.
    Suffixed,
    /// In a sum.
    Sum,
    /// Between separators.
    Crowded,
}

impl Spelling {
    pub(crate) const ALL: [Self; 15] = [
        Self::Plain,
        Self::Quoted,
        Self::NumberOperand,
        Self::FunctionOperand,
        Self::MacroArgument,
        Self::MacroDefault,
        Self::Repeated,
        Self::RepeatedCharacters,
        Self::Set,
        Self::Assigned,
        Self::Conditional,
        Self::OtherSection,
        Self::Suffixed,
        Self::Sum,
        Self::Crowded,
    ];
}

/// An argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Constant(u32),
    /// The current result.
    Result,
}

/// The kind of item with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Function,
    Variable,
    Version,
}

/// A reference to a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference<'program> {
    pub(crate) name: &'program str,
    pub(crate) kind: Kind,
    /// Whether the name may be missing.
    pub(crate) is_weak: bool,
    /// Whether C needs a declaration of it.
    pub(crate) is_in_c: bool,
}

impl Item {
    /// Returns the name that this item defines, if others may refer to it.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Function(function) => Some(&function.name),
            Self::Variable { name, .. }
            | Self::Alias { name, .. }
            | Self::AsmAlias { name, .. }
            | Self::AsmFunction { name, .. }
            | Self::AsmVariable { name, .. }
            | Self::Comdat { name, .. }
            | Self::Version { name, .. } => Some(name),
            Self::WeakAddress { .. }
            | Self::AsmTableEntry { .. }
            | Self::TableEntry { .. }
            | Self::Constructor { .. } => None,
        }
    }

    /// Returns whether C knows the name from its definition.
    pub(crate) fn is_c_definition(&self) -> bool {
        matches!(
            self,
            Self::Function(_)
                | Self::Variable { .. }
                | Self::Alias { .. }
                | Self::Version { .. }
                | Self::AsmFunction { is_naked: true, .. }
        )
    }

    /// Returns the names that the item and its statements refer to.
    pub(crate) fn references(&self) -> Vec<Reference<'_>> {
        let function = |name, is_in_c| Reference {
            name,
            kind: Kind::Function,
            is_weak: false,
            is_in_c,
        };
        let variable = |name, is_in_c| Reference {
            name,
            kind: Kind::Variable,
            is_weak: false,
            is_in_c,
        };
        match self {
            Self::Function(Function { body, .. }) => {
                body.iter().flat_map(Statement::references).collect()
            }
            Self::Alias { target, .. } | Self::AsmAlias { target, .. } => {
                vec![function(target, false)]
            }
            Self::AsmFunction { target, .. } => vec![function(target, false)],
            Self::AsmTableEntry { function: name, .. } => vec![function(name, false)],
            Self::TableEntry { function: name, .. } => vec![function(name, true)],
            Self::Constructor { variable: name, .. } => vec![variable(name, true)],
            Self::Version {
                data,
                function: name,
                ..
            } => {
                let data = data.iter().map(|name| variable(name, true));
                data.chain(name.iter().map(|name| function(name, true)))
                    .collect()
            }
            Self::WeakAddress { name } => vec![Reference {
                is_weak: true,
                ..function(name, false)
            }],
            Self::Variable { .. } | Self::AsmVariable { .. } | Self::Comdat { .. } => Vec::new(),
        }
    }
}

impl Statement {
    /// Returns the names that the statement refers to.
    pub(crate) fn references(&self) -> Vec<Reference<'_>> {
        let of = |name, kind, is_in_c| Reference {
            name,
            kind,
            is_weak: false,
            is_in_c,
        };
        match self {
            Self::Call { callee, how, .. } => {
                let is_in_c = matches!(
                    how,
                    How::C | How::Pointer | How::Asm(Spelling::FunctionOperand)
                );
                vec![of(callee, Kind::Function, is_in_c)]
            }
            Self::WeakCall { callee, .. } => vec![Reference {
                is_weak: true,
                ..of(callee, Kind::Function, true)
            }],
            Self::Read {
                variable, by_asm, ..
            }
            | Self::Write {
                variable, by_asm, ..
            } => {
                vec![of(variable, Kind::Variable, !by_asm)]
            }
            Self::Difference { first, second } => [first, second]
                .map(|name| of(name, Kind::Function, false))
                .to_vec(),
            Self::TableEntry { function, .. } => vec![of(function, Kind::Function, false)],
            Self::ReadVersion { name } => vec![of(name, Kind::Version, true)],
            Self::CallHandler { .. } | Self::WalkTable { .. } | Self::Label { .. } => Vec::new(),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The reasons why a definition is a root.

use std::fmt;
use std::path::PathBuf;

/// The kind of reason for definitions that their source marks as used.
pub(crate) const USED: &str = "used";

/// The kind of reason for definitions that modules may use.
pub(crate) const EXPORTED: &str = "exported";

/// The kind of reason for functions that stay global because of their callers.
pub(crate) const FREED_CALLERS: &str = "freed-callers";

/// The reason why a definition is a root. Its text is the kind of the reason, a tab, and the user
/// or an explanation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// An object of native code refers to it.
    Native(String),
    /// Modules may use it: the object has an entry for it in the table of exports.
    Exported(String),
    /// Module-level assembly of a bitcode object refers to it.
    ModuleAssembly(String),
    /// Inline assembly in a function of a bitcode object names it.
    InlineAssembly(String),
    /// Its inline assembly defines a symbol, to which others may refer.
    DefinesInAssembly(String),
    /// It is weak: the last link may bring another definition.
    Weak(String),
    /// A weak definition refers to it. Another definition in the place of the weak one is likely to refer to
    /// it, too.
    BehindWeak(String),
    /// It is in a section that is a table: code may walk through all entries.
    InTable(String),
    /// It is a function of the C library: code generation may make calls of it that are not in the bitcode.
    LibraryCall,
    /// A source or object that only the last link takes names it.
    LastLink(PathBuf),
    /// Generated code refers to it, and nothing else shows that.
    GeneratedCode(String),
    /// A file names it.
    NamedIn(PathBuf),
    /// modpost or the module loader looks it up.
    Module,
    /// It stays in memory, and only code that refers to freed memory calls it. If it were local to its
    /// object, the compiler would replace its parameters by the arguments that all callers pass, even if
    /// these are addresses in freed memory, and modpost would report a section mismatch.
    FreedCallers,
    /// A file of patterns keeps it.
    Kept {
        /// The pattern that its name matches.
        pattern: String,
        /// The reason that the file gives.
        why: String,
    },
    /// Its source marks it as used: an entry of a section table, an export, or a symbol of its own object's
    /// assembly.
    Used,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native(object) => write!(f, "native\t{object}"),
            Self::Exported(object) => write!(f, "{EXPORTED}\t{object}"),
            Self::ModuleAssembly(object) => write!(f, "module-assembly\t{object}"),
            Self::InlineAssembly(object) => write!(f, "inline-assembly\t{object}"),
            Self::DefinesInAssembly(object) => write!(f, "defines-in-assembly\t{object}"),
            Self::Weak(object) => write!(f, "weak\t{object}"),
            Self::BehindWeak(symbol) => write!(f, "behind-weak\t{symbol}"),
            Self::InTable(section) => write!(f, "in-table\t{section}"),
            Self::LibraryCall => {
                f.write_str("library-call\tcode generation may call it wherever C does the same")
            }
            Self::LastLink(file) => write!(f, "last-link\t{}", file.display()),
            Self::GeneratedCode(object) => write!(f, "generated-code\t{object}"),
            Self::NamedIn(file) => write!(f, "named-in\t{}", file.display()),
            Self::Module => f.write_str("module\tthe module loader and modpost look it up"),
            Self::FreedCallers => {
                write!(
                    f,
                    "{FREED_CALLERS}\tonly code that is freed passes anything to it"
                )
            }
            Self::Kept { pattern, why } => write!(f, "kept\t{pattern}: {why}"),
            Self::Used => write!(f, "{USED}\tmarked as used in its source"),
        }
    }
}

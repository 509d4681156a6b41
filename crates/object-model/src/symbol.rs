// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Symbols, the same for ELF and bitcode.

use std::fmt;

/// Position of a symbol in its object's symbol table.
///
/// For ELF the index that relocations use (0 is the null symbol, which is not listed). For
/// bitcode the position in the symbol table that clang wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolIndex(pub usize);

/// Index of a section in an ELF file's section table; 0 is the null section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionIndex(pub usize);

/// The scope of a symbol's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Binding {
    /// Known only within its object.
    Local,
    /// Known to every object of the link.
    Global,
    /// Like global, but a global definition replaces it; an undefined one may stay undefined.
    Weak,
}

/// Whether, and how, a symbol is defined in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Definition {
    /// Defined elsewhere.
    Undefined,
    /// Defined in a section (in bitcode: in a value that gets one).
    Defined,
    /// A tentative definition, for which the linker allocates space.
    Common,
    /// A number without a section.
    Absolute,
}

/// Whether other components of a program see a global symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Visibility {
    /// Visible, and may be replaced.
    Default,
    /// Not visible. ELF's internal visibility is treated as hidden.
    Hidden,
    /// Visible, and may not be replaced.
    Protected,
}

/// The kind of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SymbolKind {
    /// Unknown: an assembly label, an undefined symbol, a symbol of module assembly.
    Unknown,
    /// A function.
    Function,
    /// A variable or constant.
    Data,
    /// A function that returns the address of a function (`STT_GNU_IFUNC`).
    IndirectFunction,
    /// The section itself.
    Section,
    /// The name of the source file.
    File,
}

/// One symbol of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'data> {
    /// Its place in the symbol table.
    pub index: SymbolIndex,
    /// Its name as the linker sees it. Empty for section symbols of ELF.
    pub name: &'data str,
    /// The scope of its name.
    pub binding: Binding,
    /// Whether it is defined here.
    pub definition: Definition,
    /// Its visibility.
    pub visibility: Visibility,
    /// Its kind.
    pub kind: SymbolKind,
    /// ELF: the section it is defined in. Bitcode: `None`.
    pub section: Option<SectionIndex>,
    /// ELF: the name of that section. Bitcode: the section that the source asks for, if it does; unknown
    /// for module assembly.
    pub section_name: Option<&'data str>,
    /// ELF: `st_value`, an offset into the section in relocatable files and an address in others.
    /// Bitcode: 0.
    pub value: u64,
    /// ELF: `st_size` in bytes. Bitcode: size of a common symbol in bytes, otherwise 0.
    pub size: u64,
    pub(crate) flags: SymbolFlags,
}

/// The yes-or-no properties of a symbol.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SymbolFlags(u8);

impl SymbolFlags {
    pub(crate) const USED: u8 = 1;
    pub(crate) const EXECUTABLE: u8 = 1 << 1;
    pub(crate) const FROM_ASM: u8 = 1 << 3;
    pub(crate) const FORMAT_SPECIFIC: u8 = 1 << 5;

    pub(crate) fn set(&mut self, flag: u8, on: bool) {
        if on {
            self.0 |= flag;
        }
    }

    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

impl fmt::Debug for SymbolFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#08b}", self.0)
    }
}

impl Symbol<'_> {
    /// Returns whether the compiler must keep it even without references in the bitcode: `used`
    /// variables and functions, library functions that code generation may call, undefined
    /// symbols of module assembly. Bitcode only.
    pub fn is_used(&self) -> bool {
        self.flags.has(SymbolFlags::USED)
    }

    /// Returns whether it is code. In bitcode, every symbol defined by module assembly counts as code,
    /// because the symbol table does not tell.
    pub fn is_executable(&self) -> bool {
        self.flags.has(SymbolFlags::EXECUTABLE)
    }

    /// Returns whether it comes from module-level assembly. Bitcode only.
    pub fn is_from_asm(&self) -> bool {
        self.flags.has(SymbolFlags::FROM_ASM)
    }

    /// Returns whether it belongs to the format and is no name for the linker: ELF section and file
    /// symbols, mapping symbols (`$x`, `$d`), `llvm.` names of bitcode.
    pub fn is_format_specific(&self) -> bool {
        self.flags.has(SymbolFlags::FORMAT_SPECIFIC)
    }

    /// Returns whether the object defines it; common and absolute symbols count, too.
    pub fn is_defined(&self) -> bool {
        self.definition != Definition::Undefined
    }

    /// Returns whether it is defined elsewhere.
    pub fn is_undefined(&self) -> bool {
        self.definition == Definition::Undefined
    }

    /// Returns whether its name is known only within its object.
    pub fn is_local(&self) -> bool {
        self.binding == Binding::Local
    }
}

/// Returns whether `text` is a decimal number, of any length.
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the source name of the symbol `name`, without the suffixes that LLVM appends: `.llvm.<hash>`
/// for a static that thin LTO promoted (`ModuleSummaryIndex::getGlobalNameForLocal`), `.<number>` for
/// one of several symbols of a name, `.specialized.<number>` and `.cold` for a variant or a part of a
/// function. A static of a function, `<function>.<name>`, keeps its name.
pub fn source_name(name: &str) -> &str {
    let mut source = name;
    while let Some((before, last)) = source.rsplit_once('.') {
        let is_number = is_number(last);
        if before.is_empty() || !(is_number || last == "cold") {
            break;
        }
        let kind = [".llvm", ".specialized"]
            .iter()
            .filter(|_| is_number)
            .find_map(|kind| before.strip_suffix(kind));
        source = kind.filter(|name| !name.is_empty()).unwrap_or(before);
    }
    source
}

#[cfg(test)]
mod tests {
    use super::source_name;

    #[test]
    fn what_compilers_append_is_taken_off() {
        for (symbol, name) in [
            ("vfs_read", "vfs_read"),
            ("init.llvm.123456", "init"),
            ("show.5", "show"),
            ("show.5.llvm.77", "show"),
            ("parse.cold", "parse"),
            ("parse.specialized.1", "parse"),
            ("parse.buffer", "parse.buffer"),
            (".Ltmp1", ".Ltmp1"),
            (".llvm.1", ".llvm"),
        ] {
            assert_eq!(source_name(symbol), name);
        }
    }
}

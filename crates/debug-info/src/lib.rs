// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the debug information (DWARF) of a kernel or module, and compares it with the symbol table, the machine code
//! and the debug information of the same source built in another way.
//!
//! LTO generates code of several source files as one. A debugger still needs, for each address, the function, the
//! functions inlined there, and the line. [`DebugInfo::read`] collects the functions and, from the machine code,
//! every call with its place in the source; [`DebugInfo::symbol_faults`] compares with the symbol table, and
//! [`DebugInfo::differences`] with another build.
//!
//! **Invariant:** knows debug information, symbols and calls of one ELF file. It starts no process and opens no file.
//!
//! Sources: the DWARF standard, versions 4 and 5; the ELF specification (compressed sections); the Arm Architecture
//! Reference Manual (`BL`, `BLR`).
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod calls;
mod compare;
mod entries;
mod lines;
mod sections;
mod symbols;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use object_model::{Elf, Image, ReadError};

pub use compare::{Compared, Difference};
pub use symbols::SymbolFault;

use calls::CodeCalls;
use entries::Entries;
use sections::Sections;

/// The reason why debug information cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file contradicts itself.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A section of debug information is damaged.
    #[error("{section}: {reason}")]
    Section {
        /// Its name.
        section: String,
        /// The fault.
        reason: String,
    },
    /// The content of debug information is damaged.
    #[error("debug information: {0}")]
    Dwarf(#[from] gimli::Error),
}

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file. A path below one of the prefixes of [`DebugInfo::read`] is relative to it.
    pub file: Rc<str>,
    /// The line.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A function with code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The name that it has in the source.
    pub name: Rc<str>,
    /// The name that its symbol has, if the debug information says another.
    pub linkage_name: Option<Rc<str>>,
    /// The place of its definition.
    pub place: Option<Place>,
    /// Its address, that of [`Image`].
    pub address: u64,
}

/// A call in the source, whether it was inlined or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The function that contains the call in the source.
    pub caller: Rc<str>,
    /// The called function.
    pub callee: Rc<str>,
    /// The place of the call.
    pub place: Place,
}

/// A call of a pointer to a function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndirectCall {
    /// The function that contains the call in the source.
    pub caller: Rc<str>,
    /// The place of the call.
    pub place: Place,
}

/// A call instruction that debug information knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its address, that of [`Image`].
    pub address: u64,
    /// The function that contains the call in the source, which may be inlined here.
    pub function: Rc<str>,
    /// The place of the call.
    pub place: Place,
}

/// The debug information of a kernel or module.
#[derive(Debug, Default)]
pub struct DebugInfo {
    /// The functions with code, by address.
    pub functions: Vec<Function>,
    /// The lines of the definitions of each function, by its name and file; also of those without code.
    pub definitions: BTreeMap<(Rc<str>, Rc<str>), BTreeSet<u64>>,
    /// The calls, inlined ones included.
    pub calls: BTreeSet<Call>,
    /// The calls of pointers.
    pub indirect: BTreeSet<IndirectCall>,
    /// The call instructions in functions, by address.
    pub sites: Vec<Site>,
    /// The number of call instructions. 0 on machines whose calls are not known.
    pub n_call_instructions: usize,
    /// The number of call instructions without a line. The compiler has merged several calls into one, or has made a call
    /// that the source does not have.
    pub n_without_line: usize,
    /// The addresses of code from C.
    compiled: Vec<Range<u64>>,
}

impl DebugInfo {
    /// Reads the debug information of `elf`; `None` if it has none. Paths that begin with one of `prefixes`, which are
    /// directories, become relative.
    ///
    /// # Errors
    /// A section of debug information is damaged or compressed in an unknown way, or its content is damaged.
    pub fn read(elf: &Elf<'_>, prefixes: &[String]) -> Result<Option<Self>, Error> {
        let image = Image::new(elf);
        let Some(sections) = Sections::of(&image)? else {
            return Ok(None);
        };
        let dwarf = sections.dwarf();
        let mut calls = CodeCalls::of(&image)?;
        let mut entries = Entries::new(prefixes);
        let mut units = dwarf.units();
        while let Some(header) = units.next()? {
            let unit = dwarf.unit(header)?;
            entries.add_unit(&dwarf, &unit, &mut calls)?;
        }
        Ok(Some(entries.finish(&image, calls)))
    }

    /// Returns whether code from C is at this address.
    fn is_compiled(&self, address: u64) -> bool {
        let behind = self
            .compiled
            .partition_point(|range| range.start <= address);
        let before = behind
            .checked_sub(1)
            .and_then(|index| self.compiled.get(index));
        before.is_some_and(|range| range.contains(&address))
    }
}

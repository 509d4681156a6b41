// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Exports that a link can drop.
//!
//! From Linux 6.5 on, `TRIM_UNUSED_KSYMS` makes modpost leave out the exports that no module uses, once vmlinux.o is
//! linked. By then it is too late to drop what they refer to. So the list of used exports is made before that link,
//! of the same files, and `kconfig/lto-link/native/lto_export.h` makes each export of C a variable that a link can
//! drop. modpost then finds only the used exports.
//!
//! Sources: `check_exports`, `handle_white_list_exports` and `keep_no_trim_symbols` in `scripts/mod/modpost.c`;
//! `symbol_get` in `include/linux/module.h`.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use object_model::{Input, InputError, Object};

use crate::error::RootError;
use crate::read::inputs::object_name;
use crate::resolve::resolution::Resolution;

/// The section of the entries from which modpost makes the table of exports, and the beginning of their names.
const ENTRIES: &str = ".export_symbol";
const ENTRY: &str = "__export_symbol_";

/// The section with the names of exports that are looked up by their names.
const LOOKED_UP: &str = ".no_trim_symbol";

/// modpost adds this name to those that a module needs, for the versions of the structures in a module.
const OF_EACH_MODULE: &str = "module_layout";

/// Returns the name of the definition that the variable `name` in `section` exports, if it is an export.
pub(crate) fn exported_by<'data>(name: &'data str, section: &str) -> Option<&'data str> {
    name.strip_prefix(ENTRY).filter(|_| section == ENTRIES)
}

/// The exports of a link that something uses.
#[derive(Debug)]
pub(crate) enum Used {
    All,
    /// Only the exports with these names.
    Some(HashSet<String>),
}

impl Used {
    /// Reads the names in the list at `path`, and those that the linked objects look up. Without a list all exports
    /// are used.
    ///
    /// # Errors
    /// The list or an object cannot be read.
    pub(crate) fn read(path: Option<&Path>, resolution: &Resolution) -> Result<Self, RootError> {
        let Some(path) = path else {
            return Ok(Self::All);
        };
        let list = fs::read_to_string(path);
        let list = list.map_err(|error| RootError::Read(path.to_owned(), error))?;
        let mut names: HashSet<String> = list.lines().map(str::to_owned).collect();
        for input in resolution.linked() {
            names.extend(looked_up(input).map_err(RootError::Object)?);
        }
        Ok(Self::Some(names))
    }

    /// Returns whether something uses the export of `name`.
    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.contains(name),
        }
    }
}

/// Returns the names of exports that the object looks up. In bitcode these are all strings outside of functions, if
/// there is a name to look up among them.
fn looked_up(input: &Input) -> Result<Vec<String>, InputError> {
    let strings = match &input.object {
        Object::Bitcode(bitcode) => bitcode.strings_beside(LOOKED_UP),
        Object::Elf(elf) => {
            let section = elf.section_by_name(LOOKED_UP);
            let strings = section.map(|section| section.data).unwrap_or_default();
            Ok(strings
                .split(|byte| *byte == 0)
                .map(<[u8]>::to_vec)
                .collect())
        }
    };
    let strings = strings.map_err(|error| input.locate(error))?;
    let texts = strings.into_iter();
    Ok(texts
        .filter_map(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| !text.is_empty())
        .collect())
}

/// A module whose undefined symbols are not known yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{module} is bitcode, which does not show all symbols that its code needs; modules must be linked to native code \
     before vmlinux.o is"
)]
pub struct BitcodeModule {
    module: String,
}

/// The exports that `modules` use, and modules of which that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedExports {
    /// The names, sorted.
    pub names: BTreeSet<String>,
    /// The faults, in the order of the modules.
    pub faults: Vec<BitcodeModule>,
}

/// Returns the names that `modules` leave undefined or look up. Some of them are no exports of vmlinux.
///
/// # Errors
/// The first damaged module.
pub fn used_exports(modules: &[Input]) -> Result<UsedExports, InputError> {
    let mut used = UsedExports::default();
    for input in modules {
        if input.object.as_bitcode().is_some() {
            let module = object_name(input);
            used.faults.push(BitcodeModule { module });
            continue;
        }
        let symbols = input.object.linker_symbols();
        let undefined = symbols.filter(|symbol| symbol.is_undefined() && !symbol.name.is_empty());
        used.names
            .extend(undefined.map(|symbol| symbol.name.to_owned()));
        used.names.extend(looked_up(input)?);
    }
    if !modules.is_empty() {
        used.names.insert(OF_EACH_MODULE.to_owned());
    }
    Ok(used)
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The functions that LTO renamed, and that kallsyms must know by their names of the source.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use object_tree::restored_names;
use tool_io::Files;

use crate::modules::Module;

/// The path in the guest of the list, which has a line for each function: its name as in `/proc/kallsyms`.
pub const LIST: &str = "names";

/// Returns the list for the kernel in `objtree` and these modules. It is empty if lto-link did not link the
/// kernel.
///
/// # Errors
/// A file cannot be read.
pub fn list(objtree: &Path, modules: &[Module]) -> anyhow::Result<String> {
    let mut list = of_file(&objtree.join("vmlinux"), "")?;
    for module in modules {
        list.push_str(&of_file(&module.path, &format!(" [{}]", module.name))?);
    }
    Ok(list)
}

/// Returns the lines for a linked file, which lies beside its object.
fn of_file(path: &Path, owner: &str) -> anyhow::Result<String> {
    let restored = restored_names(&path.with_extension("o"))?;
    let restored: BTreeSet<_> = restored
        .iter()
        .map(|name| name.source_name.as_str())
        .collect();
    if restored.is_empty() {
        return Ok(String::new());
    }
    let files = Files::new();
    let elf = files.elf(path)?;
    // kallsyms of some kernels has only what lies between the marks of text and of init text.
    let is_listed = |name: &str| name.starts_with(".text") || name.starts_with(".init.text");
    let functions = elf.symbols().iter().filter(|symbol| {
        elf.is_function(symbol)
            && symbol.section_name.is_some_and(is_listed)
            && restored.contains(symbol.name)
    });
    let mut lines = String::new();
    for name in functions.map(|symbol| symbol.name).collect::<BTreeSet<_>>() {
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{name}{owner}");
    }
    Ok(lines)
}

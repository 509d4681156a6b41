// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! CRCs of exported symbols: in `Module.symvers`, in the files that export, in those that use.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use modversions::{CrcForm, Symvers, SymversFault};
use object_tree::Objtree;

use super::Finding;
use super::prefixed::prefixed;

const SYMVERS: &str = "Module.symvers";

/// CRCs are there, are not zero, are those of the kernel to compare with, and those in the built
/// files.
pub fn check(tree: &Objtree, against: Option<&Objtree>) -> anyhow::Result<Finding> {
    if !tree.settings.is_set("MODVERSIONS") {
        return Ok(Finding::not_applicable(
            "the kernel is configured without MODVERSIONS",
        ));
    }
    let symvers = match Symvers::parse(&text_of_symvers(&tree.root)?) {
        Ok(symvers) => symvers,
        Err(fault) => {
            let faults = prefixed(SYMVERS, &[fault]);
            return Ok(Finding::new("the CRCs are not known".to_owned(), faults));
        }
    };
    let mut found = symvers.zero_crcs();
    let mut n_unused = 0;
    if let Some(against) = against {
        let reference = Symvers::parse(&text_of_symvers(&against.root)?)
            .with_context(|| against.root.join(SYMVERS).display().to_string())?;
        found.extend(symvers.differences(&reference));
        // A module that drops what nothing references uses less, and less is exported for it.
        if tree.settings.is_set("TRIM_UNUSED_KSYMS") {
            let n_found = found.len();
            let used = used_by_modules(tree);
            found.retain(|fault| match fault {
                SymversFault::Lost { symbol, .. } => used.contains(symbol.as_str()),
                _ => true,
            });
            n_unused = n_found - found.len();
        }
    }
    let n_good = symvers.len().saturating_sub(found.len());
    let mut faults = prefixed(SYMVERS, &found);
    let (mut n_exported, mut n_used, mut n_in_tables) = (0, 0, 0);
    let has_distances = tree.settings.is_set("HAVE_ARCH_PREL32_RELOCATIONS");
    let form = if tree.settings.is_set("MODULE_REL_CRCS") {
        CrcForm::Relative
    } else {
        CrcForm::InPlace
    };
    for (artefact, elf) in tree.running() {
        let (n_crcs, found) = modversions::check_exports(elf, artefact.exporter(), &symvers);
        n_exported += n_crcs;
        faults.extend(prefixed(artefact, &found));
        if has_distances {
            let (n_entries, found) = modversions::check_table(elf, form, &symvers)
                .with_context(|| artefact.to_string())?;
            n_in_tables += n_entries;
            faults.extend(prefixed(artefact, &found));
        }
        if elf.is_relocatable() {
            let (n_crcs, found) = modversions::check_uses(elf, &symvers);
            n_used += n_crcs;
            faults.extend(prefixed(artefact, &found));
        }
    }
    if has_distances && n_in_tables < symvers.len() {
        faults.push(format!(
            "{SYMVERS}: {} exports, and {n_in_tables} entries of the tables of exports have a CRC",
            symvers.len()
        ));
    }
    let figure = format!(
        "{n_good} of {} {}; {n_exported} in the files that export, {n_used} in those that use, \
         {n_in_tables} in the tables that the kernel reads",
        symvers.len(),
        match against {
            Some(_) => "equal to the build to compare with",
            None => "set",
        }
    ) + &match n_unused {
        0 => String::new(),
        n => format!("; {n} that only modules of the other build use are not exported"),
    };
    Ok(Finding::new(figure, faults))
}

/// Returns the undefined symbols of all modules.
fn used_by_modules<'files>(tree: &Objtree<'files>) -> BTreeSet<&'files str> {
    let modules = tree.running().filter(|(_, elf)| elf.is_relocatable());
    let symbols = modules.flat_map(|(_, elf)| elf.symbols());
    symbols
        .filter(|symbol| symbol.is_undefined())
        .map(|symbol| symbol.name)
        .collect()
}

fn text_of_symvers(root: &Path) -> anyhow::Result<String> {
    let path = root.join(SYMVERS);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

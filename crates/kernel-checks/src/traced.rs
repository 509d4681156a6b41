// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The tables of what the function tracer patches.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use mcount_loc::{Error, Fault};
use object_model::{Elf, SectionIndex, source_name};
use object_tree::{Artefact, Objtree};

use super::Finding;
use super::functions::{by_source_name, starts};
use super::prefixed::prefixed;

/// Checks that every entry call has a record, that every record refers to one, and that the same functions
/// can be traced as in the kernel to compare with.
pub fn mcount(tree: &Objtree, against: Option<&Objtree>) -> anyhow::Result<Finding> {
    if !tree.settings.is_set("FTRACE_MCOUNT_RECORD") {
        let reason = "the kernel is configured without FTRACE_MCOUNT_RECORD";
        return Ok(Finding::not_applicable(reason));
    }
    let linked = match mcount_loc::check(&tree.vmlinux) {
        Err(error @ Error::Machine { .. }) => {
            return Ok(Finding::not_applicable(&format!("vmlinux {error}")));
        }
        other => other.context("vmlinux")?,
    };
    let (linked, linked_faults) = linked;
    let mut faults = prefixed(Artefact::Vmlinux, &linked_faults);
    faults.extend(tree.object_fault());
    let mut n_in_modules = 0;
    let mut n_left_out = 0;
    for (artefact, elf) in tree.relocatable() {
        let (report, mut found) = mcount_loc::check(elf).with_context(|| artefact.to_string())?;
        if !tree.has_lto() {
            let n_found = found.len();
            found.retain(|fault| !matches!(fault, Fault::Missing { .. }));
            n_left_out += n_found - found.len();
        }
        faults.extend(prefixed(artefact, &found));
        if report.n_records == 0 && report.n_patchable > 0 {
            faults.push(format!(
                "{artefact}: {} functions begin with the no-ops of the tracer, and it has no \
                 __patchable_function_entries; run make again",
                report.n_patchable
            ));
        }
        if artefact != Artefact::VmlinuxO {
            n_in_modules += report.n_records;
        } else if report.n_records != linked.n_records {
            faults.push(format!(
                "vmlinux: expected the {} records of vmlinux.o, found {}",
                report.n_records, linked.n_records
            ));
        }
    }
    if linked.n_records == 0 && linked_faults.is_empty() {
        faults.push("vmlinux: has no records at all".to_owned());
    }
    let mut figures = vec![format!(
        "{} records in vmlinux, {n_in_modules} in {} modules",
        linked.n_records,
        tree.modules.len()
    )];
    // It passes over every object with the name of ftrace's own.
    if n_left_out > 0 {
        figures.push(format!("recordmcount left out {n_left_out} calls"));
    }
    if let Some(against) = against {
        let compared = compare(tree, against)?;
        faults.extend(compared.faults);
        figures.push(format!(
            "{} names of traced functions as in the build to compare with",
            compared.n_equal
        ));
    }
    Ok(Finding::new(figures.join("; "), faults))
}

/// The result of a comparison.
#[derive(Debug, Default)]
struct Compared {
    /// Names of functions that can be traced in both.
    n_equal: usize,
    faults: Vec<String>,
}

fn compare(tree: &Objtree, against: &Objtree) -> anyhow::Result<Compared> {
    let unrecorded = unrecorded(against)?;
    let mut compared = Compared::default();
    for (artefact, elf) in tree.running() {
        let Some(other) = against.elf(artefact) else {
            continue;
        };
        let counts = |elf| counts(elf).with_context(|| artefact.to_string());
        let (found, expected) = (counts(elf)?, counts(other)?);
        let of_file = compare_counts(&found, &expected, &unrecorded);
        compared.n_equal += of_file.n_equal;
        let faults = of_file.faults.into_iter();
        compared
            .faults
            .extend(faults.map(|fault| format!("{artefact}: {fault}")));
    }
    Ok(compared)
}

/// Source names of the functions of vmlinux that have an entry call and no record.
fn unrecorded(tree: &Objtree) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    if let Some(object) = &tree.object {
        let (_, faults) = mcount_loc::check(object).context("vmlinux.o")?;
        for fault in faults {
            if let Fault::Missing { function, .. } = fault {
                names.insert(source_name(&function).to_owned());
            }
        }
    }
    Ok(names)
}

/// How many functions have a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    all: usize,
    traced: usize,
}

impl Count {
    const fn untraced(self) -> usize {
        self.all - self.traced
    }
}

/// The functions of `elf` by source name.
fn counts<'data>(elf: &Elf<'data>) -> anyhow::Result<BTreeMap<&'data str, Count>> {
    let traced: BTreeSet<(SectionIndex, u64)> = mcount_loc::sites(elf)?
        .iter()
        .filter_map(|site| elf.symbol(site.function?))
        .filter_map(|symbol| Some((symbol.section?, symbol.value)))
        .collect();
    let functions = by_source_name(elf).into_iter();
    let count = |(name, functions): (_, Vec<_>)| {
        let starts = starts(&functions);
        let count = Count {
            all: starts.len(),
            traced: starts.intersection(&traced).count(),
        };
        (name, count)
    };
    Ok(functions.map(count).collect())
}

/// Holds the functions of one file against those of the same file in another build. One that is
/// not there was inlined, or nothing calls it. `unrecorded` can be traced in `expected`, but for a
/// record.
fn compare_counts(
    found: &BTreeMap<&str, Count>,
    expected: &BTreeMap<&str, Count>,
    unrecorded: &BTreeSet<String>,
) -> Compared {
    let mut compared = Compared::default();
    for (name, expected) in expected {
        let Some(found) = found.get(name) else {
            continue;
        };
        if found.traced > 0 && expected.traced > 0 {
            compared.n_equal += 1;
        }
        // A namesake that is a function here only, and inlined there, may be traced or not.
        let here_only = found.all.saturating_sub(expected.all);
        if expected.traced > 0 && found.untraced() > expected.untraced() + here_only {
            compared.faults.push(format!(
                "{name} has no record, but has one in the build to compare with \
                 ({} of {} functions of this name, there {} of {})",
                found.traced, found.all, expected.traced, expected.all
            ));
        }
        if found.traced > here_only && expected.traced == 0 && !unrecorded.contains(*name) {
            compared.faults.push(format!(
                "{name} has a record, and has none in the build to compare with"
            ));
        }
    }
    compared
}

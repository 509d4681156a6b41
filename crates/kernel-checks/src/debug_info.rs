// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Debug information: the functions, their lines and the calls in the source.

use anyhow::Context as _;
use debug_info::{Compared, DebugInfo};
use object_model::Elf;
use object_tree::{Artefact, Objtree};

use super::Finding;
use super::prefixed::prefixed;

/// Checks that the debug information of vmlinux and of modules has the functions of their symbol tables and, compared
/// with another build, the same lines and calls.
pub fn check(tree: &Objtree, against: Option<&Objtree>) -> anyhow::Result<Finding> {
    if !tree.settings.is_set("DEBUG_INFO") {
        let reason = "the kernel is configured without DEBUG_INFO";
        return Ok(Finding::not_applicable(reason));
    }
    if tree.settings.is_set("DEBUG_INFO_SPLIT") {
        let reason = "the debug information is in .dwo files, which are not read";
        return Ok(Finding::not_applicable(reason));
    }
    let against = against.filter(|against| against.settings.is_set("DEBUG_INFO"));
    let mut faults = Vec::new();
    let mut n_functions = 0;
    let mut n_instructions = 0;
    let mut n_without_line = 0;
    let mut all = Compared::default();
    for (artefact, elf) in tree.running() {
        let Some(info) = read(tree, artefact, elf)? else {
            faults.push(format!(
                "{artefact}: has no debug information, and the configuration has CONFIG_DEBUG_INFO"
            ));
            continue;
        };
        let (n_equal, found) = info.symbol_faults(elf);
        n_functions += n_equal;
        n_instructions += info.n_call_instructions;
        n_without_line += info.n_without_line;
        faults.extend(prefixed(artefact, &found));
        let other = against.and_then(|against| Some((against, against.elf(artefact)?)));
        if let Some((against, other)) = other
            && let Some(other) = read(against, artefact, other)?
        {
            let Compared {
                n_functions,
                n_calls,
                n_direct_now,
                n_made,
                differences,
            } = info.differences(&other);
            faults.extend(prefixed(artefact, &differences));
            all.n_functions += n_functions;
            all.n_calls += n_calls;
            all.n_direct_now += n_direct_now;
            all.n_made += n_made;
        }
    }
    let mut figures = vec![format!(
        "{n_functions} functions as in the symbol tables; {n_without_line} of {n_instructions} call instructions \
         without a line"
    )];
    if against.is_some() {
        let Compared {
            n_functions,
            n_calls,
            n_direct_now,
            n_made,
            ..
        } = all;
        figures.push(format!(
            "{n_functions} definitions and {n_calls} calls have the lines of the build to compare with; {n_direct_now} \
             calls go to a pointer there, {n_made} are made by the compiler"
        ));
    }
    Ok(Finding::new(figures.join("; "), faults))
}

/// Returns the debug information of a file, with paths relative to the source or the object tree.
fn read(tree: &Objtree, artefact: Artefact, elf: &Elf<'_>) -> anyhow::Result<Option<DebugInfo>> {
    let roots = [tree.root.clone(), tree.root.join("source")];
    let prefixes = roots.iter().filter_map(|root| root.canonicalize().ok());
    let prefixes: Vec<_> = prefixes.map(|root| root.display().to_string()).collect();
    DebugInfo::read(elf, &prefixes).with_context(|| format!("{}: {artefact}", tree.root.display()))
}

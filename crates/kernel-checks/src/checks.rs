// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The checks, each of them a plugin's, over the files of an object tree.

use std::collections::BTreeSet;

use anyhow::Context as _;
use initcall_order::{Collector, Tables};
use lto_link::Suffixed;
use object_model::Elf;
use object_tree::{Artefact, Link, LinkedBy, Module, Objtree, text_if_there};
use section_merge::{ObjectFault, Reference};

use super::Finding;
use super::links::{mod_is_missing, no_link};
use super::prefixed::prefixed;

/// The linker script that a kernel with native LTO leaves of its link.
const SCRIPT: &str = ".tmp_initcalls.lds";

/// Initcalls run in link order, and in the order of the kernel to compare with.
pub fn initcalls(tree: &Objtree, against: Option<&Objtree>) -> anyhow::Result<Finding> {
    if !tree.settings.is_set("HAVE_ARCH_PREL32_RELOCATIONS") {
        return Ok(Finding::not_applicable(
            "the tables of this architecture are not relative",
        ));
    }
    let (found, faults) = Tables::of_kernel(&tree.vmlinux).context("vmlinux")?;
    let mut faults = prefixed(Artefact::Vmlinux, &faults);
    let mut references = Vec::new();
    if tree.has_lto()
        && let Some(link) = tree.link()?
    {
        references.push("the link order");
        faults.extend(link_order_faults(tree, link, &found)?);
    }
    if let Some(against) = against {
        let reference = "the build to compare with";
        let (expected, _) = Tables::of_kernel(&against.vmlinux).context(reference)?;
        faults.extend(prefixed(
            Artefact::Vmlinux,
            &found.differences(&expected, reference),
        ));
        references.push(reference);
    }
    if references.is_empty() && faults.is_empty() {
        return if tree.has_lto() {
            no_link(tree)
        } else {
            Ok(Finding::not_applicable(
                "the kernel is configured without LTO, and there is no build to compare with",
            ))
        };
    }
    let figure = format!(
        "{} of {} as in {}",
        found.len().saturating_sub(faults.len()),
        found.len(),
        references.join(" and ")
    );
    Ok(Finding::new(figure, faults))
}

/// In what the tables, and the linker script that made them, differ from the order of the inputs.
fn link_order_faults(tree: &Objtree, link: &Link, found: &Tables) -> anyhow::Result<Vec<String>> {
    let mut collector = Collector::default();
    link.inputs.iter().for_each(|input| collector.add(input));
    let initcalls = match collector.finish() {
        Ok(initcalls) => initcalls,
        Err(faults) => return Ok(faults.iter().map(ToString::to_string).collect()),
    };
    let expected = Tables::of_link(&initcalls);
    let mut faults = prefixed(
        Artefact::Vmlinux,
        &found.differences(&expected, "the link order"),
    );
    // lto-link's has another name.
    if link.by == LinkedBy::Kbuild
        && let Some(script) = text_if_there(&tree.root.join(SCRIPT))?
    {
        let ours = initcalls.linker_script();
        let pairs = script.lines().zip(ours.lines()).enumerate();
        let mut different = pairs.filter(|(_, (found, expected))| found != expected);
        if let Some((index, (found, expected))) = different.next() {
            faults.push(format!(
                "{SCRIPT}:{}: expected \"{}\" by the link order, found \"{}\"",
                index + 1,
                expected.trim(),
                found.trim()
            ));
        } else if script != ours {
            faults.push(format!(
                "{SCRIPT}: expected {} lines by the link order, found {}",
                ours.lines().count(),
                script.lines().count()
            ));
        }
    }
    Ok(faults)
}

/// Every entry of every PREL32 table resolves, PCI fixups to the hook that they name in the kernel
/// to compare with.
pub fn prel32(tree: &Objtree, against: Option<&Objtree>) -> anyhow::Result<Finding> {
    if !tree.settings.is_set("HAVE_ARCH_PREL32_RELOCATIONS") {
        return Ok(Finding::not_applicable(
            "the tables of this architecture are not relative",
        ));
    }
    let mut total = prel32_fix::Report::default();
    let mut faults = Vec::new();
    for (artefact, elf) in tree.running() {
        let (report, found) = prel32_fix::check(elf).with_context(|| artefact.to_string())?;
        total.n_entries += report.n_entries;
        total.n_tables += report.n_tables;
        faults.extend(prefixed(artefact, &found));
    }
    if let Some(object) = &tree.object {
        let found = prel32_fix::lost(&tree.vmlinux, object);
        faults.extend(prefixed(Artefact::Vmlinux, &found));
    } else {
        faults.extend(tree.object_fault());
    }
    if let Some(against) = against {
        let found = prel32_fix::differences(&tree.vmlinux, &against.vmlinux);
        faults.extend(prefixed(Artefact::Vmlinux, &found));
    }
    let n_good = total.n_entries.saturating_sub(faults.len());
    let figure = format!(
        "{n_good} of {} entries of {} tables resolve",
        total.n_entries, total.n_tables
    );
    Ok(Finding::new(figure, faults))
}

/// Checks that modules have the same sections as without LTO, and that the kernel has the sections it looks up.
pub fn sections(tree: &Objtree, against: Option<&Objtree>) -> Finding {
    let mut faults = Vec::new();
    for Module { path, elf, .. } in &tree.modules {
        let reference = against.and_then(|against| against.module(path));
        let reference = reference.map(|module| Reference::of(&module.elf));
        let found = section_merge::check_module(elf, reference.as_ref());
        faults.extend(prefixed(Artefact::Module(path), &found));
    }
    if let Some(object) = &tree.object {
        let found = section_merge::check_once(&tree.vmlinux, object);
        faults.extend(found.map(|fault| format!("{}: {fault}", Artefact::Vmlinux)));
    } else {
        faults.extend(tree.object_fault());
    }
    let thunk = section_merge::check_thunks(&tree.vmlinux);
    faults.extend(thunk.map(|fault| format!("{}: {fault}", Artefact::Vmlinux)));
    let figure = format!("{} modules and vmlinux", tree.modules.len());
    Finding::new(figure, faults)
}

/// `.mod` files name each part, and each undefined symbol of their module, once.
pub fn mod_files(tree: &Objtree) -> anyhow::Result<Finding> {
    if tree.modules.is_empty() {
        return Ok(Finding::not_applicable("the kernel has no modules"));
    }
    let mut texts = Vec::new();
    let mut faults = Vec::new();
    for module in &tree.modules {
        match tree.text_beside(module, ".mod")? {
            Some(text) => texts.push((module, text)),
            None => faults.push(mod_is_missing(module)),
        }
    }
    // A file with one line has no form of its own: the other files show it.
    let has_line_per_part = texts
        .iter()
        .all(|(_, text)| mod_dedup::has_line_per_part(text));
    let is_trimmed = tree.settings.is_set("TRIM_UNUSED_KSYMS");
    let mut n_symbols = 0;
    for (module, text) in &texts {
        let object = || tree.files.object(&tree.beside(module, ".o"));
        let name = |suffix: &str| format!("{}{suffix}", module.path);
        if has_line_per_part {
            faults.extend(prefixed(name(".mod"), &mod_dedup::check_parts(text)));
            if let Some(text) = tree.text_beside(module, ".usyms")? {
                let found = mod_dedup::check_symbols(&text, &object()?)?;
                n_symbols += text.split_whitespace().count();
                faults.extend(prefixed(name(".usyms"), &found));
            }
        } else {
            // Only then are the undefined symbols listed.
            let object = is_trimmed.then(object).transpose()?;
            let found = mod_dedup::check(text, object.as_ref())?;
            n_symbols += text
                .lines()
                .nth(1)
                .unwrap_or_default()
                .split_whitespace()
                .count();
            faults.extend(prefixed(name(".mod"), &found));
        }
    }
    let symbols = match n_symbols {
        0 => "no used symbols, as nothing is trimmed by them".to_owned(),
        n => format!("{n} used symbols"),
    };
    Ok(Finding::new(
        format!("{} files, {symbols}", texts.len()),
        faults,
    ))
}

/// Checks that no code or data that stays in memory refers to freed memory.
pub fn section_mismatches(tree: &Objtree) -> anyhow::Result<Finding> {
    let mut faults = Vec::new();
    faults.extend(tree.object_fault());
    let mut n_references = 0;
    for (artefact, elf) in tree.relocatable() {
        let found = section_merge::mismatches(elf).with_context(|| artefact.to_string())?;
        n_references += found.n_references;
        if artefact == Artefact::VmlinuxO && found.n_references == 0 {
            faults.push(format!("{artefact}: {}", ObjectFault::NoReferences));
        }
        faults.extend(prefixed(artefact, &found.faults));
    }
    let figure = format!("{n_references} references from code and data that stay");
    Ok(Finding::new(figure, faults))
}

/// Returns the symbols of each running file whose names differ from the source.
pub fn suffixes<'tree>(tree: &'tree Objtree) -> Vec<(Artefact<'tree>, BTreeSet<Suffixed>)> {
    let suffixed = |(artefact, elf)| (artefact, lto_link::suffixed(elf));
    tree.running().map(suffixed).collect()
}

/// Finds symbols whose names differ from the source, and source names that several symbols share.
pub fn names(tree: &Objtree) -> anyhow::Result<Finding> {
    let found = suffixes(tree);
    let all = || found.iter().flat_map(|(_, suffixed)| suffixed);
    let count = |promoted: bool, kind| {
        let counted = all().filter(|s| s.name.contains(".llvm.") == promoted && s.kind == kind);
        counted.count()
    };
    let mut clashes = Vec::new();
    if let Some(link) = tree.link()? {
        let of_vmlinux = found
            .iter()
            .filter(|(artefact, _)| *artefact == Artefact::Vmlinux);
        let suffixed = of_vmlinux.flat_map(|(_, suffixed)| suffixed);
        clashes = prefixed(
            Artefact::Vmlinux,
            &lto_link::clashes(suffixed, &link.inputs),
        );
    }
    let figure = format!(
        "{} names restored; {} functions and {} objects promoted (.llvm.), {} and {} with another suffix; {} \
         promoted ones share their source name with a global of native code",
        restored_names(tree)?,
        count(true, "function"),
        count(true, "object"),
        count(false, "function"),
        count(false, "object"),
        clashes.len()
    );
    Ok(Finding {
        notes: clashes,
        ..Finding::new(figure, lost_names(tree)?)
    })
}

/// Returns the number of symbols of vmlinux and the modules that have their names of the source again.
fn restored_names(tree: &Objtree) -> anyhow::Result<usize> {
    let modules = tree.modules.iter().map(Module::artefact);
    let artefacts = [Artefact::VmlinuxO].into_iter().chain(modules);
    let counts = artefacts.map(|artefact| Ok(tree.restored_names(&artefact.object())?.len()));
    counts.sum()
}

/// Returns the faults of names that LTO changed: a name with a suffix that only one of vmlinux and vmlinux.o has
/// (the map would lack it), and a restored name that either lacks.
fn lost_names(tree: &Objtree) -> anyhow::Result<Vec<String>> {
    let Some(object) = &tree.object else {
        return Ok(tree.object_fault().into_iter().collect());
    };
    // The last link leaves out what a running kernel does not need.
    let stays = |elf: &Elf| -> BTreeSet<String> {
        let symbols = elf.symbols().iter();
        let symbols = symbols.filter(|symbol| {
            symbol.section_name.is_some_and(|name| {
                [".text", ".data", ".rodata", ".bss"]
                    .iter()
                    .any(|kind| name.starts_with(kind))
            })
        });
        symbols.map(|symbol| symbol.name.to_owned()).collect()
    };
    let names = |elf: &Elf| -> BTreeSet<String> {
        lto_link::suffixed(elf)
            .into_iter()
            .map(|suffixed| suffixed.name)
            .collect()
    };
    let (in_kernel, mut in_object) = (names(&tree.vmlinux), names(object));
    let (stays_in_kernel, stays_in_object) = (stays(&tree.vmlinux), stays(object));
    let mut faults = Vec::new();
    let record = Artefact::VmlinuxO.object();
    let restored = tree.restored_names(&record)?;
    let defined: BTreeSet<&str> = object.symbols().iter().map(|symbol| symbol.name).collect();
    for name in restored.into_iter().map(|name| name.source_name) {
        if defined.contains(name.as_str()) {
            in_object.insert(name);
        } else {
            faults.push(format!(
                "vmlinux.o: lacks {name}, which {record}.lto-names lists; run make again"
            ));
        }
    }
    // A last link that collects garbage drops names on purpose.
    let collects = tree.settings.is_set("LD_DEAD_CODE_DATA_ELIMINATION");
    for name in in_object
        .iter()
        .filter(|name| !collects && stays_in_object.contains(*name))
        .filter(|name| !in_kernel.contains(*name) && !stays_in_kernel.contains(*name))
    {
        faults.push(format!(
            "vmlinux: lacks {name} of vmlinux.o; run make again"
        ));
    }
    let promoted = in_kernel
        .difference(&in_object)
        .filter(|name| name.contains(".llvm."));
    for name in promoted.filter(|name| stays_in_kernel.contains(*name)) {
        faults.push(format!(
            "vmlinux.o: lacks {name} of vmlinux; run make again"
        ));
    }
    let link = tree.link()?;
    if link.is_some_and(|link| link.by == LinkedBy::LtoLink) {
        let promoted = in_object.iter().filter(|name| name.contains(".llvm."));
        faults.extend(promoted.map(|name| {
            format!(
                "vmlinux.o: {name} has the name that LTO gave it, and lto-link restores the name of the source; \
                 run make again with the installed tools"
            )
        }));
    }
    Ok(faults)
}

/// kallsyms, BTF and the symbol table know the same functions.
pub fn kallsyms(tree: &Objtree) -> Finding {
    let found = lto_link::kernel_names(&tree.vmlinux);
    let mut faults = prefixed(Artefact::Vmlinux, &found.faults);
    for (option, is_there, table) in [
        ("KALLSYMS", found.n_kallsyms.is_some(), "kallsyms"),
        ("DEBUG_INFO_BTF", found.n_btf.is_some(), "BTF"),
    ] {
        if tree.settings.is_set(option) && !is_there && faults.is_empty() {
            faults.push(format!(
                "vmlinux: has no {table}, and the configuration has CONFIG_{option}"
            ));
        }
    }
    let btf = match found.n_btf {
        Some(n) => format!(
            "{n} functions of BTF; {} that kallsyms knows have none",
            found.n_not_in_btf
        ),
        None => "no BTF".to_owned(),
    };
    match found.n_kallsyms {
        Some(n) => Finding::new(format!("{n} names of code; {btf}"), faults),
        None if faults.is_empty() => {
            Finding::not_applicable("the kernel is configured without KALLSYMS")
        }
        None => Finding::new(btf, faults),
    }
}

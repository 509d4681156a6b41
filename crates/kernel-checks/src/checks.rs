// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The checks, each of them a plugin's, over the files of an object tree.

use std::collections::BTreeSet;

use anyhow::Context as _;
use initcall_order::{Collector, Tables};
use lto_disable::{LinkOf, Unlisted};
use lto_link::Suffixed;
use object_model::{Elf, Input};
use section_merge::Reference;

use super::Finding;
use super::prefixed::prefixed;
use object_tree::{Artefact, Link, LinkedBy, Module, Objtree, text_if_there};

/// Why nothing can be said of the inputs of vmlinux.o.
const NO_LINK: &str = "neither lto-link nor kbuild left a record of what vmlinux.o was linked from";

/// The linker script that a kernel with native LTO leaves of its link.
const SCRIPT: &str = ".tmp_initcalls.lds";

/// LTO is really on: what vmlinux.o and the modules were linked from.
pub fn lto(tree: &Objtree) -> anyhow::Result<Finding> {
    if !tree.has_lto() {
        return Ok(Finding::not_applicable(
            "the kernel is configured without LTO",
        ));
    }
    let Some(link) = tree.link()? else {
        return Ok(Finding::not_applicable(NO_LINK));
    };
    let list = match link.by {
        LinkedBy::LtoLink => disabled(tree)?,
        LinkedBy::Kbuild => None,
    };
    let list = list.as_ref();
    let (report, mut faults) = inputs_check(
        tree,
        &link.inputs,
        Artefact::VmlinuxO,
        LinkOf::Vmlinux,
        list,
    );
    let mut n_modules = 0;
    for module in &tree.modules {
        let Some(parts) = tree.parts(module)? else {
            continue;
        };
        let link_of = match parts.len() {
            1 => LinkOf::ModuleOfOne,
            _ => LinkOf::Module,
        };
        let (report, found) = inputs_check(tree, parts, module.artefact(), link_of, list);
        n_modules += usize::from(report.n_bitcode + report.n_of_bitcode > 0);
        faults.extend(found);
    }
    let of_bitcode = match report.n_of_bitcode {
        0 => String::new(),
        n => format!(", {n} compiled of bitcode"),
    };
    let figure = format!(
        "vmlinux.o: {} bitcode{of_bitcode}, {} native ({} of C, disabled by {}); modules from \
         bitcode: {n_modules} of {}",
        report.n_bitcode,
        report.n_native,
        report.n_disabled,
        match list {
            Some(_) => format!(
                "the list, but for {} by their Makefiles",
                report.n_by_makefile
            ),
            None => "their commands".to_owned(),
        },
        tree.modules.len()
    );
    Ok(Finding::new(figure, faults))
}

/// The list of disabled objects that the kernel was built with, if it has one.
fn disabled(tree: &Objtree) -> anyhow::Result<Option<lto_disable::Matcher>> {
    for path in [
        "source/scripts/lto/lto-disabled.mk",
        "scripts/lto/lto-disabled.mk",
    ] {
        if let Some(text) = text_if_there(&tree.root.join(path))? {
            return Ok(Some(lto_disable::parse_fragment(&text)));
        }
    }
    Ok(None)
}

/// Returns counts and faults of the inputs that the object of `artefact` was linked from.
fn inputs_check(
    tree: &Objtree,
    inputs: &[Input],
    artefact: Artefact,
    link_of: LinkOf,
    list: Option<&lto_disable::Matcher>,
) -> (lto_disable::Report, Vec<String>) {
    let objects: Vec<_> = inputs
        .iter()
        .map(|input| tree.built_object(input))
        .collect();
    let (report, faults) = match list {
        Some(list) => lto_disable::check(&objects, list, Unlisted::ByCommand, link_of),
        None => lto_disable::check_commands(&objects, link_of),
    };
    (report, prefixed(artefact.object(), &faults))
}

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
    if references.is_empty() {
        return Ok(Finding::not_applicable(
            "no record of the link, and no build to compare with",
        ));
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

/// Modules have the sections that they have without LTO, and the kernel those that it looks up.
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
    }
    let figure = format!("{} modules and vmlinux", tree.modules.len());
    Finding::new(figure, faults)
}

/// `.mod` files name each part, and each undefined symbol of their module, once.
pub fn mod_files(tree: &Objtree) -> anyhow::Result<Finding> {
    if tree.modules.is_empty() {
        return Ok(Finding::not_applicable("the kernel has no modules"));
    }
    let mut texts = Vec::new();
    for module in &tree.modules {
        let text = tree.text_beside(module, ".mod")?;
        texts.extend(text.map(|text| (module, text)));
    }
    if texts.is_empty() {
        return Ok(Finding::not_applicable("the modules have no .mod files"));
    }
    let mut faults = Vec::new();
    // What a file of one line is, the others say.
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

/// Nothing that stays in memory refers to what is freed.
pub fn section_mismatches(tree: &Objtree) -> anyhow::Result<Finding> {
    let mut faults = Vec::new();
    faults.extend(tree.object_fault());
    let mut n_references = 0;
    for (artefact, elf) in tree.relocatable() {
        let found = section_merge::mismatches(elf).with_context(|| artefact.to_string())?;
        n_references += found.n_references;
        faults.extend(prefixed(artefact, &found.faults));
    }
    let figure = format!("{n_references} references from code and data that stay");
    Ok(Finding::new(figure, faults))
}

/// Nothing is linked twice, and nothing from bitcode and its native form.
pub fn one_definition(tree: &Objtree) -> anyhow::Result<Finding> {
    let mut n_symbols = 0;
    let mut n_objects = 0;
    let mut faults = Vec::new();
    let mut add = |artefact: Artefact, inputs: &[Input]| {
        let found = lto_link::definitions(inputs);
        n_objects += inputs.len();
        n_symbols += found.n_symbols;
        faults.extend(prefixed(artefact.object(), &found.faults));
    };
    if let Some(link) = tree.link()? {
        // Of libraries the linker takes what nothing before defines.
        let objs = link.inputs.get(..link.n_objs);
        add(Artefact::VmlinuxO, objs.unwrap_or(&link.inputs));
    }
    for module in &tree.modules {
        if let Some(parts) = tree.parts(module)? {
            add(module.artefact(), parts);
        }
    }
    if n_objects == 0 {
        return Ok(Finding::not_applicable(NO_LINK));
    }
    let figure = format!("{n_symbols} global symbols of {n_objects} objects");
    Ok(Finding::new(figure, faults))
}

/// Symbols that assembly names are kept, and the compiler took them for symbols that others refer to.
pub fn assembly_names(tree: &Objtree) -> anyhow::Result<Finding> {
    if !tree.has_lto() {
        return Ok(Finding::not_applicable(
            "the kernel is configured without LTO",
        ));
    }
    let mut n_symbols = 0;
    let mut n_objects = 0;
    let mut faults = Vec::new();
    let mut add =
        |artefact: Artefact, inputs: &[Input], n_always, linked: &Elf| -> anyhow::Result<()> {
            let object = artefact.object();
            let roots = lto_link::roots_path(&tree.root.join(&object));
            let roots = text_if_there(&roots)?;
            let mut named = lto_link::named_in_assembly(inputs, n_always)?;
            named.check(linked, roots.as_deref());
            n_symbols += named.symbols.len();
            n_objects += 1;
            faults.extend(prefixed(object, &named.faults));
            Ok(())
        };
    if let Some(link) = tree.link()?
        && let Some(object) = &tree.object
    {
        add(Artefact::VmlinuxO, &link.inputs, link.n_objs, object)?;
    }
    for module in &tree.modules {
        if let Some(parts) = tree.parts(module)? {
            add(module.artefact(), parts, parts.len(), &module.elf)?;
        }
    }
    if n_objects == 0 {
        return Ok(Finding::not_applicable(NO_LINK));
    }
    let figure = format!(
        "{n_symbols} symbols that bitcode defines and assembly names, in {n_objects} links"
    );
    Ok(Finding::new(figure, faults))
}

/// Returns the symbols of each running file whose names differ from the source.
pub fn suffixes<'tree>(tree: &'tree Objtree) -> Vec<(Artefact<'tree>, BTreeSet<Suffixed>)> {
    let suffixed = |(artefact, elf)| (artefact, lto_link::suffixed(elf));
    tree.running().map(suffixed).collect()
}

/// Which functions and objects are called otherwise than in the source, and which of these names
/// lead to another, too.
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
        "{} functions and {} objects promoted (.llvm.), {} and {} with another suffix; {} promoted \
         ones share their source name with a global of native code",
        count(true, "function"),
        count(true, "object"),
        count(false, "function"),
        count(false, "object"),
        clashes.len()
    );
    Ok(Finding {
        notes: clashes,
        ..Finding::new(figure, Vec::new())
    })
}

/// kallsyms, BTF and the symbol table know the same functions.
pub fn kallsyms(tree: &Objtree) -> Finding {
    let found = lto_link::kernel_names(&tree.vmlinux);
    let faults = prefixed(Artefact::Vmlinux, &found.faults);
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
            Finding::not_applicable("the kernel is built without KALLSYMS")
        }
        None => Finding::new(btf, faults),
    }
}

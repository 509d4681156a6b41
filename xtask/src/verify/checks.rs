// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The checks, each of them a plugin's, over the files of an object tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use modversions::Symvers;
use prel32_fix::Table;
use section_merge::Reference;

use super::Check;
use super::objtree::{Module, Objtree};

/// LTO is really on: what vmlinux.o and the modules were linked from.
pub fn lto(tree: &Objtree) -> anyhow::Result<Check> {
    let check = Check::new("lto");
    if !tree.has_lto() {
        return Ok(check.not_applicable("the kernel is configured without LTO"));
    }
    let list = [
        "source/scripts/lto/lto-disabled.mk",
        "scripts/lto/lto-disabled.mk",
    ];
    let list = list
        .iter()
        .map(|path| tree.root.join(path))
        .find(|path| path.exists());
    let Some((list, vmlinux)) = list.zip(tree.record("vmlinux.o")?) else {
        return Ok(
            check.not_applicable("no record of the link: the tree was not built with lto-link")
        );
    };
    let text = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let disabled = lto_disable::parse_fragment(&text);
    let (report, faults) = lto_disable::check(&vmlinux, &disabled);
    let mut faults: Vec<String> = faults
        .iter()
        .map(|fault| format!("vmlinux.o: {fault}"))
        .collect();
    let mut n_modules = 0;
    for module in &tree.modules {
        let (n_bitcode, module_faults) = module_inputs(tree, module, &disabled)?;
        n_modules += usize::from(n_bitcode > 0);
        faults.extend(module_faults);
    }
    let figure = format!(
        "vmlinux.o: {} bitcode, {} native; modules from bitcode: {n_modules} of {}",
        report.n_bitcode,
        report.n_native,
        tree.modules.len()
    );
    Ok(check.found(figure, faults))
}

/// How many bitcode inputs `module` was linked from, and what is wrong with its inputs.
fn module_inputs(
    tree: &Objtree,
    module: &Module,
    disabled: &lto_disable::Matcher,
) -> anyhow::Result<(usize, Vec<String>)> {
    let object = format!("{}.o", module.path);
    let path = Path::new(&object);
    // A record may be left over from a build in which the module was linked by lto-link.
    let file_name = path.file_name().unwrap_or_default().display();
    let command = tree
        .root
        .join(path.with_file_name(format!(".{file_name}.cmd")));
    let command = fs::read_to_string(&command).with_context(|| command.display().to_string())?;
    let record = if command.contains("/lto-link module ") {
        tree.record(&object)?
    } else {
        None
    };
    let inputs = match record {
        Some(inputs) => inputs,
        None => vec![tree.built_object(path)?],
    };
    let (report, faults) = lto_disable::check(&inputs, disabled);
    Ok((
        report.n_bitcode,
        faults
            .iter()
            .map(|fault| format!("{object}: {fault}"))
            .collect(),
    ))
}

/// The functions of each initcall level, in table order, by their names in the source.
fn initcall_levels(tables: &[Table]) -> BTreeMap<&str, Vec<&str>> {
    let levels = tables
        .iter()
        .filter_map(|table| Some((table.name.strip_prefix("initcall ")?, table)));
    levels
        .map(|(level, table)| {
            let names = table
                .entries
                .iter()
                .map(|entry| entry.source_name().unwrap_or("?"));
            (level, names.collect())
        })
        .collect()
}

/// Initcalls run in link order, and in the order of the kernel to compare with.
pub fn initcalls(tree: &Objtree, against: Option<&Objtree>) -> anyhow::Result<Check> {
    let check = Check::new("initcalls");
    let found = initcall_levels(&tree.tables);
    let n_found: usize = found.values().map(Vec::len).sum();
    let mut faults = Vec::new();
    let mut references = Vec::new();
    let record = lto_link::inputs_path(&tree.root.join("vmlinux.o"));
    if tree.has_lto() && record.exists() {
        let record =
            lto_link::read_record(&record).with_context(|| record.display().to_string())?;
        let paths: Vec<_> = record
            .iter()
            .map(|input| tree.root.join(&input.path))
            .collect();
        let inputs = tree.files.link_order(&paths)?;
        let collected = initcall_order::collect(&inputs)?;
        let mut levels: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (level, initcalls) in collected.levels() {
            // The table of a level ends with that of its sync form: 6, then 6s.
            let level = level.name().trim_end_matches('s');
            let level = if level == "rootf" { "rootfs" } else { level };
            let functions = initcalls.iter().map(|initcall| initcall.function.clone());
            levels
                .entry(level.to_owned())
                .or_default()
                .extend(functions);
        }
        faults.extend(order_faults("the link order", &found, &borrowed(&levels)));
        references.push("link order");
    }
    if let Some(against) = against {
        let expected = initcall_levels(&against.tables);
        faults.extend(order_faults("the build to compare with", &found, &expected));
        references.push("the build to compare with");
    }
    if references.is_empty() {
        return Ok(check.not_applicable("no record of the link, and no build to compare with"));
    }
    let n_wrong = faults.len();
    let figure = format!(
        "{} of {n_found} as in {}",
        n_found.saturating_sub(n_wrong),
        references.join(" and ")
    );
    Ok(check.found(figure, faults))
}

fn borrowed(levels: &BTreeMap<String, Vec<String>>) -> BTreeMap<&str, Vec<&str>> {
    let borrowed = levels.iter();
    borrowed
        .map(|(level, names)| (level.as_str(), names.iter().map(String::as_str).collect()))
        .collect()
}

/// One fault for every place of a level at which another function stands.
fn order_faults(
    reference: &str,
    found: &BTreeMap<&str, Vec<&str>>,
    expected: &BTreeMap<&str, Vec<&str>>,
) -> Vec<String> {
    let levels: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let mut faults = Vec::new();
    for level in levels {
        let found = found.get(*level).map(Vec::as_slice).unwrap_or_default();
        let expected = expected.get(*level).map(Vec::as_slice).unwrap_or_default();
        for place in 0..found.len().max(expected.len()) {
            let (found, expected) = (found.get(place), expected.get(place));
            if found != expected {
                faults.push(format!(
                    "vmlinux: initcall level {level}, place {place}: expected {} by {reference}, found {}",
                    expected.unwrap_or(&"none"),
                    found.unwrap_or(&"none"),
                ));
            }
        }
    }
    faults
}

/// CRCs are there, are not zero, and are those of the kernel to compare with.
pub fn crcs(tree: &Objtree, against: Option<&Objtree>) -> anyhow::Result<Check> {
    let check = Check::new("crcs");
    if !tree.settings.is_set("MODVERSIONS") {
        return Ok(check.not_applicable("the kernel is configured without MODVERSIONS"));
    }
    let found = read_symvers(&tree.root)?;
    let mut faults = found.zero_crcs();
    if let Some(against) = against {
        faults.extend(found.differences(&read_symvers(&against.root)?));
    }
    let figure = format!(
        "{} of {} {}",
        found.len().saturating_sub(faults.len()),
        found.len(),
        if against.is_some() {
            "equal to the build to compare with"
        } else {
            "set"
        }
    );
    let faults = faults
        .iter()
        .map(|fault| format!("Module.symvers: {fault}"))
        .collect();
    Ok(check.found(figure, faults))
}

fn read_symvers(root: &Path) -> anyhow::Result<Symvers> {
    let path = root.join("Module.symvers");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Symvers::parse(&text).with_context(|| path.display().to_string())
}

/// Every entry of every PREL32 table resolves.
pub fn prel32(tree: &Objtree) -> anyhow::Result<Check> {
    let (mut report, faults) = prel32_fix::check(&tree.vmlinux).context("vmlinux")?;
    let faults = faults.iter();
    let mut faults: Vec<String> = faults.map(|fault| format!("vmlinux: {fault}")).collect();
    for Module { path, elf } in &tree.modules {
        let checked = prel32_fix::check(elf);
        let (module_report, module_faults) = checked.with_context(|| format!("{path}.ko"))?;
        report.n_entries += module_report.n_entries;
        report.n_tables += module_report.n_tables;
        let module_faults = module_faults.iter();
        faults.extend(module_faults.map(|fault| format!("{path}.ko: {fault}")));
    }
    let n_good = report.n_entries.saturating_sub(faults.len());
    let figure = format!(
        "{n_good} of {} entries of {} tables resolve",
        report.n_entries, report.n_tables
    );
    Ok(Check::new("prel32").found(figure, faults))
}

/// Modules have the sections that they have without LTO, and the kernel those that it looks up.
pub fn sections(tree: &Objtree, against: Option<&Objtree>) -> Check {
    let mut faults = Vec::new();
    for Module { path, elf } in &tree.modules {
        let reference = against.and_then(|against| against.module(path));
        let reference = reference.map(|module| Reference::of(&module.elf));
        let found = section_merge::check_module(elf, reference.as_ref());
        faults.extend(found.iter().map(|fault| format!("{path}.ko: {fault}")));
    }
    if let Some(object) = &tree.object {
        let found = section_merge::check_once(&tree.vmlinux, object);
        faults.extend(found.map(|fault| format!("vmlinux: {fault}")));
    }
    let figure = format!("{} modules and vmlinux", tree.modules.len());
    Check::new("sections").found(figure, faults)
}

/// `.mod` files name each undefined symbol of their module once.
pub fn mod_files(tree: &Objtree) -> anyhow::Result<Check> {
    let check = Check::new("mod-files");
    if tree.modules.is_empty() {
        return Ok(check.not_applicable("the kernel has no modules"));
    }
    let mut faults = Vec::new();
    for module in &tree.modules {
        let path = tree.beside(module, ".mod");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let object = tree.files.object(&tree.beside(module, ".o"))?;
        // Only then are the undefined symbols listed.
        let object = tree.settings.is_set("TRIM_UNUSED_KSYMS").then_some(&object);
        let found = mod_dedup::check(&text, object)?;
        faults.extend(
            found
                .iter()
                .map(|fault| format!("{}.mod: {fault}", module.path)),
        );
    }
    Ok(check.found(format!("{} files", tree.modules.len()), faults))
}

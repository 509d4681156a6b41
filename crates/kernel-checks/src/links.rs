// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The checks of what vmlinux.o and the modules were linked from.

use lto_disable::{LinkOf, Unlisted};
use object_model::{Elf, Input};
use object_tree::{Artefact, LinkedBy, Module, Objtree, text_if_there};

use super::prefixed::prefixed;
use super::{Finding, files};

/// Returns the result of a check of the inputs of vmlinux.o, of which there is no record.
pub fn no_link(tree: &Objtree) -> anyhow::Result<Finding> {
    if !tree.has_lto() {
        return Ok(Finding::not_applicable(
            "the kernel is configured without LTO, and has no modules with .mod files",
        ));
    }
    if let Some(reason) = files::missing_record(tree)? {
        return Ok(Finding::not_run(&reason));
    }
    Ok(match tree.source_has("scripts") {
        Some(_) => Finding::not_applicable(
            "the source has neither lto-link nor scripts/Makefile.vmlinux_o, which record what vmlinux.o is linked from, \
             nor a known scripts/link-vmlinux.sh",
        ),
        None => Finding::not_run(
            "there is no record of what vmlinux.o was linked from, and no source that tells whether there must be one",
        ),
    })
}

/// Returns the objects that `module` was linked from, or adds the fault that they are not known.
pub fn parts<'a, 'files>(
    tree: &Objtree<'files>,
    module: &'a Module<'files>,
    faults: &mut Vec<String>,
) -> anyhow::Result<&'a [Input<'files>]> {
    let parts = tree.parts(module)?;
    if parts.is_none() {
        faults.push(mod_is_missing(module));
    }
    Ok(parts.unwrap_or_default())
}

pub fn mod_is_missing(module: &Module) -> String {
    format!(
        "{}.mod is missing, so the objects of the module are not known; run make again",
        module.path
    )
}

/// LTO is really on: what vmlinux.o and the modules were linked from.
pub fn lto(tree: &Objtree) -> anyhow::Result<Finding> {
    if !tree.has_lto() {
        return Ok(Finding::not_applicable(
            "the kernel is configured without LTO",
        ));
    }
    let Some(link) = tree.link()? else {
        return no_link(tree);
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
        let parts = parts(tree, module, &mut faults)?;
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

/// Nothing is linked twice, and nothing from bitcode and its native form.
pub fn one_definition(tree: &Objtree) -> anyhow::Result<Finding> {
    let mut n_symbols = 0;
    let mut n_objects = 0;
    let mut faults = Vec::new();
    let mut unknown = Vec::new();
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
        add(module.artefact(), parts(tree, module, &mut unknown)?);
    }
    faults.extend(unknown);
    if n_objects == 0 && faults.is_empty() {
        return no_link(tree);
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
    let mut unknown = Vec::new();
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
        let parts = parts(tree, module, &mut unknown)?;
        add(module.artefact(), parts, parts.len(), &module.elf)?;
    }
    faults.extend(unknown);
    if n_objects == 0 && faults.is_empty() {
        return no_link(tree);
    }
    let figure = format!(
        "{n_symbols} symbols that bitcode defines and assembly names, in {n_objects} links"
    );
    Ok(Finding::new(figure, faults))
}

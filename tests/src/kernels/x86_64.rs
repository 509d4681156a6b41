// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tests for 64-bit x86, where objtool runs once, after the link.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use kernel_checks::Verdict;
use kernel_lab::config::{self, Lto, Profile};
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, Outcome};

use super::broken::{only_seen_by, table_offset};
use super::rebuild::made;
use super::tree::install;
use super::{boots, build_for, built_variant, demonstrate, expect, kernel_tree, verified};

pub fn thin(workdir: &Path) -> Outcome {
    demonstrate(workdir, Arch::X86_64, Lto::Thin)
}

/// A kernel with the checked features that builds faster than the others.
const SMALL: Profile = Profile::Tiny;

/// Builds a small kernel with thin LTO, boots it, and verifies it.
pub fn small(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    install(&tree, &[])?;
    let objtree = Variant::new(Arch::X86_64, SMALL, Lto::Thin).objtree(workdir);
    config::configure(config::Options {
        tree: &tree,
        arch: Arch::X86_64,
        objtree: &objtree,
        profile: SMALL,
        lto: Lto::Thin,
        set: &[],
    })?;
    build_for(Arch::X86_64, &tree, &objtree, None)?;
    boots(Arch::X86_64, &objtree)?;
    let report = kernel_checks::verify(&objtree, None)?;
    for name in ["orc", "return-sites", "retpoline-sites"] {
        let check = report.checks.iter().find(|check| check.name == name);
        expect(
            check.is_some_and(|check| check.finding.verdict == Verdict::Ok),
            || format!("{name} was not checked: {check:?}"),
        )?;
    }
    verified(&report)
}

/// Returns the object of each module, with its path in the object tree.
fn modules(objtree: &Path) -> anyhow::Result<Vec<String>> {
    let order = objtree.join("modules.order");
    let order = fs::read_to_string(&order).with_context(|| order.display().to_string())?;
    Ok(order
        .lines()
        .map(|module| module.replace(".ko", ".o"))
        .collect())
}

/// A source of objtool; every change of it changes the program.
const SOURCE: &str = "tools/objtool/objtool.c";

const CHANGE: &str = "\nconst char changed_for_a_test[] = \"changed\";\n";

/// A changed objtool annotates vmlinux.o and each module again, and no bitcode is compiled.
pub fn changed_objtool(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = built_variant(workdir, Variant::new(Arch::X86_64, SMALL, Lto::Thin))?;
    let source = tree.join(SOURCE);
    let text = fs::read_to_string(&source).with_context(|| source.display().to_string())?;
    // A killed run may have left its change.
    let original = text.split(CHANGE).next().unwrap_or_default();
    fs::write(&source, format!("{original}{CHANGE}"))
        .with_context(|| source.display().to_string())?;
    let built = build_for(Arch::X86_64, &tree, &objtree, None);
    fs::write(&source, original).with_context(|| source.display().to_string())?;
    let lines = built?;

    let annotated = made(&lines, "OBJTOOL");
    expect(annotated == ["vmlinux.o"], || {
        format!("{SOURCE} changed: objtool ran over {annotated:?}")
    })?;
    let modules: BTreeSet<String> = modules(&objtree)?.into_iter().collect();
    // A module of one object is linked, and annotated, in its compile rule.
    let linked = made(&lines, "LTO").into_iter().chain(made(&lines, "CC"));
    let linked: BTreeSet<&str> = linked.collect();
    let mut left = modules
        .iter()
        .filter(|module| !linked.contains(module.as_str()));
    expect(left.next().is_none(), || {
        format!("{SOURCE} changed: modules made again were {linked:?} of {modules:?}")
    })?;
    let compiled = made(&lines, "CC");
    let mut needless = compiled.iter().filter(|object| {
        let is_host = object.contains("tools/objtool");
        // These contain the number of the build, which grows with each link of vmlinux.
        let has_version = **object == "init/version.o" || object.starts_with("arch/x86/boot/");
        !is_host && !has_version && !modules.contains(**object)
    });
    match needless.next() {
        None => Ok(()),
        Some(object) => Err(super::fault(format!(
            "{SOURCE} changed: {object} was compiled again"
        ))),
    }
}

/// verify reports a return that the kernel would not find, because objtool's table has another
/// place for it.
pub fn verify_sees(workdir: &Path) -> Outcome {
    let good = built_variant(workdir, Variant::new(Arch::X86_64, SMALL, Lto::Thin))?;
    let path = good.join("vmlinux");
    let mut vmlinux = fs::read(&path).with_context(|| path.display().to_string())?;
    let at = table_offset(&path, "__return_sites")?;
    let low_byte = vmlinux.get_mut(at).context("__return_sites is outside")?;
    *low_byte ^= 1;
    only_seen_by("return-sites", 1, &good, None, &[("vmlinux", vmlinux)])
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tests LTO that drops unreferenced definitions.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use kernel_lab::config::Lto;
use kernel_lab::files::{read, write};
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, Outcome, llvm, make, process};
use xshell::cmd;

use super::rebuild::copy_objtree;
use super::{
    ARCH, PROFILE, boots, build_for, demonstrate_variant, expect, fault, kernel_tree, self_tested,
    verified,
};

pub fn distributed(workdir: &Path) -> Outcome {
    drops(workdir, ARCH, Lto::ThinDist)
}

pub fn in_one_process(workdir: &Path) -> Outcome {
    drops(workdir, ARCH, Lto::Thin)
}

pub fn full(workdir: &Path) -> Outcome {
    drops(workdir, ARCH, Lto::Full)
}

pub fn x86_64(workdir: &Path) -> Outcome {
    drops(workdir, Arch::X86_64, Lto::ThinDist)
}

/// Only the exports that a module uses are roots.
pub fn trimmed(workdir: &Path) -> Outcome {
    let variant = Variant {
        trims: true,
        ..dropping(ARCH, Lto::ThinDist)
    };
    demonstrate_variant(workdir, variant)?;
    outside(workdir, variant)
}

/// The kernel's own tests, including stack traces and ftrace, end as without LTO.
pub fn smaller(workdir: &Path) -> Outcome {
    let variant = Variant {
        smaller: true,
        ..dropping(ARCH, Lto::ThinDist)
    };
    demonstrate_variant(workdir, variant)?;
    let objtree = variant.objtree(workdir);
    let none = variant.without_lto().objtree(workdir);
    self_tested(ARCH, &objtree, &none)?.judge(&objtree)
}

fn dropping(arch: Arch, lto: Lto) -> Variant {
    Variant {
        drops: true,
        ..Variant::new(arch, PROFILE, lto)
    }
}

/// The source that is added to the kernel: a function that only inline assembly names, and one that nothing names.
const SOURCE: &str = "lib/dropping_test.c";

fn source(arch: Arch) -> String {
    // A call in assembly needs a prepared stack, as described in <asm/asm.h>.
    let call = match arch {
        Arch::Arm64 => "\"bl kept_for_assembly\" : : : \"x0\", \"x30\", \"memory\"",
        Arch::X86_64 => {
            "\"call kept_for_assembly\" : ASM_CALL_CONSTRAINT : : \"ax\", \"cx\", \"dx\", \"si\", \
             \"di\", \"r8\", \"r9\", \"r10\", \"r11\", \"memory\""
        }
    };
    format!(
        "#include <linux/init.h>
#include <linux/linkage.h>
#ifdef CONFIG_X86
#include <asm/asm.h>
#endif

int kept_for_assembly(void);
int kept_for_assembly(void)
{{
	return 1;
}}

int kept_for_nobody(int x);
int kept_for_nobody(int x)
{{
	return x + 1;
}}

static int __init dropping_test(void)
{{
	asm volatile({call});
	return 0;
}}
late_initcall(dropping_test);
"
    )
}

/// The Makefile line that makes it part of the kernel.
const RULE: (&str, &str) = ("lib/Makefile", "\nobj-y += dropping_test.o\n");

/// The kernel is smaller than without LTO, boots, loads all its modules, and verify finds no fault.
/// Then a source is added: the function that only inline assembly names is kept, the one that
/// nothing names is dropped and listed, and `lto-link why` explains both.
fn drops(workdir: &Path, arch: Arch, lto: Lto) -> Outcome {
    let variant = dropping(arch, lto);
    let dropping = variant.objtree(workdir);
    let keeping = Variant::new(arch, PROFILE, lto).objtree(workdir);
    if keeping.exists() {
        copy_objtree(&keeping, &dropping)?;
    }
    demonstrate_variant(workdir, variant)?;

    let tree = kernel_tree(workdir)?;
    let path = tree.join(SOURCE);
    let makefile = tree.join(RULE.0);
    // A killed run may have left its change.
    let original = read(&makefile)?.replace(RULE.1, "");
    write(&path, source(arch))?;
    write(&makefile, format!("{original}{}", RULE.1))?;
    let built = build_for(arch, &tree, &dropping, None);
    write(&makefile, &original)?;
    fs::remove_file(&path).with_context(|| path.display().to_string())?;
    built?;
    boots(arch, &dropping)?;
    // The kernel without LTO lacks the initcall that is added.
    verified(&kernel_checks::verify(&dropping, None)?)?;

    let files = tool_io::Files::new();
    let vmlinux = files.elf(&dropping.join("vmlinux"))?;
    let is_there = |name: &str| vmlinux.symbols().iter().any(|symbol| symbol.name == name);
    expect(is_there("kept_for_assembly"), || {
        "what inline assembly names was dropped".into()
    })?;
    expect(!is_there("kept_for_nobody"), || {
        "what nothing names is there".into()
    })?;
    let dropped = read(&dropping.join("vmlinux.lto-dropped"))?;
    expect(
        dropped.contains("kept_for_nobody\tlib/dropping_test.o\t"),
        || "what was dropped is not listed".into(),
    )?;
    let why = |symbol| why(&tree, &dropping, symbol);
    let (kept, gone) = (why("kept_for_assembly")?, why("kept_for_nobody")?);
    let reason = "root: inline-assembly, lib/dropping_test.o";
    expect(kept.contains(reason), || kept.clone())?;
    expect(gone.contains("was dropped"), || gone.clone())?;
    outside(workdir, variant)
}

/// A module with a chain of functions that nothing calls.
const EXAMPLE: &str = "#include <linux/module.h>

int unused_last(int x);
noinline int unused_last(int x)
{
	pr_info(\"told by nobody %d\\n\", x);
	return x + 1;
}

int unused_middle(int x);
noinline int unused_middle(int x)
{
	return unused_last(x * 3) + 1;
}

int unused_first(int x);
int unused_first(int x)
{
	return unused_middle(x - 1);
}

static int __init example(void)
{
	pr_info(\"told by example\\n\");
	return 0;
}
module_init(example);
MODULE_LICENSE(\"GPL\");
";

/// External modules for a kernel that drops: a chain of functions that nothing calls is dropped and listed. A
/// module that needs a dropped symbol is refused by modpost, which names the symbol; `lto-link why` explains it.
fn outside(workdir: &Path, variant: Variant) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = variant.objtree(workdir);
    let module = tempfile::tempdir().context("a directory for a module")?;
    let write = |name: &str, text: &str| write(&module.path().join(name), text);
    let make = || -> anyhow::Result<String> {
        let mut make = make(&tree, variant.arch, &objtree, &llvm::bin_dir()?)?;
        make.arg(format!("M={}", module.path().display()));
        process::output(make.arg("modules"))
    };
    write("Makefile", "obj-m := example.o\n")?;
    write("example.c", EXAMPLE)?;
    make()?;
    let path = module.path().join("example.ko");
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    let has = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    expect(has("told by example"), || "the example is not there".into())?;
    let dropped = read(&module.path().join("example.lto-dropped"))?;
    for name in ["unused_first", "unused_middle", "unused_last"] {
        expect(!has(name) && dropped.contains(name), || {
            format!("{name} is in example.ko, or not listed: {dropped}")
        })?;
    }
    expect(!has("told by nobody"), || {
        "a string of what was dropped is in example.ko".into()
    })?;

    let dropped = read(&objtree.join("vmlinux.lto-dropped"))?;
    let gone = dropped.lines().find_map(|line| {
        let mut fields = line.split('\t');
        let name = fields.next()?;
        (fields.nth(1) == Some("function")).then_some(name)
    });
    let gone = gone.context("vmlinux.lto-dropped lists no function")?;
    // A header may declare it differently.
    write(
        "needing.c",
        &format!(
            "#include <linux/module.h>\nint gone(void) __asm__(\"{gone}\");\n\
             static int __init needing(void)\n{{\n\treturn gone();\n}}\n\
             module_init(needing);\nMODULE_LICENSE(\"GPL\");\n"
        ),
    )?;
    write("Makefile", "obj-m := needing.o\n")?;
    let told = match make() {
        Ok(_) => return Err(fault(format!("needing.ko was made without {gone}"))),
        Err(error) => format!("{error:#}"),
    };
    expect(
        told.contains("modpost") && told.contains(gone) && told.contains("undefined"),
        || format!("modpost does not say that {gone} is not there: {told}"),
    )?;
    let why = why(&tree, &objtree, gone)?;
    expect(why.contains("was dropped"), || why)
}

/// Returns the output of `lto-link why SYMBOL` for the kernel at `objtree`.
fn why(tree: &Path, objtree: &Path, symbol: &str) -> anyhow::Result<String> {
    let sh = process::shell_in(objtree)?;
    let tool = std::path::absolute(tree.join("scripts/lto/bin/lto-link"))?;
    process::read(cmd!(sh, "{tool} why {symbol}"))
}

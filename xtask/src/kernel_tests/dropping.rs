// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! LTO that drops what nothing references.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::rebuild::copy_objtree;
use super::{
    ARCH, PROFILE, boots, build_for, demonstrate_variant, expect, kernel_tree, without_fault,
};
use crate::kernel::arch::Arch;
use crate::kernel::config::Lto;
use crate::kernel::variant::Variant;
use crate::outcome::Outcome;
use crate::process;
use crate::verify;

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

/// Of exports, only those that a module uses are roots.
pub fn trimmed(workdir: &Path) -> Outcome {
    let variant = dropping(ARCH, Lto::ThinDist);
    demonstrate_variant(
        workdir,
        Variant {
            trims: true,
            ..variant
        },
    )
}

fn dropping(arch: Arch, lto: Lto) -> Variant {
    Variant {
        drops: true,
        ..Variant::new(arch, PROFILE, lto)
    }
}

/// The source that is added to the kernel: what only inline assembly names, and what nothing does.
const SOURCE: &str = "lib/dropping_test.c";

fn source(arch: Arch) -> String {
    // A call in assembly is one for which the stack has to be ready; <asm/asm.h> says how.
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

/// What makes it part of the kernel.
const RULE: (&str, &str) = ("lib/Makefile", "\nobj-y += dropping_test.o\n");

/// The kernel is smaller than without LTO, boots, loads all its modules, and verify finds nothing
/// wrong. Then a source is added: what only inline assembly names is there, what nothing names is gone
/// and listed, and both are explained.
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
    // A run that was killed may have left its change.
    let original = read(&makefile)?.replace(RULE.1, "");
    write(&path, &source(arch))?;
    write(&makefile, &format!("{original}{}", RULE.1))?;
    let built = build_for(arch, &tree, &dropping, None);
    write(&makefile, &original)?;
    fs::remove_file(&path).with_context(|| path.display().to_string())?;
    built?;
    boots(arch, &dropping)?;
    // The kernel without LTO lacks the initcall that is added.
    without_fault(&verify::verify(&dropping, None)?)?;

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
    let why = |symbol: &str| -> anyhow::Result<String> {
        let mut why = Command::new(tree.join("scripts/lto/bin/lto-link"));
        process::output(why.args(["why", symbol]).current_dir(&dropping))
    };
    let (kept, gone) = (why("kept_for_assembly")?, why("kept_for_nobody")?);
    // Code of a link in one process is not that of one object.
    let reason = match lto {
        Lto::ThinDist => "root: generated-code, lib/dropping_test.o",
        _ => "root: generated-code, ",
    };
    expect(kept.contains(reason), || kept.clone())?;
    expect(gone.contains("was dropped"), || gone.clone())
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn write(path: &PathBuf, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}

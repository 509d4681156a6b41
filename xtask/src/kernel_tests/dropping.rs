// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! LTO that drops what nothing references.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::rebuild::copy_objtree;
use super::{ARCH, boots, build, configure, expect, objtree, without_fault};
use crate::demo;
use crate::kernel::config::{Lto, Setting};
use crate::outcome::Outcome;
use crate::process;
use crate::verify;

/// The options of a kernel that drops.
const DROPS: [&str; 1] = ["LTO_CLANG_INTERNALIZE=y"];

/// The source that is added to the kernel: what only inline assembly names, and what nothing does.
const SOURCE: (&str, &str) = (
    "lib/dropping_test.c",
    "#include <linux/init.h>
#include <linux/linkage.h>

int kept_for_assembly(void);
int kept_for_assembly(void)
{
	return 1;
}

int kept_for_nobody(int x);
int kept_for_nobody(int x)
{
	return x + 1;
}

static int __init dropping_test(void)
{
	asm volatile(\"bl kept_for_assembly\" : : : \"x0\", \"x30\", \"memory\");
	return 0;
}
late_initcall(dropping_test);
",
);

/// What makes it part of the kernel.
const RULE: (&str, &str) = ("lib/Makefile", "\nobj-y += dropping_test.o\n");

/// The kernel is smaller than without LTO, boots, loads all its modules, and verify finds nothing
/// wrong; what only inline assembly names is there, what nothing names is gone and listed, and both are
/// explained.
pub fn distributed(workdir: &Path) -> Outcome {
    let tree = demo::prepare(None, workdir, ARCH, false)?;
    let dropping = workdir.join("arm64-ci-dropping");
    copy_objtree(&objtree(workdir, Lto::ThinDist), &dropping)?;
    let settings = DROPS.map(str::parse::<Setting>);
    let settings = settings.into_iter().collect::<Result<Vec<_>, _>>()?;
    configure(&tree, &dropping, Lto::ThinDist, &settings)?;
    let source = tree.join(SOURCE.0);
    let makefile = tree.join(RULE.0);
    let original = read(&makefile)?;
    // A run that was killed may have left its change.
    let original = original.replace(RULE.1, "");
    write(&source, SOURCE.1)?;
    write(&makefile, &format!("{original}{}", RULE.1))?;
    let built = build(&tree, &dropping, None);
    write(&makefile, &original)?;
    fs::remove_file(&source).with_context(|| source.display().to_string())?;
    built?;
    boots(ARCH, &dropping)?;

    // The kernel without LTO lacks the initcall that is added.
    let report = verify::verify(&dropping, None)?;
    without_fault(&report)?;
    let files = tool_io::Files::new();
    let size = |objtree: &Path| -> anyhow::Result<u64> {
        let sizes = verify::Sizes::of(&files.elf(&objtree.join("vmlinux.o"))?);
        Ok(sizes.text + sizes.data)
    };
    let without_lto = objtree(workdir, Lto::None);
    let (with, without) = (size(&dropping)?, size(&without_lto)?);
    expect(with < without, || {
        format!("{with} bytes of text and data, without LTO {without}")
    })?;

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
    expect(kept.contains("generated-code, lib/dropping_test.o"), || {
        kept.clone()
    })?;
    expect(gone.contains("was dropped"), || gone.clone())
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn write(path: &PathBuf, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}

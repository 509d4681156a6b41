// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks the counts of `cargo xtask bench runtime`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::config::Lto;
use kernel_lab::files::{read, write};
use kernel_lab::runtime::{self, Measured, Set};
use kernel_lab::variant::Variant;
use kernel_lab::{Failure, Outcome};

use super::rebuild::copy_objtree;
use super::{ARCH, PROFILE, build, expect, kernel_tree};

/// The system call that is made slower, and its body.
const SOURCE: &str = "kernel/sys.c";
const CALL: &str = "SYSCALL_DEFINE0(getppid)\n{\n\tint pid;\n";
const LOOP: &str = "\tint turn;\n\n\tfor (turn = 0; turn < 100; turn++)\n\t\tasm volatile(\"\" : : : \"memory\");\n";

/// The kind of work that calls it.
const KIND: &str = "system call: getppid";

/// With the kernel without LTO, computing programs add nothing to the kernel's count, and two runs
/// give the same counts. Then a loop is added to one system call, and only the kind of work that
/// calls it takes more.
pub fn counts(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = without_lto(workdir)?;
    let computed = measure(&objtree, Set::Compute)?;
    expect_nothing(&computed)?;
    let base = measure(&objtree, Set::Training)?;
    // The same kernel in another directory.
    let looping = workdir.join("looping");
    copy_objtree(&objtree, &looping)?;
    expect(measure(&looping, Set::Training)? == base, || {
        "two runs of the same kernel differ".into()
    })?;

    let path = tree.join(SOURCE);
    let time = fs::metadata(&path).and_then(|file| file.modified());
    let time = time.with_context(|| path.display().to_string())?;
    // A killed run may have left its change.
    let original = read(&path)?.replace(LOOP, "");
    expect(original.matches(CALL).count() == 1, || {
        format!("{}: another getppid", path.display())
    })?;
    write(&path, original.replace(CALL, &format!("{CALL}{LOOP}")))?;
    let built = build(&tree, &looping, None);
    write(&path, &original)?;
    // Keep the time stamp, so that other object trees need not compile the file again.
    fs::File::open(&path)
        .and_then(|file| file.set_modified(time))
        .with_context(|| path.display().to_string())?;
    built?;
    slower_only_in(KIND, &measure(&looping, Set::Training)?, &base)
}

/// Programs of Debian's packages run on the kernel without LTO, as far as it supports them.
pub fn foreign(workdir: &Path) -> Outcome {
    let measured = measure(&without_lto(workdir)?, Set::Foreign)?;
    let counted = measured.kinds.iter().filter(|kind| kind.counts.is_some());
    let counted: Vec<_> = counted.map(|kind| kind.name.as_str()).collect();
    for name in ["hackbench", "stress-ng"] {
        expect(counted.contains(&name), || {
            format!("{name} did not run, only {counted:?}")
        })?;
    }
    Ok(())
}

/// Returns the object tree of the kernel without LTO, which is built if it is missing.
fn without_lto(workdir: &Path) -> Result<PathBuf, Failure> {
    let none = Variant::new(ARCH, PROFILE, Lto::None);
    none.build(&kernel_tree(workdir)?, workdir)?;
    Ok(none.objtree(workdir))
}

fn measure(objtree: &Path, set: Set) -> Result<Measured, Failure> {
    let mut runtime = runtime::measure(ARCH, objtree, &[set])?;
    let measured = runtime.sets.remove(&set);
    Ok(measured.context("the set is not in the result")?)
}

/// A tick of the clock may occur in one of the repetitions, but not in most of them.
fn expect_nothing(computed: &Measured) -> Outcome {
    let counts: Vec<_> = computed
        .kinds
        .iter()
        .filter_map(|kind| kind.counts)
        .collect();
    let n_clean = counts.iter().filter(|counts| counts.kernel == 0).count();
    expect(counts.len() == 5 && n_clean >= 3, || {
        format!("the kernel was counted where a program only computed: {counts:?}")
    })?;
    // At least four instructions per turn, times the number of turns.
    let few = counts.iter().find(|counts| counts.program < 4 * 4 * 50_000);
    expect(few.is_none(), || {
        format!("instructions of the program are missing: {few:?}")
    })
}

/// Checks that every kind takes the same to a fiftieth, except `slower`, which takes half as much
/// again. Changed code moves the ticks of the clock and the addresses of data.
fn slower_only_in(slower: &str, measured: &Measured, base: &Measured) -> Outcome {
    let ratios = measured.ratios(base, |counts| counts.kernel)?;
    let mut wrong = Vec::new();
    for (name, ratio) in &ratios.kinds {
        let good = match ratio {
            Some(ratio) if *name == slower => *ratio > 1.5,
            Some(ratio) => (ratio - 1.0).abs() < 0.02,
            // This kernel does not support the work.
            None => *name != slower,
        };
        if !good {
            wrong.push(format!("{name}: {ratio:?}"));
        }
    }
    let n_measured = ratios.kinds.iter().filter(|(_, ratio)| ratio.is_some());
    let n_measured = n_measured.count();
    expect(n_measured >= 22, || format!("{n_measured} kinds only"))?;
    expect(wrong.is_empty(), || {
        format!("with {slower} made slower: {}", wrong.join(", "))
    })
}

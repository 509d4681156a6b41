// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Builds a kernel with make, and records its log and its cost.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::num::NonZero;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use nix::sys::resource::{Usage as Rusage, UsageWho, getrusage};
use object_model::source_name;
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::arch::Arch;
use crate::process::End;
use crate::progress::Step;
use crate::{Failure, llvm, process};

/// The target of the kernel's Makefile that builds the kernel and its modules.
pub const ALL: &str = "all";

/// The kernel to build.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The kernel tree.
    pub tree: &'a Path,
    /// The architecture the object tree is configured for.
    pub arch: Arch,
    /// The object tree.
    pub objtree: &'a Path,
    /// The number of make's parallel jobs; the number of CPUs by default.
    pub jobs: Option<NonZero<usize>>,
    /// The target of make: [`ALL`], or a part of it.
    pub target: &'a str,
}

/// The cost of a build, as stored in build-usage.json.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The running time of make, in seconds.
    pub wall_seconds: f64,
    /// User and system time of make and everything it started, in seconds.
    pub cpu_seconds: f64,
    /// Peak memory of the largest process that this program has started so far, in KiB.
    #[serde(default)]
    pub peak_rss_kib: u64,
    /// The number of make's parallel jobs.
    pub jobs: usize,
    /// Whether the build succeeded.
    pub built: bool,
}

/// Builds the target in an object tree.
///
/// # Errors
/// The object tree is not configured, or make cannot be run. A failed build is a fault.
pub fn build(options: Options<'_>) -> Result<Usage, Failure> {
    let Options {
        tree,
        arch,
        objtree,
        jobs,
        target,
    } = options;
    let config = objtree.join(".config");
    if !config.is_file() {
        let config = config.display();
        return Err(
            anyhow::anyhow!("{config}: not there; run `cargo xtask kernel config` first").into(),
        );
    }
    let jobs = jobs.unwrap_or_else(tool_io::cpus).get();
    let log_path = objtree.join("build.log");
    let mut log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&log_path)
        .with_context(|| log_path.display().to_string())?;
    if is_clean(objtree)? {
        log.set_len(0)
            .with_context(|| log_path.display().to_string())?;
    }
    writeln!(log, "{START}").with_context(|| log_path.display().to_string())?;
    let mut make = super::make(tree, arch, objtree, &llvm::bin_dir()?)?;
    make.arg(format!("-j{jobs}")).arg(target);

    let step = Step::start(format!("building {}", objtree.display()));
    let mut lines = 0_usize;
    let started = Instant::now();
    let before = children_seconds()?;
    let end = process::follow(make, None, |line| {
        lines += 1;
        step.at(&format!("{lines} lines, {}", line.trim()));
        writeln!(log, "{line}").with_context(|| log_path.display().to_string())
    })?;
    let built = matches!(end, End::Exited(status) if status.success());
    let usage = Usage {
        wall_seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: children_seconds()? - before,
        peak_rss_kib: children_peak_kib()?,
        jobs,
        built,
    };
    write_usage(objtree, usage)?;
    step.finish(if built { "built" } else { "failed" });
    if built {
        return Ok(usage);
    }
    let said =
        std::fs::read_to_string(&log_path).with_context(|| log_path.display().to_string())?;
    Err(Failure::Fault(anyhow::anyhow!(
        "the build failed; the whole log is {}\n{}",
        log_path.display(),
        process::last_lines(&said)
    )))
}

fn write_usage(objtree: &Path, usage: Usage) -> anyhow::Result<()> {
    let path = objtree.join("build-usage.json");
    let mut text = serde_json::to_string_pretty(&usage)?;
    text.push('\n');
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}

/// Returns the cost of the last build of `objtree`.
///
/// # Errors
/// Its build-usage.json cannot be read.
pub fn read_usage(objtree: &Path) -> anyhow::Result<Usage> {
    let path = objtree.join("build-usage.json");
    let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

fn children_usage() -> anyhow::Result<Rusage> {
    getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot read the CPU time of make")
}

/// Returns the CPU time of all programs that were started and have ended, in seconds.
pub fn children_seconds() -> anyhow::Result<f64> {
    Ok(tool_io::cpu_seconds(&children_usage()?))
}

/// Returns the memory of the largest program that was started and has ended, in KiB.
pub fn children_peak_kib() -> anyhow::Result<u64> {
    Ok(children_usage()?.max_rss().try_into().unwrap_or_default())
}

/// Returns the CPU time of this program itself, in seconds.
pub fn own_seconds() -> anyhow::Result<f64> {
    let usage =
        getrusage(UsageWho::RUSAGE_SELF).context("cannot read the CPU time of this program")?;
    Ok(tool_io::cpu_seconds(&usage))
}

/// Returns whether `objtree` contains no built part of a kernel, because nothing was built yet or
/// `make clean` removed it. Objects below scripts/ do not count: configuring makes them.
fn is_clean(objtree: &Path) -> anyhow::Result<bool> {
    let walk = WalkDir::new(objtree).into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() != 1 || entry.file_name() != "scripts") {
        if entry?
            .path()
            .extension()
            .is_some_and(|suffix| suffix == "o")
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The line before each build in build.log. The log keeps all builds since the object tree was
/// clean, because an incremental build does not repeat the warnings about unchanged files.
const START: &str = "kernel build starts";

/// Returns make's output in the last build of `objtree`.
///
/// # Errors
/// Its build.log cannot be read.
pub fn last_log(objtree: &Path) -> anyhow::Result<String> {
    let log = whole_log(objtree)?;
    Ok(log.rsplit(START).next().unwrap_or_default().to_owned())
}

fn whole_log(objtree: &Path) -> anyhow::Result<String> {
    let path = objtree.join("build.log");
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// Returns the warnings in the builds of `objtree` that are not in those of `against`; both are
/// object trees of `tree`.
///
/// All builds since the object tree was clean count, because each file may come from any of them.
/// So a fixed warning counts until the object tree is cleaned or removed.
///
/// # Errors
/// A build.log cannot be read.
pub fn new_warnings(tree: &Path, objtree: &Path, against: &Path) -> anyhow::Result<Vec<String>> {
    Ok(new_in(
        (&whole_log(objtree)?, &[tree, objtree]),
        (&whole_log(against)?, &[tree, against]),
    ))
}

/// Returns the warnings in one log that are not in the other. Each log comes with the directories
/// that its lines may name; the comparison ignores them.
pub fn new_in(found: (&str, &[&Path]), known: (&str, &[&Path])) -> Vec<String> {
    let known = warnings(known.0, known.1);
    let found = warnings(found.0, found.1).into_iter();
    found
        .filter(|(warning, _)| !known.contains_key(warning))
        .map(|(_, line)| line)
        .collect()
}

/// Returns the warnings in the log of a build in a form that is comparable between object trees,
/// each with its line without the directories in `roots`.
fn warnings(log: &str, roots: &[&Path]) -> BTreeMap<String, String> {
    let roots: Vec<String> = roots
        .iter()
        .map(|root| std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf()))
        .map(|root| format!("{}/", root.display()))
        .collect();
    log.lines()
        .filter(|line| line.contains("warning:") || line.contains("WARNING:"))
        .map(|line| {
            let line = roots
                .iter()
                .fold(line.trim().to_owned(), |line, root| line.replace(root, ""));
            (comparable(&line), line)
        })
        .collect()
}

/// Returns a warning without the details that LTO changes.
///
/// With LTO, objtool reads one object linked from many, so addresses differ. It also names only the
/// first unreachable instruction of each object (`check()` in tools/objtool/check.c), so the
/// function in that warning depends on the linked objects.
fn comparable(line: &str) -> String {
    let Some((_, said)) = line.split_once(": warning: objtool: ") else {
        return line.to_owned();
    };
    let (place, what) = said.split_once(": ").unwrap_or(("", said));
    if what == "unreachable instruction" {
        return format!("objtool: {what}");
    }
    let function = place.split("()").next().unwrap_or_default();
    format!("objtool: {}: {what}", source_name(function))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_two_object_trees_are_compared_without_their_paths() {
        let tree = Path::new("/src/linux");
        let log = |objtree: &Path| {
            format!(
                "{START}\n  CC      init/main.o\n\
                 /src/linux/init/main.c:12:3: warning: unused variable 'x' [-Wunused-variable]\n\
                 WARNING: modpost: {}/vmlinux.o(.text+0x10): Section mismatch\n\
                 1 warning generated.\n",
                objtree.display()
            )
        };
        let one = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let (one, other) = (one.path(), other.path());
        std::fs::write(other.join("build.log"), log(other)).unwrap();
        std::fs::write(one.join("build.log"), log(one)).unwrap();
        assert!(new_warnings(tree, one, other).unwrap().is_empty());

        let new = "ld.lld: warning: something else\n";
        std::fs::write(one.join("build.log"), log(one) + new).unwrap();
        assert_eq!(
            new_warnings(tree, one, other).unwrap(),
            ["ld.lld: warning: something else"]
        );
    }

    #[test]
    fn objtool_is_compared_by_function_whatever_object_it_saw() {
        let none = "a/b.o: warning: objtool: f()+0x10: call to g() with UACCESS enabled\n\
                    a/c.o: warning: objtool: h()+0x20: unreachable instruction\n";
        let thin = "vmlinux.o: warning: objtool: f.llvm.12()+0x30: call to g() with UACCESS enabled\n\
                    vmlinux.o: warning: objtool: i()+0x40: unreachable instruction\n\
                    vmlinux.o: warning: objtool: h()+0x8: call to g() with UACCESS enabled\n";
        let known = warnings(none, &[]);
        let new = warnings(thin, &[]);
        let new: Vec<_> = new
            .into_iter()
            .filter(|(warning, _)| !known.contains_key(warning))
            .map(|(_, line)| line)
            .collect();
        assert_eq!(
            new,
            ["vmlinux.o: warning: objtool: h()+0x8: call to g() with UACCESS enabled"]
        );
    }

    /// Makes a kernel tree whose only object is made with a warning, unless it exists.
    fn tree_that_warns() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("Kconfig"), "").unwrap();
        std::fs::write(
            tree.path().join("Makefile"),
            "all: $(O)/init/main.o\n\
             $(O)/init/main.o:\n\
             \t@mkdir -p $(@D)\n\
             \t@echo 'main.c:1:1: warning: $(CONFIG_WARNING)'\n\
             \t@touch $@\n\
             -include $(O)/.config\n",
        )
        .unwrap();
        tree
    }

    /// Writes the `.config` of an object tree and builds it.
    fn build_with(tree: &Path, objtree: &Path, config: &str) {
        std::fs::create_dir_all(objtree).unwrap();
        std::fs::write(objtree.join(".config"), config).unwrap();
        build(Options {
            tree,
            arch: Arch::Arm64,
            objtree,
            jobs: None,
            target: ALL,
        })
        .unwrap();
    }

    #[test]
    fn a_build_that_finds_its_work_done_has_the_warnings_of_those_before() {
        let tree = tree_that_warns();
        let tree = tree.path();
        let objtrees = tempfile::tempdir().unwrap();
        let (one, other) = (objtrees.path().join("one"), objtrees.path().join("other"));
        for _ in 0..2 {
            build_with(tree, &one, "CONFIG_WARNING = new\n");
            build_with(tree, &other, "CONFIG_WARNING = old\n");
        }
        assert!(!last_log(&one).unwrap().contains("warning"));
        assert_eq!(
            new_warnings(tree, &one, &other).unwrap(),
            ["main.c:1:1: warning: new"]
        );
        assert!(new_warnings(tree, &other, &other).unwrap().is_empty());
    }

    #[test]
    fn the_log_begins_anew_in_an_object_tree_that_is_clean() {
        let tree = tree_that_warns();
        let tree = tree.path();
        let objtrees = tempfile::tempdir().unwrap();
        let (one, other) = (objtrees.path().join("one"), objtrees.path().join("other"));
        build_with(tree, &other, "CONFIG_WARNING = old\n");
        build_with(tree, &one, "CONFIG_WARNING = new\n");
        // Configuring leaves objects of Kconfig itself.
        std::fs::create_dir_all(one.join("scripts/kconfig")).unwrap();
        std::fs::write(one.join("scripts/kconfig/conf.o"), "").unwrap();
        std::fs::remove_file(one.join("init/main.o")).unwrap();
        build_with(tree, &one, "CONFIG_WARNING = old\n");
        assert!(new_warnings(tree, &one, &other).unwrap().is_empty());
    }

    #[test]
    fn an_object_tree_that_is_not_configured_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            tree: dir.path(),
            arch: Arch::Arm64,
            objtree: dir.path(),
            jobs: None,
            target: ALL,
        };
        let Err(Failure::CannotRun(error)) = build(options) else {
            panic!("built nothing")
        };
        assert!(
            error
                .to_string()
                .ends_with(".config: not there; run `cargo xtask kernel config` first")
        );
    }

    #[test]
    fn a_build_that_fails_shows_the_end_of_its_log_and_keeps_what_it_cost() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".config"), "").unwrap();
        std::fs::write(dir.path().join("Kconfig"), "").unwrap();
        std::fs::write(
            dir.path().join("Makefile"),
            "all:\n\t@echo no such symbol >&2; exit 7\n",
        )
        .unwrap();
        let options = Options {
            tree: dir.path(),
            arch: Arch::Arm64,
            objtree: dir.path(),
            jobs: NonZero::new(3),
            target: ALL,
        };
        let Err(Failure::Fault(error)) = build(options) else {
            panic!("it was built")
        };
        assert!(error.to_string().contains("\nno such symbol\n"), "{error}");
        let usage = std::fs::read_to_string(dir.path().join("build-usage.json")).unwrap();
        let usage: Usage = serde_json::from_str(&usage).unwrap();
        assert!(!usage.built);
        assert_eq!(usage.jobs, 3);
        assert!(usage.cpu_seconds >= 0.0 && usage.wall_seconds > 0.0);
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel build`: `make all`, its log and what it cost.

use super::arch::Arch;
use crate::llvm;
use crate::outcome::Failure;
use crate::outcome::Outcome;
use crate::process;
use crate::process::End;
use crate::progress::Step;
use anyhow::Context as _;
use nix::sys::resource::UsageWho;
use nix::sys::resource::getrusage;
use nix::sys::time::TimeVal;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::num::NonZero;
use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

/// Builds a configured kernel and its modules.
///
/// What make says is kept in build.log of the object tree, what it cost in build-usage.json. A build
/// that fails is a fault (exit code 1).
#[derive(clap::Args)]
#[command(after_help = "Example:
  cargo xtask kernel build --tree linux --arch arm64 --objtree /build/thin --jobs 8")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The architecture the object tree is configured for.
    #[arg(long, value_enum)]
    arch: Arch,
    /// The object tree.
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// How many jobs make may run at a time [default: the number of CPUs].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
}

/// What is built.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The kernel tree.
    pub tree: &'a Path,
    /// The architecture the object tree is configured for.
    pub arch: Arch,
    /// The object tree.
    pub objtree: &'a Path,
    /// How many jobs make may run at a time; the number of CPUs if it is not said.
    pub jobs: Option<NonZero<usize>>,
}

/// What a build cost, as build-usage.json has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// From the start of make to its end, in seconds.
    pub wall_seconds: f64,
    /// User and system time of make and everything it started, in seconds.
    pub cpu_seconds: f64,
    /// How many jobs make could run at a time.
    pub jobs: usize,
    /// Whether the build came to a good end.
    pub built: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        tree,
        arch,
        objtree,
        jobs,
    } = args;
    build(Options {
        tree,
        arch: *arch,
        objtree,
        jobs: *jobs,
    })
    .map(|_| ())
}

/// Builds `all` in an object tree.
///
/// # Errors
/// The object tree is not configured, or make cannot be run; as a fault, that the build failed.
pub fn build(options: Options<'_>) -> Result<Usage, Failure> {
    let Options {
        tree,
        arch,
        objtree,
        jobs,
    } = options;
    let config = objtree.join(".config");
    if !config.is_file() {
        let config = config.display();
        return Err(
            anyhow::anyhow!("{config}: not there; run `cargo xtask kernel config` first").into(),
        );
    }
    let jobs = jobs.map_or_else(cpus, NonZero::get);
    let log_path = objtree.join("build.log");
    let mut log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&log_path)
        .with_context(|| log_path.display().to_string())?;
    writeln!(log, "{START}").with_context(|| log_path.display().to_string())?;
    let mut make = super::make(tree, arch, objtree, &llvm::bin_dir()?)?;
    make.arg(format!("-j{jobs}")).arg("all");

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
        jobs,
        built,
    };
    write_usage(objtree, usage)?;
    step.done(if built { "built" } else { "failed" });
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

/// How many CPUs this process may use.
fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

fn write_usage(objtree: &Path, usage: Usage) -> anyhow::Result<()> {
    let path = objtree.join("build-usage.json");
    let mut text = serde_json::to_string_pretty(&usage)?;
    text.push('\n');
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}

/// The CPU time of all programs that were started and have ended, in seconds.
pub fn children_seconds() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("the CPU time of make")?;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of a build fit into 52 bits"
)]
fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// What stands before each build in build.log, which keeps them all: a build that finds much of its
/// work done warns of little, and a comparison needs what was warned of before.
const START: &str = "kernel build starts";

/// What make printed in the last build of `objtree`.
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

/// Warnings of the last build of `objtree` that no build of `against` had; both are of `tree`.
///
/// # Errors
/// A build.log cannot be read.
pub fn new_warnings(tree: &Path, objtree: &Path, against: &Path) -> anyhow::Result<Vec<String>> {
    let known = warnings(&whole_log(against)?, &[tree, against]);
    Ok(warnings(&last_log(objtree)?, &[tree, objtree])
        .difference(&known)
        .cloned()
        .collect())
}

/// The warnings in the log of a build, without the directories in `roots`, so that the logs of two
/// object trees can be compared.
fn warnings(log: &str, roots: &[&Path]) -> BTreeSet<String> {
    let roots: Vec<String> = roots
        .iter()
        .map(|root| std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf()))
        .map(|root| format!("{}/", root.display()))
        .collect();
    log.lines()
        .filter(|line| line.contains("warning:") || line.contains("WARNING:"))
        .map(|line| {
            roots
                .iter()
                .fold(line.trim().to_owned(), |line, root| line.replace(root, ""))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_two_object_trees_are_compared_without_their_paths() {
        let tree = Path::new("/src/linux");
        let old = |objtree: &Path| {
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
        std::fs::write(other.join("build.log"), old(other) + START + "\n").unwrap();
        std::fs::write(one.join("build.log"), old(one)).unwrap();
        assert!(new_warnings(tree, one, other).unwrap().is_empty());

        let new = "ld.lld: warning: something else\n";
        std::fs::write(one.join("build.log"), old(one) + new).unwrap();
        assert_eq!(
            new_warnings(tree, one, other).unwrap(),
            ["ld.lld: warning: something else"]
        );

        // Only the last build counts.
        std::fs::write(one.join("build.log"), old(one) + new + START + "\n").unwrap();
        assert!(new_warnings(tree, one, other).unwrap().is_empty());
    }

    #[test]
    fn an_object_tree_that_is_not_configured_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            tree: dir.path(),
            arch: Arch::Arm64,
            objtree: dir.path(),
            jobs: None,
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

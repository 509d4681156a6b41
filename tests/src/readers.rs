// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Gives arbitrary bytes to every reader, by cargo-fuzz. The targets are in `tests/fuzz`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use kernel_lab::process::{self, End};
use kernel_lab::progress::Step;
use kernel_lab::{setup, workspace};
use xshell::cmd;

/// The targets of `tests/fuzz/Cargo.toml`.
pub const TARGETS: [&str; 10] = [
    "elf", "bitcode", "archive", "btf", "counters", "texts", "edits", "records", "symtab",
    "summary",
];

/// The time in seconds after which one input counts as a loop.
const LOOP: &str = "-timeout=20";

/// The memory in MiB that one input may take.
const MEMORY: &str = "-rss_limit_mb=2048";

/// The longest input in bytes.
const LONGEST: &str = "-max_len=65536";

/// The result of a run of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The target.
    pub target: &'static str,
    /// The number of inputs.
    pub executions: u64,
    /// The number of edges of its code that they reached.
    pub coverage: u64,
    /// The number of edges of all its code, with that of libraries which no input can reach.
    pub edges: u64,
    /// The input on which it failed, and the last lines of its output.
    pub failure: Option<(PathBuf, String)>,
}

impl Tried {
    /// Returns what happened, if it failed.
    pub fn told(&self) -> Option<String> {
        let (input, said) = self.failure.as_ref()?;
        Some(format!(
            "{}: fails on {}:\n{said}",
            self.target,
            input.display()
        ))
    }
}

/// Tries inputs for `time` in all: each of `targets` gets an equal part. Inputs that reach new code are kept in
/// `target/fuzz/corpus`, and are the first of the next run.
///
/// # Errors
/// cargo-fuzz cannot be installed, or a target does not compile or start.
pub fn attack(targets: &[&'static str], time: Duration) -> anyhow::Result<Vec<Tried>> {
    let root = workspace::root();
    let dir = root.join("target/fuzz");
    let built = build(root, &dir)?;
    let share = time.as_secs() / u64::try_from(targets.len().max(1))?;
    let mut tried = Vec::new();
    for target in targets {
        tried.push(try_inputs(target, &built, &dir, share.max(1))?);
    }
    Ok(tried)
}

/// Builds all targets; returns the directory of the programs.
fn build(root: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    let cargo_fuzz = setup::ensure_cargo_fuzz()?;
    let step = Step::start("building the targets of tests/fuzz");
    let sh = process::shell_in(root)?;
    // Sanitizers need a compiler that changes every night; panics and loops are found without.
    let build = cmd!(
        sh,
        "{cargo_fuzz} fuzz build --sanitizer none --fuzz-dir tests/fuzz"
    );
    process::read(build.env("CARGO_TARGET_DIR", dir))?;
    step.finish("built");
    let host = process::read(cmd!(sh, "rustc --version --verbose"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc names no host")?;
    Ok(dir.join(host).join("release"))
}

fn try_inputs(
    target: &'static str,
    built: &Path,
    dir: &Path,
    seconds: u64,
) -> anyhow::Result<Tried> {
    let found = dir.join("corpus").join(target);
    let failed = dir.join("failed").join(target);
    for dir in [&found, &failed] {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let seeds = workspace::root().join("tests/fuzz/corpus").join(target);
    let mut program = std::process::Command::new(built.join(target));
    program
        .args([LOOP, MEMORY, LONGEST, "-print_final_stats=1"])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", failed.display()))
        .arg(&found);
    // Some targets begin with nothing.
    if seeds.exists() {
        program.arg(&seeds);
    }
    let step = Step::start(format!("inputs for {target}"));
    let mut said = String::new();
    let end = process::follow(program, None, |line| {
        step.at(line);
        said.push_str(line);
        said.push('\n');
        Ok(())
    })?;
    let good = matches!(end, End::Exited(status) if status.success());
    let tried = result(target, &said, good);
    step.finish(&format!("{} inputs", tried.executions));
    Ok(tried)
}

/// Reads libFuzzer's output.
fn result(target: &'static str, said: &str, good: bool) -> Tried {
    let executions = said
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let coverage = said.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once(" cov: ")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    // INFO: Loaded 1 modules   (4000 inline 8-bit counters): …
    let edges = said.lines().find_map(|line| {
        let (_, rest) = line.split_once("modules ")?;
        let (count, _) = rest.split_once(" inline 8-bit counters")?;
        count.trim().strip_prefix('(')?.parse().ok()
    });
    let written = said.lines().rev().find_map(|line| {
        let (_, path) = line.split_once("Test unit written to ")?;
        Some(PathBuf::from(path.trim()))
    });
    Tried {
        target,
        executions: executions
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or_default(),
        coverage: coverage.unwrap_or_default(),
        edges: edges.unwrap_or_default(),
        failure: (!good).then(|| (written.unwrap_or_default(), process::last_lines(said))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_target_is_read() {
        let said = "INFO: Loaded 1 modules   (4000 inline 8-bit counters): 4000 [0x1, 0x2), \n#2\tINITED cov: 10 ft: 11 corp: 1/1b\n#99\tDONE   cov: 171 ft: 300 corp: 9/90b\n\
                    stat::number_of_executed_units: 4096\nstat::average_exec_per_sec:     2048\n";
        let expected = Tried {
            target: "elf",
            executions: 4096,
            coverage: 171,
            edges: 4000,
            failure: None,
        };
        assert_eq!(result("elf", said, true), expected);
        let said = "thread panicked\nartifact_prefix='/f/'; Test unit written to /f/crash-1\n";
        let failure = result("elf", said, false).failure.expect("a failure");
        assert_eq!(failure.0, Path::new("/f/crash-1"));
    }

    #[test]
    fn every_target_is_tried() {
        let manifest = include_str!("../fuzz/Cargo.toml");
        let names = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("name = "));
        let names = names.map(|name| name.trim_matches('"'));
        let names: Vec<&str> = names.filter(|name| *name != "fuzz-targets").collect();
        assert_eq!(names, TARGETS);
    }
}

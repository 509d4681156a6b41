// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The steps of `cargo xtask test` that cargo runs, and the outcome of every step.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kernel_lab::process::{self, End};
use kernel_lab::{llvm, progress};
use xshell::{Cmd, cmd};

/// The environment variable by which tests find the scripts of a kernel with native LTO.
const LINUX_SCRIPTS: &str = "KBUILD_LTO_LINUX61_SCRIPTS";

/// The outcome of a step.
#[derive(Debug, PartialEq)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// The number of tests that passed.
    pub passed: usize,
    /// The number of tests that failed.
    pub failed: usize,
    /// Its wall time.
    pub took: Duration,
}

/// Returns the steps that cargo runs.
pub(crate) fn cargo_steps(
    root: &Path,
    linux_scripts: &Path,
    nextest: bool,
) -> anyhow::Result<Vec<(&'static str, Command)>> {
    let llvm = llvm::bin_dir()?;
    let sh = process::shell_in(root)?;
    let cargo = process::cargo();
    let tests = if nextest {
        cmd!(sh, "{cargo} nextest run --workspace --no-fail-fast")
    } else {
        cmd!(sh, "{cargo} test --workspace --all-targets --no-fail-fast")
    };
    let steps = [
        ("format", cmd!(sh, "{cargo} fmt --all --check")),
        (
            "clippy",
            // With all features, tests that need a kernel to run compile without one.
            cmd!(
                sh,
                "{cargo} clippy --workspace --all-targets --all-features -- -D warnings"
            ),
        ),
        (
            "rustdoc",
            cmd!(
                sh,
                "{cargo} doc --workspace --no-deps --document-private-items"
            )
            .env("RUSTDOCFLAGS", "-D warnings"),
        ),
        ("tests", tests),
        (
            "examples in the documentation",
            cmd!(sh, "{cargo} test --workspace --doc --no-fail-fast"),
        ),
    ];
    let with_tools = |(name, step): (_, Cmd<'_>)| {
        let step = step
            .env(llvm::VARIABLE, &llvm)
            .env(LINUX_SCRIPTS, linux_scripts);
        (name, step.into())
    };
    Ok(steps.into_iter().map(with_tools).collect())
}

/// Returns whether cargo-nextest, which runs tests side by side, is installed.
pub(crate) fn has_nextest() -> bool {
    process::shell()
        .and_then(|sh| process::read(cmd!(sh, "cargo-nextest nextest --version")))
        .is_ok()
}

/// Runs cargo and counts the tests it reports; a command that reports none counts as one.
pub(crate) fn cargo_step(name: &str, command: Command) -> anyhow::Result<Step> {
    progress::note(&format!("{name}: {}", process::shown(&command)));
    let started = Instant::now();
    let mut output = String::new();
    let end = process::follow(command, None, |line| {
        progress::note(line);
        output.push_str(line);
        output.push('\n');
        Ok(())
    })?;
    let good = matches!(end, End::Exited(status) if status.success());
    let (passed, failed) = count(&output, good);
    Ok(Step {
        name: name.to_owned(),
        passed,
        failed,
        took: started.elapsed(),
    })
}

/// Returns the numbers of passed and failed tests in the output of cargo. A failure without a failed test, such
/// as a crate that does not compile, counts as one failure.
fn count(output: &str, good: bool) -> (usize, usize) {
    let summaries: Vec<&str> = output
        .lines()
        .filter(|line| line.starts_with("test result: ") || line.contains(" tests run: "))
        .collect();
    let sum = |word: &str| {
        summaries
            .iter()
            .filter_map(|line| number_before(line, word))
            .sum::<usize>()
    };
    let (passed, failed) = (sum("passed"), sum("failed") + sum("timed out"));
    match (good, failed) {
        (true, 0) if summaries.is_empty() => (1, 0),
        (false, 0) => (passed, 1),
        _ => (passed, failed),
    }
}

/// Returns the number before `word`: `12 passed`.
fn number_before(line: &str, word: &str) -> Option<usize> {
    let (before, _) = line.split_once(&format!(" {word}"))?;
    before
        .rsplit(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_over_all_crates() {
        let output = "test result: ok. 34 passed; 0 failed; 0 ignored; 0 measured\n\
                      test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured\n";
        assert_eq!(count(output, false), (39, 2));
    }

    #[test]
    fn the_summary_of_nextest_is_counted() {
        let summary = "     Summary [   3.5s] 120 tests run: 117 passed (1 slow), 2 failed, 1 timed out, 0 skipped\n";
        assert_eq!(count(summary, false), (117, 3));
        assert_eq!(
            count("Summary [ 1s] 7 tests run: 7 passed, 0 skipped\n", true),
            (7, 0)
        );
    }

    #[test]
    fn what_runs_no_tests_counts_as_one() {
        assert_eq!(count("", true), (1, 0));
        assert_eq!(count("error: could not compile\n", false), (0, 1));
        assert_eq!(
            count(
                "test result: ok. 3 passed; 0 failed\nerror: could not compile\n",
                false
            ),
            (3, 1)
        );
    }
}

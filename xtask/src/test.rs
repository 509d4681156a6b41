// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask test`: all checks that a change must pass.

use crate::kernel_tests::{KernelTest, TESTS, WIDE};
use crate::outcome::Failure;
use crate::outcome::Outcome;
use crate::outcome::print;
use crate::resume::Resume;
use kernel_lab::Arch;
use kernel_lab::disk_space;
use kernel_lab::fetch;
use kernel_lab::ledger::{Book, Entry, Verdict};
use kernel_lab::llvm;
use kernel_lab::process;
use kernel_lab::process::End;
use kernel_lab::setup;
use kernel_lab::table;
use kernel_lab::workspace;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

/// Runs all checks and tests of this repository.
///
/// Runs format, lints, documentation and the tests of every crate. Then it builds kernels with LTO
/// and without, boots and compares them. Missing system packages are installed first.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask test --quick
  cargo xtask test
  cargo xtask test --only 'thin LTO against none'
  cargo xtask test --wide --only '6.12 x86_64'
  cargo xtask test --wide --resume --shard 1/4")]
pub struct Args {
    /// Build no kernel.
    #[arg(long)]
    quick: bool,
    /// Also run the tests that take hours: a kernel built with -j1 from nothing, and kernels of trees with their
    /// own LTO, unchanged and with plugins.
    #[arg(long, conflicts_with = "quick")]
    wide: bool,
    /// Run only the kernel tests whose name contains this text.
    #[arg(long, value_name = "TEXT", conflicts_with = "quick")]
    only: Option<String>,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    no_install: bool,
    #[command(flatten)]
    resume: Resume,
}

/// The environment variable by which tests find the scripts of a kernel with native LTO.
const LINUX_SCRIPTS: &str = "KBUILD_LTO_LINUX61_SCRIPTS";

/// The disk space that the tests of all crates need from nothing, in GiB.
const ROOM_FOR_TESTS: u64 = 5;

/// The disk space that these tests and the kernels without `--wide` need, in GiB.
const ROOM_FOR_KERNELS: u64 = 14;

/// The outcome of a step.
#[derive(Debug, PartialEq)]
struct Step {
    name: String,
    passed: usize,
    failed: usize,
    took: Duration,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        quick,
        wide,
        ref only,
        no_install,
        ref resume,
    } = *args;
    if !wide && (resume.skips_passed || resume.shard.is_some()) {
        return Err(anyhow::anyhow!("--resume and --shard need --wide").into());
    }
    let mut kernel_tests = if quick {
        Vec::new()
    } else {
        kernel_tests(wide, only.as_deref())?
    };
    let mut book = if wide {
        Some(Book::open(&resume.of_ledger())?)
    } else {
        None
    };
    if let Some(shard) = resume.shard {
        let mut position = 0..;
        kernel_tests.retain(|_| position.next().is_some_and(|position| shard.has(position)));
    }
    let root = workspace::root();
    let workdir = root.join("target/kernel-tests");
    // Results of an earlier run need no more space.
    let (room, purpose) = if quick || workdir.exists() {
        (ROOM_FOR_TESTS, "the tests")
    } else {
        (ROOM_FOR_KERNELS, "the tests and their kernels")
    };
    disk_space::require(root, room, purpose)?;
    for arch in &Arch::ALL {
        setup::ensure(setup::Options {
            arch: *arch,
            install: !no_install,
        })?;
    }
    setup::ensure_for_tests(!no_install)?;
    let linux = fetch::fetch(fetch::Options {
        version: "6.1",
        package_version: None,
        into: &workspace::trees(),
    })?;
    let mut steps = Vec::new();
    if only.is_none() && resume.shard.is_none_or(|shard| shard.has(0)) {
        for (name, command) in cargo_steps(root, &linux.join("scripts"), has_nextest())? {
            steps.push(cargo_step(name, command)?);
        }
    }
    for (name, test) in kernel_tests {
        if let Some(book) = &book
            && let Some(Entry { commit, time, .. }) = book.done(name)?
        {
            eprintln!("{name}: passed {time} at {commit}");
            continue;
        }
        let step = kernel_step(name, test, &workdir);
        if let Some(book) = &mut book {
            let verdict = match step.failed {
                0 => Verdict::Passed,
                _ => Verdict::Failed,
            };
            book.keep(name, None, verdict, step.took.as_secs())?;
            book.write_page(&WIDE.map(|(name, _)| name))?;
        }
        steps.push(step);
    }
    summarize(&steps)
}

/// Returns the kernel tests whose name contains `only`, at least one; those of WIDE only if `wide`.
fn kernel_tests(wide: bool, only: Option<&str>) -> anyhow::Result<Vec<(&'static str, KernelTest)>> {
    let only = only.unwrap_or_default();
    let asked = |(name, _): &(&str, KernelTest)| name.contains(only);
    let of_wide = WIDE.into_iter().filter(|_| wide);
    let tests: Vec<_> = TESTS.into_iter().chain(of_wide).filter(asked).collect();
    anyhow::ensure!(
        !tests.is_empty(),
        "no kernel test's name contains `{only}`{}",
        if WIDE.iter().any(asked) {
            "; with --wide there is one"
        } else {
            ""
        }
    );
    Ok(tests)
}

/// Returns the steps that cargo runs.
fn cargo_steps(
    root: &Path,
    linux_scripts: &Path,
    nextest: bool,
) -> anyhow::Result<Vec<(&'static str, Command)>> {
    let llvm = llvm::bin_dir()?;
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(root)
            .args(arguments)
            .env(llvm::VARIABLE, &llvm)
            .env(LINUX_SCRIPTS, linux_scripts);
        command
    };
    let mut doc = cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    let tests: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--no-fail-fast"]
    } else {
        &["test", "--workspace", "--all-targets", "--no-fail-fast"]
    };
    Ok(vec![
        ("format", cargo(&["fmt", "--all", "--check"])),
        (
            "clippy",
            cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                // Tests that need a kernel to run compile without one.
                "--all-features",
                "--",
                "-D",
                "warnings",
            ]),
        ),
        ("rustdoc", doc),
        ("tests", cargo(tests)),
        (
            "examples in the documentation",
            cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]),
        ),
    ])
}

/// Returns whether cargo-nextest, which runs tests side by side, is installed.
fn has_nextest() -> bool {
    Command::new("cargo-nextest")
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs cargo and counts the tests it reports; a command that reports none counts as one.
fn cargo_step(name: &str, command: Command) -> anyhow::Result<Step> {
    eprintln!("{name}: {}", process::shown(&command));
    let started = Instant::now();
    let mut output = String::new();
    let end = process::follow(command, None, |line| {
        eprintln!("{line}");
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

fn kernel_step(name: &str, test: KernelTest, workdir: &Path) -> Step {
    eprintln!("{name}");
    let started = Instant::now();
    let outcome = test(workdir);
    let failed = usize::from(outcome.is_err());
    if let Err(Failure::Fault(error) | Failure::CannotRun(error)) = outcome {
        eprintln!("{name}: {error:#}");
    }
    Step {
        name: name.to_owned(),
        passed: 1 - failed,
        failed,
        took: started.elapsed(),
    }
}

/// Prints the steps and the sums.
fn summarize(steps: &[Step]) -> Outcome {
    let rows = steps.iter().map(
        |Step {
             name,
             passed,
             failed,
             took,
         }| {
            let result = format!("{passed} passed, {failed} failed");
            [name.clone(), result, format!("{:.0} s", took.as_secs_f64())]
        },
    );
    let passed: usize = steps.iter().map(|step| step.passed).sum();
    let failed: usize = steps.iter().map(|step| step.failed).sum();
    let table = table::of(rows);
    print(format!("{table}\n{passed} passed, {failed} failed\n").as_bytes())?;
    if failed == 0 {
        return Ok(());
    }
    let names: Vec<_> = steps
        .iter()
        .filter(|step| step.failed > 0)
        .map(|step| step.name.as_str())
        .collect();
    Err(Failure::Fault(anyhow::anyhow!(
        "failed: {}",
        names.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel_lab::ledger::Ledger;

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

    #[test]
    fn a_name_that_no_test_has_is_refused() {
        let refusal = |wide, only| kernel_tests(wide, Some(only)).unwrap_err().to_string();
        assert_eq!(
            refusal(true, "no such"),
            "no kernel test's name contains `no such`"
        );
        let wide = WIDE[0].0;
        assert!(refusal(false, wide).ends_with("; with --wide there is one"));
        assert_eq!(kernel_tests(true, Some(wide)).unwrap().len(), 1);
        assert_eq!(kernel_tests(false, None).unwrap().len(), TESTS.len());
    }

    #[test]
    fn the_page_of_wide_tests_is_what_the_ledger_says() {
        let root = workspace::root();
        let page = std::fs::read_to_string(root.join("docs/results/wide.md")).unwrap();
        let ledger = Ledger::read(root).unwrap();
        assert_eq!(page, ledger.page(&WIDE.map(|(name, _)| name)));
    }

    #[test]
    fn only_hours_of_kernels_are_resumed() {
        let args = ["test", "--resume"];
        let args = <Args as clap::FromArgMatches>::from_arg_matches(
            &<Args as clap::Args>::augment_args(clap::Command::new("test")).get_matches_from(args),
        );
        let Err(Failure::CannotRun(error)) = run(&args.unwrap()) else {
            panic!("resumed without --wide")
        };
        assert_eq!(error.to_string(), "--resume and --shard need --wide");
    }

    #[test]
    fn a_failed_step_makes_the_outcome_a_fault_that_names_it() {
        let step = |name: &str, failed| Step {
            name: name.to_owned(),
            passed: 1,
            failed,
            took: Duration::from_secs(1),
        };
        assert!(summarize(&[step("clippy", 0)]).is_ok());
        let Err(Failure::Fault(error)) = summarize(&[step("clippy", 0), step("tests", 2)]) else {
            panic!("no fault")
        };
        assert_eq!(error.to_string(), "failed: tests");
    }
}

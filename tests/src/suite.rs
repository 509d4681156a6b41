// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! All checks that a change must pass: the steps that cargo runs, and the tests that build kernels.

use std::path::Path;
use std::time::{Duration, Instant};

use kernel_lab::ledger::{Book, Entry, Resume, Shard, Verdict};
use kernel_lab::{Arch, Failure, Outcome, disk_space, fetch, progress, setup, table, workspace};

use crate::kernels::{KernelTest, TESTS, WIDE};
use crate::readers::{self, Tried};
use crate::steps::{self, Step};

/// The disk space that the tests of all crates need from scratch, in GiB.
const ROOM_FOR_TESTS: u64 = 5;

/// The disk space that these tests and the kernels without `--wide` need, in GiB.
const ROOM_FOR_KERNELS: u64 = 14;

/// The time in which every reader gets arbitrary bytes.
const TIME_FOR_READERS: Duration = Duration::from_secs(30);

/// The tests to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether no kernel is built, and readers get no arbitrary bytes.
    pub quick: bool,
    /// Whether the tests that take hours run, too.
    pub wide: bool,
    /// A text in the names of the kernel tests to run; with it, cargo runs nothing.
    pub only: Option<String>,
    /// Whether missing system packages are installed.
    pub installs_packages: bool,
    /// The passed tests that are skipped.
    pub resume: Resume,
    /// The part of the tests to run.
    pub shard: Option<Shard>,
}

/// Runs the steps; the results of each are kept in the ledger if the tests are wide.
///
/// # Errors
/// There is no such test, something that all tests need is missing, or the ledger cannot be written. A failed
/// test is in the result.
pub fn run(options: &Options) -> anyhow::Result<Vec<Step>> {
    let Options { quick, wide, .. } = *options;
    anyhow::ensure!(
        wide || !options.resume.skips_passed && options.shard.is_none(),
        "--resume and --shard need --wide"
    );
    let kernel_tests = if quick {
        Vec::new()
    } else {
        kernel_tests(wide, options.only.as_deref())?
    };
    let book = if wide {
        Some(Book::open(&options.resume)?)
    } else {
        None
    };
    let workdir = workspace::root().join("target/kernel-tests");
    prepare(options, &workdir)?;
    let has = |position| options.shard.is_none_or(|shard: Shard| shard.has(position));
    let mut done = Vec::new();
    if options.only.is_none() && has(0) {
        done.extend(of_cargo()?);
        if !quick {
            done.push(of_readers()?);
        }
    }
    let asked = kernel_tests.into_iter().enumerate();
    let asked = asked.filter(|(position, _)| has(*position));
    done.extend(of_kernels(asked.map(|(_, test)| test), &workdir, book)?);
    Ok(done)
}

/// Checks the disk space, and installs the packages.
fn prepare(options: &Options, workdir: &Path) -> anyhow::Result<()> {
    // Results of an earlier run need no more space.
    let (room, purpose) = if options.quick || workdir.exists() {
        (ROOM_FOR_TESTS, "the tests")
    } else {
        (ROOM_FOR_KERNELS, "the tests and their kernels")
    };
    disk_space::require(workspace::root(), room, purpose)?;
    let install = options.installs_packages;
    for arch in Arch::ALL {
        setup::ensure(setup::Options { arch, install })?;
    }
    setup::ensure_for_tests(install)
}

/// Runs what cargo runs: format, lints, documentation and the tests of all crates.
fn of_cargo() -> anyhow::Result<Vec<Step>> {
    let linux = fetch::fetch(fetch::Options {
        version: "6.1",
        package_version: None,
        into: &workspace::trees(),
    })?;
    let scripts = linux.join("scripts");
    let commands = steps::cargo_steps(workspace::root(), &scripts, steps::has_nextest())?;
    let commands = commands.into_iter();
    commands
        .map(|(name, command)| steps::cargo_step(name, command))
        .collect()
}

/// Gives arbitrary bytes to every reader.
fn of_readers() -> anyhow::Result<Step> {
    let started = Instant::now();
    let tried = readers::attack(&readers::TARGETS, TIME_FOR_READERS)?;
    for failure in tried.iter().filter_map(Tried::told) {
        progress::note(&failure);
    }
    Ok(step_of_readers(&tried, started.elapsed()))
}

/// Returns the outcome; a target without an input has failed.
fn step_of_readers(tried: &[Tried], took: Duration) -> Step {
    let is_good = |tried: &&Tried| tried.failure.is_none() && tried.executions > 0;
    let passed = tried.iter().filter(is_good).count();
    Step {
        name: "arbitrary bytes for every reader".to_owned(),
        passed,
        failed: tried.len() - passed,
        took,
    }
}

/// Runs tests that build kernels, except those that `book` lets skip, and keeps the results there.
fn of_kernels(
    tests: impl Iterator<Item = (&'static str, KernelTest)>,
    workdir: &Path,
    mut book: Option<Book>,
) -> anyhow::Result<Vec<Step>> {
    let mut done = Vec::new();
    for (name, test) in tests {
        if let Some(book) = &book
            && let Some(Entry { commit, time, .. }) = book.last_pass(name)?
        {
            progress::note(&format!("{name}: passed {time} at {commit}"));
            continue;
        }
        let step = kernel_step(name, test, workdir);
        if let Some(book) = &mut book {
            let verdict = match step.failed {
                0 => Verdict::Passed,
                _ => Verdict::Failed,
            };
            book.keep(name, None, verdict, step.took.as_secs())?;
            book.write_page(&WIDE.map(|(name, _)| name))?;
        }
        done.push(step);
    }
    Ok(done)
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

fn kernel_step(name: &str, test: KernelTest, workdir: &Path) -> Step {
    progress::note(name);
    let started = Instant::now();
    let outcome = test(workdir);
    let failed = usize::from(outcome.is_err());
    if let Err(Failure::Fault(error) | Failure::CannotRun(error)) = outcome {
        progress::note(&format!("{name}: {error:#}"));
    }
    Step {
        name: name.to_owned(),
        passed: 1 - failed,
        failed,
        took: started.elapsed(),
    }
}

/// Returns a table of the steps, and the sums.
pub fn summary(steps: &[Step]) -> String {
    let rows = steps.iter().map(|step| {
        let result = format!("{} passed, {} failed", step.passed, step.failed);
        let took = format!("{:.0} s", step.took.as_secs_f64());
        [step.name.clone(), result, took]
    });
    let passed: usize = steps.iter().map(|step| step.passed).sum();
    let failed: usize = steps.iter().map(|step| step.failed).sum();
    format!("{}\n{passed} passed, {failed} failed\n", table::of(rows))
}

/// Checks that no step failed.
///
/// # Errors
/// A fault that names the failed steps.
pub fn judge(steps: &[Step]) -> Outcome {
    let failed = steps.iter().filter(|step| step.failed > 0);
    let names: Vec<_> = failed.map(|step| step.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let names = names.join(", ");
    Err(Failure::Fault(anyhow::anyhow!("failed: {names}")))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use kernel_lab::ledger::Ledger;

    use super::*;

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
        let options = Options {
            resume: Resume {
                skips_passed: true,
                ..Resume::default()
            },
            ..Options::default()
        };
        let error = run(&options).unwrap_err();
        assert_eq!(error.to_string(), "--resume and --shard need --wide");
    }

    #[test]
    fn a_reader_that_fails_or_reads_nothing_fails_the_step() {
        let good = Tried {
            target: "elf",
            executions: 7,
            coverage: 3,
            edges: 30,
            failure: None,
        };
        let failed = Tried {
            failure: Some((PathBuf::from("crash-1"), "panicked".to_owned())),
            ..good.clone()
        };
        let idle = Tried {
            executions: 0,
            ..good.clone()
        };
        assert_eq!(failed.told().unwrap(), "elf: fails on crash-1:\npanicked");
        let step = step_of_readers(&[good, failed, idle], Duration::ZERO);
        assert_eq!((step.passed, step.failed), (1, 2));
        assert!(judge(&[step]).is_err());
    }

    #[test]
    fn a_failed_step_makes_the_outcome_a_fault_that_names_it() {
        let step = |name: &str, failed| Step {
            name: name.to_owned(),
            passed: 1,
            failed,
            took: Duration::from_secs(1),
        };
        assert!(judge(&[step("clippy", 0)]).is_ok());
        let Err(Failure::Fault(error)) = judge(&[step("clippy", 0), step("tests", 2)]) else {
            panic!("no fault")
        };
        assert_eq!(error.to_string(), "failed: tests");
    }
}

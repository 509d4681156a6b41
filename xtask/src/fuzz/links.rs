// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask fuzz links`: generated programs, linked in every way of lto-link, run and compared.

use crate::outcome::{Failure, Outcome, print};
use crate::values;
use anyhow::Context as _;
use kernel_lab::Arch;
use kernel_lab::llvm;
use kernel_lab::progress::Step;
use kernel_lab::setup;
use kernel_lab::workspace;
use link_lab::{Feature, FuzzOptions, GENERATOR_VERSION, Lab, Summary, Tools, fuzz};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Links generated programs in every way of lto-link, runs them, and compares with `ld.lld -r`.
///
/// A seed always gives the same program. Programs of sixteen seeds are linked together; if that shows a
/// difference, each is linked alone. A program that means something else after a link is made
/// smaller, and written to a folder as a case for tests/link.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask fuzz links --seeds 0..1000
  cargo xtask fuzz links --seeds 0..10000 --arch arm64 --time 3600 --record
  cargo xtask fuzz links --seeds 77..78 --features asm-calls,asm-spellings

Features: asm-calls, asm-spellings, asm-data, asm-addresses, asm-differences, asm-labels, asm-tables,
module-asm, last-link, weak-references, library, definition-order, linkage, comdat, constructors, tables.

Exit code: 0 every program means the same; 1 one does not; 2 it could not run.")]
pub struct Args {
    /// The first seed, and the one behind the last.
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    seeds: Range<u64>,
    /// The architecture that programs are made for.
    #[arg(long, value_parser = values::arch(), default_value = "x86_64")]
    arch: Arch,
    /// What programs may have, of the features below [default: all].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    features: Vec<Feature>,
    /// How many links run at a time [default: the CPUs].
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Begin no program after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// The lto-link to try [default: that of this repository, built].
    #[arg(long, value_name = "PATH")]
    lto_link: Option<PathBuf>,
    /// Stop when so many programs were found.
    #[arg(long, value_name = "N", default_value = "10")]
    max_found: usize,
    /// Do not make programs smaller.
    #[arg(long)]
    no_shrink: bool,
    /// Where programs that were found are written.
    #[arg(long, value_name = "DIR", default_value = "target/fuzz-links")]
    into: PathBuf,
    /// Add the line of this run to docs/results/link-programs.md, if no difference was found.
    #[arg(long, conflicts_with = "features")]
    record: bool,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("`{text}`: seeds are written A..B, such as 0..1000");
    let (start, end) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse().map_err(|_| wrong());
    let seeds = number(start)?..number(end)?;
    if seeds.is_empty() {
        return Err(format!("`{text}`: no seed"));
    }
    Ok(seeds)
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    let Args {
        seeds,
        arch,
        features,
        jobs,
        time,
        lto_link,
        max_found,
        no_shrink,
        into,
        record,
    } = args;
    setup::ensure_user_mode_emulation()?;
    let lto_link = match lto_link {
        Some(path) => fs::canonicalize(&path).with_context(|| path.display().to_string())?,
        None => installer::built_tool("lto-link")?,
    };
    let lab = Lab::new(Tools {
        llvm: Some(llvm::bin_dir()?),
        lto_link,
    })?;
    let cpus = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let is_whole = features.is_empty();
    let options = FuzzOptions {
        seeds: seeds.clone(),
        features: if is_whole {
            Feature::ALL.to_vec()
        } else {
            features
        },
        arch: match arch {
            Arch::X86_64 => link_lab::Arch::X86_64,
            Arch::Arm64 => link_lab::Arch::Arm64,
        },
        jobs: jobs.map_or(cpus, NonZeroUsize::get),
        deadline: time.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
        shrinks: !no_shrink,
        max_found,
    };
    let step = Step::start(format!("programs {}..{}", seeds.start, seeds.end));
    let tried = AtomicU64::new(0);
    let before = cpu_of_children()?;
    let summary = fuzz(&lab, &options, |seeds| {
        let n_seeds = seeds.end - seeds.start;
        let tried = tried.fetch_add(n_seeds, Ordering::Relaxed) + n_seeds;
        step.at(&format!(
            "{tried} programs, the last has seed {}",
            seeds.end - 1
        ));
    });
    step.done(&format!("{} programs", tried.load(Ordering::Relaxed)));
    let cpu = cpu_of_children()?.saturating_sub(before);
    report(&summary, options.arch, cpu, &into, is_whole, record)
}

/// CPU time of all that was run.
fn cpu_of_children() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("the CPU time of what was run")?;
    let milliseconds =
        usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds();
    Ok(Duration::from_millis(milliseconds.unsigned_abs()))
}

/// Prints what was found, writes it to `into`, and gives the exit code. A run with all features,
/// `is_whole`, that found nothing has a row for the results.
fn report(
    summary: &Summary,
    arch: link_lab::Arch,
    cpu: Duration,
    into: &Path,
    is_whole: bool,
    record: bool,
) -> Outcome {
    let Summary {
        tried,
        found,
        errors,
    } = summary;
    let mut text = String::new();
    for found in found {
        let case = found.program.case();
        let folder = into.join(format!("{}-{arch}", case.name));
        case.write(&folder)?;
        let Range { start, end } = found.program.seeds();
        let verdict = &found.verdict;
        let _ = write!(
            text,
            "seeds {start}..{end}, {arch}: {}\n{verdict}",
            folder.display()
        );
    }
    for (seed, error) in errors {
        let _ = writeln!(text, "seed {seed}, {arch}: {error}");
    }
    let line = line(tried, arch, cpu);
    let seconds = cpu.as_secs();
    let _ = writeln!(
        text,
        "{}..{} for {arch}: {} programs differ, {} are none, {seconds} s of CPU time",
        tried.start,
        tried.end,
        found.len(),
        errors.len()
    );
    if is_whole && found.is_empty() && errors.is_empty() {
        let _ = writeln!(text, "{line}");
    }
    print(text.as_bytes())?;
    if !found.is_empty() || !errors.is_empty() {
        return Err(Failure::Fault(anyhow::anyhow!(
            "{} of the programs mean something else after a link, {} are no programs",
            found.len(),
            errors.len()
        )));
    }
    if record {
        add_line(&workspace::root().join(RESULTS), &line)?;
    }
    Ok(())
}

/// The page with the ranges of seeds that passed.
const RESULTS: &str = "docs/results/link-programs.md";

/// A row of the table in the results.
fn line(tried: &Range<u64>, arch: link_lab::Arch, cpu: Duration) -> String {
    let Range { start, end } = tried;
    let programs = end.saturating_sub(*start);
    let divisor = u32::try_from(programs.max(1)).unwrap_or(u32::MAX);
    let each = (cpu / divisor).as_secs_f64();
    format!(
        "| {arch} | {GENERATOR_VERSION} | {start}..{end} | {programs} | {each:.2} | \
         `cargo xtask fuzz links --arch {arch} --seeds {start}..{end}` |"
    )
}

fn add_line(page: &Path, line: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let text = format!("{}\n{line}\n", text.trim_end());
    fs::write(page, text).with_context(|| page.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range() {
        assert_eq!(seeds("3..9"), Ok(3..9));
        for wrong in ["9", "9..3", "3..3", "a..b", "..5"] {
            let error = seeds(wrong).unwrap_err();
            assert!(error.starts_with(&format!("`{wrong}`")), "{error}");
        }
    }

    #[test]
    fn a_run_is_added_as_the_last_row_of_the_table() {
        let dir = tempfile::tempdir().unwrap();
        let page = dir.path().join("page.md");
        fs::write(&page, "| a |\n|---|\n").unwrap();
        let line = line(&(5..25), link_lab::Arch::Arm64, Duration::from_secs(10));
        add_line(&page, &line).unwrap();
        let version = link_lab::GENERATOR_VERSION;
        let expected = format!(
            "| a |\n|---|\n| arm64 | {version} | 5..25 | 20 | 0.50 | \
             `cargo xtask fuzz links --arch arm64 --seeds 5..25` |\n"
        );
        assert_eq!(fs::read_to_string(&page).unwrap(), expected);
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask bench runtime`: the instructions that a kernel executes for the same work.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kernel_lab::ledger::{Book, Entry, Shard, Verdict};
use kernel_lab::runtime::rows;
use kernel_lab::runtime::table::{self, Measurement};
use kernel_lab::runtime::{Meter, Set, TIME, workloads};
use kernel_lab::{Arch, build, config, qemu, workspace};

use crate::demo;
use crate::outcome::{Failure, Outcome, print};
use crate::resume::Resume;
use crate::values::{self, Format};

/// Counts the instructions that kernels execute for the same work.
///
/// Each kernel runs in QEMU with one processor, whose clock counts instructions, so two runs of a kernel give
/// the same numbers. A QEMU plugin counts the kernel's instructions without those of programs, its taken
/// branches, and its misses in a simulated instruction cache. Instructions are not cycles: a kernel that
/// executes more of them may still be faster. The result is stored in bench-runtime.json of the object tree.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench runtime --arch arm64 --objtree /build/thin --against /build/none
  cargo xtask bench runtime --arch arm64 --objtree /build/thin --set shell --format json
  cargo xtask bench runtime --arch x86_64 --objtree /build/thin --against /build/none --workload ./work.sh
  cargo xtask bench runtime --arch arm64 --row thin-dist-drop
  cargo xtask bench runtime --arch arm64 --rows --resume --shard 1/4")]
pub struct Args {
    /// The architecture of the kernels.
    #[arg(long, value_parser = values::arch())]
    arch: Arch,
    /// The object tree of a kernel; may be given several times.
    #[arg(long, value_name = "DIR", num_args = 1.., required_unless_present_any = ["row", "rows", "page"])]
    objtree: Vec<PathBuf>,
    /// The object tree of the kernel that the others are compared with.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// The set of work to run; may be given several times [default: training, test and shell].
    #[arg(long, value_parser = values::set())]
    set: Vec<Set>,
    /// Run your own program, which is statically linked, or your own script for busybox's shell, instead.
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    workload: Option<PathBuf>,
    /// The format of the result.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Build and measure this row of the results page, or measure --objtree as this row, and write the
    /// page.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["against", "set", "workload"])]
    row: Option<String>,
    /// The same for all rows of the results page.
    #[arg(long, conflicts_with_all = ["row", "objtree", "against", "set", "workload"])]
    rows: bool,
    /// Only write the results page, from the stored rows.
    #[arg(long, conflicts_with_all = ["row", "rows", "objtree", "against", "set", "workload"])]
    page: bool,
    #[command(flatten)]
    resume: Resume,
    /// The directory in which the kernels of rows are built [default: target/bench of this repository].
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    no_install: bool,
    /// The time limit of a guest in seconds; there is one guest for each set.
    #[arg(long, value_name = "SECONDS", default_value_t = TIME)]
    timeout: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        arch,
        objtree,
        against,
        set,
        workload,
        format,
        timeout,
        row,
        rows,
        page,
        ..
    } = args;
    if *page {
        return write_page(*arch, &workspace::root().join("docs/results"));
    }
    if *rows || row.is_some() {
        return measure_rows(args);
    }
    let sets = match (workload, set.as_slice()) {
        (Some(_), _) => vec![Set::Own],
        (None, []) => Set::DEFAULT.to_vec(),
        (None, some) => some.to_vec(),
    };
    let meter = Meter::new(*arch, Duration::from_secs(*timeout))?;
    let workloads = workloads(*arch, &sets, workload.as_deref())?;
    let measure = |objtree: &Path| -> Result<Measurement, Failure> {
        Ok(Measurement {
            name: objtree.display().to_string(),
            runtime: meter.measure(objtree, &workloads)?,
        })
    };
    let base = match against {
        Some(against) => Some(measure(against)?),
        None => None,
    };
    let mut measured = Vec::new();
    for objtree in objtree {
        measured.push(measure(objtree)?);
    }
    let text = match format {
        Format::Json => table::json(base.as_ref(), &measured, &sets)?,
        Format::Text => table::text(base.as_ref(), &measured, &sets)?,
    };
    print(format!("{text}\n").as_bytes())?;
    Ok(())
}

/// Builds and measures rows of the results page, and writes it after each.
fn measure_rows(args: &Args) -> Outcome {
    let Args {
        arch,
        objtree,
        row,
        resume,
        workdir,
        no_install,
        timeout,
        ..
    } = args;
    let root = workspace::root();
    let results = root.join("docs/results");
    let workdir = workdir.clone().unwrap_or_else(|| root.join("target/bench"));
    let rows = asked_rows(*arch, row.as_deref(), resume.shard)?;
    let mut book = Book::open(&resume.of_ledger())?;
    let meter = Meter::new(*arch, Duration::from_secs(*timeout))?;
    let workloads = workloads(*arch, &Set::DEFAULT, None)?;
    for row in rows {
        let test = row.test();
        if let Some(Entry { commit, time, .. }) = book.done(&test)? {
            eprintln!("{test}: measured {time} at {commit}");
            continue;
        }
        let started = Instant::now();
        let built = match objtree.as_slice() {
            [] => build_row(&row, &workdir, !no_install),
            [objtree] => row.check(objtree).map(|()| objtree.clone()),
            _ => Err(anyhow::anyhow!("--row takes one --objtree").into()),
        };
        let outcome = built.and_then(|objtree| {
            let runtime = meter.measure(&objtree, &workloads)?;
            let record = row.record(&objtree, runtime)?;
            rows::write(&row, &results, &record)?;
            Ok(())
        });
        let verdict = match outcome {
            Ok(()) => Verdict::Passed,
            Err(_) => Verdict::Failed,
        };
        let seconds = started.elapsed().as_secs();
        book.keep(&test, Some(qemu::SEED), verdict, seconds)?;
        outcome?;
        write_page(*arch, &results)?;
    }
    Ok(())
}

/// Writes the results page of `arch`.
fn write_page(arch: Arch, results: &Path) -> Outcome {
    let page = rows::page(arch, results)?;
    let path = rows::page_path(arch, results);
    std::fs::write(&path, page).with_context(|| path.display().to_string())?;
    Ok(print(
        format!("written to {}\n", path.display()).as_bytes(),
    )?)
}

/// Returns the requested rows.
fn asked_rows(
    arch: Arch,
    name: Option<&str>,
    shard: Option<Shard>,
) -> anyhow::Result<Vec<rows::Row>> {
    let rows = rows::rows(arch);
    let names: Vec<_> = rows.iter().map(|row| row.name.clone()).collect();
    let asked: Vec<_> = rows
        .into_iter()
        .enumerate()
        .filter(|(position, _)| shard.is_none_or(|shard| shard.has(*position)))
        .map(|(_, row)| row)
        .filter(|row| name.is_none_or(|name| row.name == name))
        .collect();
    anyhow::ensure!(
        !asked.is_empty(),
        "no such row; there are {}",
        names.join(", ")
    );
    Ok(asked)
}

/// Builds the kernel of a row, and returns its object tree.
fn build_row(row: &rows::Row, workdir: &Path, install: bool) -> Result<PathBuf, Failure> {
    let arch = row.variant.arch;
    let tree = demo::prepare(None, workdir, arch, install)?;
    let objtree = row.objtree(workdir);
    config::configure(config::Options {
        tree: &tree,
        arch,
        objtree: &objtree,
        profile: row.variant.profile,
        lto: row.variant.lto,
        set: &row.settings()?,
    })?;
    build::build(build::Options {
        tree: &tree,
        arch,
        objtree: &objtree,
        jobs: None,
        target: build::ALL,
    })?;
    Ok(objtree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_asked_for_by_name_or_by_shard() {
        let asked = |name, shard: Option<&str>| {
            let shard = shard.map(|shard| shard.parse().unwrap());
            asked_rows(Arch::X86_64, name, shard)
        };
        assert_eq!(asked(Some("thin"), None).unwrap().len(), 1);
        let all = asked(None, None).unwrap().len();
        let halves = ["1/2", "2/2"].map(|half| asked(None, Some(half)).unwrap().len());
        assert_eq!(halves.iter().sum::<usize>(), all);
        let error = asked(Some("thick"), None).unwrap_err().to_string();
        assert!(
            error.starts_with("no such row; there are none, none-size"),
            "{error}"
        );
    }
}

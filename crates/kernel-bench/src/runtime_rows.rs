// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares the work of kernels; builds and measures the rows of the results pages, and keeps them in the
//! ledger.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kernel_lab::ledger::{Book, Entry, Resume, Shard, Verdict};
use kernel_lab::runtime::rows::{self, Parts, Record, Row};
use kernel_lab::runtime::table::{self, Measurement};
use kernel_lab::runtime::{Meter, Set, workloads};
use kernel_lab::{Arch, Failure, KERNEL, Outcome, progress, qemu};
use lto_lab::Lab;
use tool_io::Files;

use crate::profile;

/// The kernels to compare.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// Their architecture.
    pub arch: Arch,
    /// The time limit of a guest.
    pub timeout: Duration,
    /// Their object trees.
    pub objtrees: &'a [PathBuf],
    /// The object tree of the kernel that they are compared with.
    pub against: Option<&'a Path>,
    /// The sets of work.
    pub sets: &'a [Set],
    /// The program or script of [`Set::Own`].
    pub own: Option<&'a Path>,
}

/// Measured kernels.
pub struct Measured<'a> {
    sets: &'a [Set],
    base: Option<Measurement>,
    kernels: Vec<Measurement>,
}

impl Measured<'_> {
    /// Returns a table for the terminal.
    ///
    /// # Errors
    /// The kernels did not do the same work.
    pub fn text(&self) -> anyhow::Result<String> {
        table::text(self.base.as_ref(), &self.kernels, self.sets)
    }

    /// Checks that all work ended.
    ///
    /// # Errors
    /// A fault names the kernels and their work that did not end.
    pub fn judge(&self) -> Outcome {
        let kernels = self.base.iter().chain(&self.kernels);
        let of_kernel = |kernel: &Measurement| {
            let unfinished = kernel.runtime.unfinished().into_iter();
            let lines: Vec<_> = unfinished
                .map(|line| format!("{}: {line}", kernel.name))
                .collect();
            lines
        };
        all_ended(&kernels.flat_map(of_kernel).collect::<Vec<_>>())
    }

    /// Returns the result as JSON.
    ///
    /// # Errors
    /// The kernels did not do the same work.
    pub fn json(&self) -> anyhow::Result<String> {
        table::json(self.base.as_ref(), &self.kernels, self.sets)
    }
}

/// Measures kernels that were built.
///
/// # Errors
/// A kernel cannot be booted, or does not end its work in time.
pub fn compare<'a>(compared: &Compared<'a>) -> Result<Measured<'a>, Failure> {
    let Compared { arch, sets, .. } = *compared;
    let meter = Meter::new(arch, compared.timeout)?;
    let workloads = workloads(arch, sets, compared.own)?;
    let measure = |objtree: &Path| -> Result<Measurement, Failure> {
        Ok(Measurement {
            name: objtree.display().to_string(),
            runtime: meter.measure(objtree, &workloads)?,
        })
    };
    let base = compared.against.map(measure).transpose()?;
    let kernels = compared.objtrees.iter().map(|objtree| measure(objtree));
    let kernels = kernels.collect::<Result<_, _>>()?;
    Ok(Measured {
        sets,
        base,
        kernels,
    })
}

/// The rows to measure.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The lab that builds the kernels.
    pub lab: &'a Lab,
    /// The version of their source, one of [`rows::VERSIONS`].
    pub version: &'static str,
    /// Their architecture.
    pub arch: Arch,
    /// The name of one row; without it, all rows.
    pub name: Option<&'a str>,
    /// The object tree of a finished build of the row; without it, the row is built.
    pub objtree: Option<&'a Path>,
    /// The directory of the results pages.
    pub results: &'a Path,
    /// The time limit of a guest.
    pub timeout: Duration,
    /// The measured rows that are skipped.
    pub resume: &'a Resume,
    /// The part of the rows to measure.
    pub shard: Option<Shard>,
}

/// Builds and measures rows, and writes the page after each.
///
/// # Errors
/// There is no such row, a kernel cannot be built or measured, or a result cannot be written.
pub fn measure(options: &Options<'_>) -> Outcome {
    let Options {
        version,
        arch,
        results,
        ..
    } = *options;
    let rows = rows::rows(version, arch);
    let rows = asked(rows, options.name, options.shard)?;
    let mut book = Book::open(options.resume)?;
    let meter = Meter::new(arch, options.timeout)?;
    let workloads = workloads(arch, &Set::DEFAULT, None)?;
    for row in rows {
        let test = row.test();
        if let Some(Entry { commit, time, .. }) = book.last_pass(&test)? {
            progress::note(&format!("{test}: measured {time} at {commit}"));
            continue;
        }
        let started = Instant::now();
        let outcome = built(options, &row).and_then(|objtree| {
            let runtime = meter.measure(&objtree, &workloads)?;
            let unfinished = runtime.unfinished();
            let mut record = row.record(&objtree, runtime)?;
            if version != KERNEL {
                add_parts(options.lab, &row, &objtree, &mut record)?;
            }
            rows::write(&row, results, &record)?;
            let page = kernel_lab::runtime::write_page(version, arch, results)?;
            progress::note(&format!("written to {}", page.display()));
            all_ended(&unfinished)
        });
        let verdict = match outcome {
            Ok(()) => Verdict::Passed,
            Err(_) => Verdict::Failed,
        };
        let seconds = started.elapsed().as_secs();
        book.keep(&test, Some(qemu::SEED), verdict, seconds)?;
        outcome?;
    }
    Ok(())
}

/// Adds the sizes of modules, and of what was dropped, to the record of a kernel whose own build knows LTO.
///
/// # Errors
/// A file cannot be read, or the kernel with the tree's own thin LTO cannot be built.
fn add_parts(lab: &Lab, row: &Row, objtree: &Path, record: &mut Record) -> Outcome {
    let own = match row.own_lto() {
        Some(own) => {
            let objtree = own.objtree(lab.workdir());
            if !objtree.join("vmlinux.o").is_file() {
                lab.row(&own, None)?;
            }
            Some(objtree)
        }
        None => None,
    };
    let report = size_report::report(objtree, own.as_deref(), None, &Files::new())?;
    let parts = |(n, bytes)| Parts { n, bytes };
    record.modules = Some(parts(report.loaded_modules()));
    record.dropped = report.dropped().map(parts);
    Ok(())
}

/// Checks that no work is unfinished.
fn all_ended(unfinished: &[String]) -> Outcome {
    if unfinished.is_empty() {
        return Ok(());
    }
    Err(Failure::Fault(anyhow::Error::msg(unfinished.join("\n"))))
}

/// Returns the object tree of a row: one of the caller's, or one that is built.
fn built(options: &Options<'_>, row: &Row) -> Result<PathBuf, Failure> {
    match options.objtree {
        Some(objtree) => row.check(objtree).map(|()| objtree.to_owned()),
        None if row.by_profile => {
            let trained = profile::of_training(options.lab, row, options.timeout)?;
            options.lab.row(row, Some(&trained.profile))
        }
        None => options.lab.row(row, None),
    }
}

/// Returns the requested ones of `rows`.
fn asked(rows: Vec<Row>, name: Option<&str>, shard: Option<Shard>) -> anyhow::Result<Vec<Row>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_asked_for_by_name_or_by_shard() {
        let asked = |name, shard: Option<&str>| {
            let shard = shard.map(|shard| shard.parse().unwrap());
            super::asked(rows::rows(KERNEL, Arch::X86_64), name, shard)
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

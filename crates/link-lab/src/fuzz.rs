// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tries many generated programs: links them in every way, on all CPUs.
//!
//! The programs of a batch are linked together. Only if that shows a difference is each of them linked alone.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::arch::Arch;
use crate::error::LabError;
use crate::feature::Feature;
use crate::generate::BATCH;
use crate::lab::Lab;
use crate::program::Program;
use crate::verdict::Verdict;
use crate::way::Way;

/// The largest number of links while a program is made smaller.
const SHRINK_LIMIT: usize = 400;

/// The programs to try.
#[derive(Clone, Debug)]
pub struct FuzzOptions {
    /// Their seeds.
    pub seeds: Range<u64>,
    /// Their possible constructs.
    pub features: Vec<Feature>,
    /// Their architecture.
    pub arch: Arch,
    /// The number of programs tried at a time.
    pub jobs: usize,
    /// The time after which no program is begun.
    pub deadline: Option<Instant>,
    /// Whether programs that show a difference are made smaller.
    pub shrinks: bool,
    /// The number of differences after which to stop.
    pub max_found: usize,
}

/// A program with another meaning after some way of linking.
#[derive(Clone, Debug)]
pub struct Found {
    /// The program, made smaller if requested.
    pub program: Program,
    /// The outcomes of the ways of linking.
    pub verdict: Verdict,
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct Summary {
    /// All seeds that were tried.
    pub tried: Range<u64>,
    /// Programs with differences, by seed.
    pub found: Vec<Found>,
    /// Programs that cannot be judged: a fault of the generator, or a missing tool.
    pub errors: Vec<(u64, LabError)>,
}

/// Tries programs; `progress` is called with the seeds of each batch that was tried.
pub fn fuzz(lab: &Lab, options: &FuzzOptions, progress: impl Fn(Range<u64>) + Sync) -> Summary {
    let next = AtomicU64::new(options.seeds.start);
    let summary = Mutex::new(Summary::default());
    // A panic in one thread ends the whole run, so its partial result is never read.
    let noted = || summary.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let is_late = options.deadline.is_some_and(|end| Instant::now() >= end);
                    if is_late || is_full(&summary, options.max_found) {
                        return;
                    }
                    let taken = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |start| {
                        let batch = batch(start, options.seeds.end);
                        (!batch.is_empty()).then_some(batch.end)
                    });
                    let Ok(start) = taken else {
                        return;
                    };
                    let seeds = batch(start, options.seeds.end);
                    let (found, errors) = try_batch(lab, options, seeds.clone());
                    let mut summary = noted();
                    summary.found.extend(found);
                    summary.errors.extend(errors);
                    drop(summary);
                    progress(seeds);
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.tried = options.seeds.start..next.into_inner();
    summary
        .found
        .sort_by_key(|found| found.program.seeds().start);
    summary.errors.sort_by_key(|(seed, _)| *seed);
    summary
}

/// Returns the seeds of one batch, from `start` up to `end`.
fn batch(start: u64, end: u64) -> Range<u64> {
    start..end.min((start / BATCH + 1) * BATCH)
}

fn is_full(summary: &Mutex<Summary>, max_found: usize) -> bool {
    let summary = summary.lock();
    summary.is_ok_and(|summary| summary.found.len() + summary.errors.len() >= max_found)
}

/// Tries the programs of one batch together. If this shows a difference, tries each alone; if none shows it
/// alone, the result is the common program.
fn try_batch(
    lab: &Lab,
    options: &FuzzOptions,
    seeds: Range<u64>,
) -> (Vec<Found>, Vec<(u64, LabError)>) {
    let programs: Vec<Program> = seeds
        .clone()
        .map(|seed| Program::generate_in_batch(seed, &options.features))
        .collect();
    let together = Program::together(&programs);
    let mut found = Vec::new();
    let mut errors = Vec::new();
    let is_same = |verdict: Verdict| verdict.is_same();
    if judge(lab, &together, options.arch, &Way::ALL).is_ok_and(is_same) {
        return (found, errors);
    }
    let alone = seeds.map(|seed| Program::generate(seed, &options.features));
    for program in alone.chain([together]) {
        if program.n_seeds > 1 && !(found.is_empty() && errors.is_empty()) {
            break;
        }
        let seed = program.seed;
        match try_program(lab, options, program) {
            Ok(shown) => found.extend(shown),
            Err(error) => errors.push((seed, error)),
        }
    }
    (found, errors)
}

/// Tries one program; returns its differences, if there are any.
fn try_program(
    lab: &Lab,
    options: &FuzzOptions,
    program: Program,
) -> Result<Option<Found>, LabError> {
    let arch = options.arch;
    let verdict = judge(lab, &program, arch, &Way::ALL)?;
    let Some(first) = verdict.differences.first() else {
        return Ok(None);
    };
    if !options.shrinks {
        return Ok(Some(Found { program, verdict }));
    }
    let kind = first.kind();
    let program = program.shrink(SHRINK_LIMIT, |smaller| {
        let judged = judge(lab, smaller, arch, &[kind.0]);
        let same = |verdict: Verdict| verdict.differences.iter().any(|d| d.kind() == kind);
        judged.is_ok_and(same)
    });
    let verdict = judge(lab, &program, arch, &Way::ALL)?;
    Ok(Some(Found { program, verdict }))
}

/// Judges a program in those of `ways` that it can be linked in.
fn judge(lab: &Lab, program: &Program, arch: Arch, ways: &[Way]) -> Result<Verdict, LabError> {
    let case = program.case();
    let mut ways = ways.to_vec();
    ways.retain(|way| case.spec.ways.contains(way));
    lab.judge_program(&case, arch, &ways)
}

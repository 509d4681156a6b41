// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Many generated programs, linked in every way, on all CPUs.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::arch::Arch;
use crate::error::LabError;
use crate::generate::Feature;
use crate::lab::Lab;
use crate::program::Program;
use crate::verdict::Verdict;
use crate::way::Way;

/// How often a program may be linked while it is made smaller.
const SHRINK_LIMIT: usize = 400;

/// Which programs are tried.
#[derive(Clone, Debug)]
pub struct FuzzOptions {
    /// Their seeds.
    pub seeds: Range<u64>,
    /// What they may have.
    pub features: Vec<Feature>,
    /// What they run on.
    pub arch: Arch,
    /// How many are tried at a time.
    pub jobs: usize,
    /// No program is begun after this.
    pub deadline: Option<Instant>,
    /// Whether programs that show a difference are made smaller.
    pub shrinks: bool,
    /// How many differences end it.
    pub max_found: usize,
}

/// A program that some way of linking gives another meaning.
#[derive(Clone, Debug)]
pub struct Found {
    /// The program, made smaller if that was asked for.
    pub program: Program,
    /// What the ways of linking give.
    pub verdict: Verdict,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Summary {
    /// The seeds that were tried, all of them.
    pub tried: Range<u64>,
    /// Programs with differences, by seed.
    pub found: Vec<Found>,
    /// Programs that are no programs: a fault of the generator, or a missing tool.
    pub errors: Vec<(u64, LabError)>,
}

/// Tries programs; `progress` is called with the seed of each that was tried.
pub fn fuzz(lab: &Lab, options: &FuzzOptions, progress: impl Fn(u64) + Sync) -> Summary {
    let next = AtomicU64::new(options.seeds.start);
    let summary = Mutex::new(Summary::default());
    // A thread that panics ends the whole run, so that nobody sees what it left.
    let noted = || summary.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let is_late = options.deadline.is_some_and(|end| Instant::now() >= end);
                    if is_late || is_full(&summary, options.max_found) {
                        return;
                    }
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.seeds.end {
                        return;
                    }
                    match try_seed(lab, options, seed) {
                        Ok(None) => {}
                        Ok(Some(found)) => noted().found.push(found),
                        Err(error) => noted().errors.push((seed, error)),
                    }
                    progress(seed);
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    let end = next.into_inner().min(options.seeds.end);
    summary.tried = options.seeds.start..end;
    summary.found.sort_by_key(|found| found.program.seed);
    summary.errors.sort_by_key(|(seed, _)| *seed);
    summary
}

fn is_full(summary: &Mutex<Summary>, max_found: usize) -> bool {
    let summary = summary.lock();
    summary.is_ok_and(|summary| summary.found.len() + summary.errors.len() >= max_found)
}

fn try_seed(lab: &Lab, options: &FuzzOptions, seed: u64) -> Result<Option<Found>, LabError> {
    let arch = options.arch;
    let program = Program::generate(seed, &options.features);
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

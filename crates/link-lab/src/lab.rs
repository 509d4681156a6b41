// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The lab: compiles a case, links it in every way, and runs the results.
//!
//! Sources are compiled once for each kind of bitcode, by as few processes as possible: starting clang takes
//! ten times as long as compiling a small source. Each way of linking has a directory with hard links to
//! the objects, so that no link sees files of another.

use crate::arch::Arch;
use crate::bench::{Bench, ENDED};
use crate::case::Case;
use crate::error::LabError;
use crate::toolbox::{Toolbox, Tools};
use crate::verdict::{Difference, Seen, Verdict};
use crate::way::{Lto, Way};

/// The place where cases are compiled, linked and run.
#[derive(Debug)]
pub struct Lab(Toolbox);

impl Lab {
    /// Makes a lab with a temporary directory, in memory if the system has such a place.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new(tools: Tools) -> Result<Self, LabError> {
        Toolbox::new(tools).map(Self)
    }

    /// Links `case` in all of its ways, and compares each with `ld.lld -r`.
    ///
    /// # Errors
    /// The case does not compile, or a tool is missing.
    pub fn judge(&self, case: &Case, arch: Arch) -> Result<Verdict, LabError> {
        self.judge_ways(case, arch, &case.spec.ways)
    }

    /// Does the same for only some ways.
    ///
    /// # Errors
    /// Same as [`Lab::judge`].
    pub fn judge_ways(&self, case: &Case, arch: Arch, ways: &[Way]) -> Result<Verdict, LabError> {
        let mut bench = Bench::new(&self.0, case, arch)?;
        let mut verdict = Verdict::default();
        for lto in Lto::ALL {
            let mut ways = ways.iter().filter(|way| way.lto() == lto).peekable();
            if ways.peek().is_none() {
                continue;
            }
            let wanted = bench.plain(lto)?;
            for way in ways {
                let got = bench.seen_of(*way)?;
                let may_refuse = case.spec.may_refuse;
                let difference = Difference::between(*way, &wanted, got, may_refuse);
                verdict.differences.extend(difference);
            }
        }
        Ok(verdict)
    }

    /// Judges a program whose meaning does not depend on the way of linking.
    ///
    /// # Errors
    /// Same as [`Lab::judge`]; also if the program of a plain link does not run to its end, or
    /// differs between thin and full LTO.
    pub fn judge_program(
        &self,
        case: &Case,
        arch: Arch,
        ways: &[Way],
    ) -> Result<Verdict, LabError> {
        let mut bench = Bench::new(&self.0, case, arch)?;
        let thin = bench.plain(Lto::Thin)?;
        let full = bench.plain(Lto::Full)?;
        let ends_well = matches!(&thin, Seen::Program(text) if !text.contains(ENDED));
        if thin != full || !ends_well {
            return Err(LabError::Meaningless {
                case: case.name.clone(),
                thin: thin.to_string(),
                full: full.to_string(),
            });
        }
        let mut verdict = Verdict::default();
        for way in ways {
            let got = bench.seen_of(*way)?;
            let difference = Difference::between(*way, &thin, got, false);
            verdict.differences.extend(difference);
        }
        Ok(verdict)
    }
}

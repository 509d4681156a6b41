// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Results of a run over generated programs: the programs that were found, as cases, and the row of the
//! results page.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use crate::arch::Arch;
use crate::error::LabError;
use crate::fuzz::Summary;
use crate::generate::GENERATOR_VERSION;

impl Summary {
    /// Returns what was found, if a program differs or a seed gave no program.
    ///
    /// # Errors
    /// The number of both.
    pub fn clean(&self) -> Result<(), String> {
        match (self.found.len(), self.errors.len()) {
            (0, 0) => Ok(()),
            (found, errors) => Err(format!(
                "{found} of the programs mean something else after a link, {errors} are no programs"
            )),
        }
    }

    /// Writes each program with a difference as a case into a folder of `into`. Returns what was found, line
    /// by line; `cpu` is the CPU time of all processes of the run.
    ///
    /// # Errors
    /// A case cannot be written.
    pub fn write_cases(&self, arch: Arch, cpu: Duration, into: &Path) -> Result<String, LabError> {
        let mut text = String::new();
        for found in &self.found {
            let case = found.program.case();
            let folder = into.join(format!("{}-{arch}", case.name));
            case.write(&folder)?;
            let Range { start, end } = found.program.seeds();
            let (folder, verdict) = (folder.display(), &found.verdict);
            let _ = write!(text, "seeds {start}..{end}, {arch}: {folder}\n{verdict}");
        }
        for (seed, error) in &self.errors {
            let _ = writeln!(text, "seed {seed}, {arch}: {error}");
        }
        let Range { start, end } = self.tried;
        let (found, errors) = (self.found.len(), self.errors.len());
        let seconds = cpu.as_secs();
        let _ = writeln!(
            text,
            "{start}..{end} for {arch}: {found} programs differ, {errors} are none, {seconds} s of CPU time"
        );
        Ok(text)
    }

    /// Returns the row of this run in the results page. `cpu` is the CPU time of all its processes.
    pub fn row(&self, arch: Arch, cpu: Duration) -> String {
        let Range { start, end } = self.tried;
        let programs = end.saturating_sub(start);
        let divisor = u32::try_from(programs.max(1)).unwrap_or(u32::MAX);
        let each = (cpu / divisor).as_secs_f64();
        format!(
            "| {arch} | {GENERATOR_VERSION} | {start}..{end} | {programs} | {each:.2} | \
             `cargo xtask fuzz links --arch {arch} --seeds {start}..{end}` |"
        )
    }
}

/// Adds `row` as the last row of the table at the end of `page`.
///
/// # Errors
/// The page cannot be read or written.
pub fn add_row(page: &Path, row: &str) -> Result<(), LabError> {
    let text = fs::read_to_string(page).map_err(LabError::file(page))?;
    let text = format!("{}\n{row}\n", text.trim_end());
    fs::write(page, text).map_err(LabError::file(page))
}

/// Reads a range of seeds, written A..B.
///
/// # Errors
/// It is not written so, or is empty.
pub fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("`{text}`: seeds are written A..B, such as 0..1000");
    let (start, end) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse().map_err(|_| wrong());
    let seeds = number(start)?..number(end)?;
    if seeds.is_empty() {
        return Err(format!("`{text}`: no seed"));
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_added_as_the_last_row_of_the_table() {
        let dir = tempfile::tempdir().unwrap();
        let page = dir.path().join("page.md");
        fs::write(&page, "| a |\n|---|\n").unwrap();
        let summary = Summary {
            tried: 5..25,
            ..Summary::default()
        };
        summary.clean().unwrap();
        add_row(&page, &summary.row(Arch::Arm64, Duration::from_secs(10))).unwrap();
        let expected = format!(
            "| a |\n|---|\n| arm64 | {GENERATOR_VERSION} | 5..25 | 20 | 0.50 | \
             `cargo xtask fuzz links --arch arm64 --seeds 5..25` |\n"
        );
        assert_eq!(fs::read_to_string(&page).unwrap(), expected);
    }

    #[test]
    fn seeds_are_a_range() {
        assert_eq!(seeds("3..9"), Ok(3..9));
        for wrong in ["9", "9..3", "3..3", "a..b", "..5"] {
            let error = seeds(wrong).unwrap_err();
            assert!(error.starts_with(&format!("`{wrong}`")), "{error}");
        }
    }
}

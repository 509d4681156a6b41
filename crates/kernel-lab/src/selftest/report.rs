// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares the outcomes of a kernel's tests with those of another build.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::parts::Kind;
use crate::{Failure, Outcome, table};

/// The outcomes of all tests.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Every test, in the order in which they ran.
    pub tests: Vec<Row>,
    /// All faults, and all differences.
    pub faults: Vec<String>,
}

/// A test, and its outcome in one or two kernels.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub test: String,
    /// Its kind.
    pub kind: Kind,
    /// The outcome in this kernel, if the kernel has the test.
    pub result: Option<Vec<String>>,
    /// The outcome in the kernel to compare with, if that has the test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Vec<String>>,
}

/// The outcomes of one kernel's tests.
#[derive(Debug, Default)]
pub struct Results {
    /// The tests, in the order in which they ran.
    pub tests: Vec<(String, Kind, Vec<String>)>,
    /// The faults.
    pub faults: Vec<String>,
}

impl Report {
    /// Compares the tests of a kernel with those of another, if there is one.
    pub fn new(one: Results, other: Option<Results>) -> Self {
        let compared = other.is_some();
        let Results { tests, faults } = other.unwrap_or_default();
        let mut against: BTreeMap<String, (Kind, Vec<String>)> = tests
            .into_iter()
            .map(|(test, kind, outcome)| (test, (kind, outcome)))
            .collect();
        let mut rows: Vec<Row> = one
            .tests
            .into_iter()
            .map(|(test, kind, result)| Row {
                against: against.remove(&test).map(|(_, against)| against),
                test,
                kind,
                result: Some(result),
            })
            .collect();
        rows.extend(against.into_iter().map(|(test, (kind, against))| Row {
            test,
            kind,
            result: None,
            against: Some(against),
        }));
        let mut report = Self {
            tests: rows,
            faults: one.faults,
        };
        let faults = faults.into_iter();
        let faults = faults.map(|fault| format!("the kernel to compare with: {fault}"));
        report.faults.extend(faults);
        if compared {
            let differences = report.tests.iter().filter_map(Row::difference);
            report.faults.extend(differences.collect::<Vec<_>>());
        }
        report
    }

    /// Returns a line for each test, with the other kernel's outcome if two kernels were `compared`.
    pub fn table(&self, compared: bool) -> String {
        let rows = self.tests.iter();
        if !compared {
            return table::of(rows.map(|row| [row.test.clone(), row.shown(row.result.as_deref())]))
                .to_string();
        }
        table::of(rows.map(|row| {
            let against = match row.difference() {
                None => "same".to_owned(),
                Some(_) => row.shown(row.against.as_deref()),
            };
            [row.test.clone(), row.shown(row.result.as_deref()), against]
        }))
        .to_string()
    }

    /// Returns an error if there are any faults.
    ///
    /// # Errors
    /// A fault that lists all of them.
    pub fn judge(&self, objtree: &Path) -> Outcome {
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(Failure::Fault(anyhow::anyhow!(
            "{}: {} fault(s); the consoles are in selftest*.log\n{}",
            objtree.display(),
            self.faults.len(),
            self.faults.join("\n")
        )))
    }
}

impl Row {
    /// Returns the difference from the kernel to compare with, if any.
    fn difference(&self) -> Option<String> {
        let test = &self.test;
        let (result, against) = match (&self.result, &self.against) {
            (Some(result), Some(against)) => (result, against),
            (_, None) => return Some(format!("{test}: not in the kernel to compare with")),
            (None, _) => return Some(format!("{test}: only in the kernel to compare with")),
        };
        if result == against {
            return None;
        }
        let only = |one: &[String], other: &[String]| {
            let lines = one.iter().filter(|line| !other.contains(line));
            let lines: Vec<&str> = lines.map(String::as_str).collect();
            if lines.is_empty() {
                "nothing more".to_owned()
            } else {
                lines.join("; ")
            }
        };
        Some(format!(
            "{test}: {}, and in the kernel to compare with {}",
            only(result, against),
            only(against, result)
        ))
    }

    /// Returns a short form of an outcome of this test. For a module: the result of loading it, the
    /// number of passed tests of `KUnit`, and the last of the other lines; else the first lines.
    fn shown(&self, outcome: Option<&[String]>) -> String {
        let Some(outcome) = outcome else {
            return "not there".to_owned();
        };
        let mut shown = outcome.to_vec();
        if self.kind == Kind::Module {
            let (tap, mut other): (Vec<String>, Vec<String>) =
                shown.into_iter().partition(|line| is_tap(line));
            let failed = tap.iter().filter(|line| line.starts_with("not ")).count();
            if !tap.is_empty() {
                other.insert(1, format!("{} ok, {failed} not ok", tap.len() - failed));
            }
            other.drain(1..other.len().saturating_sub(1).max(1));
            shown = other;
        }
        let more = shown.len().saturating_sub(MAX_LINES);
        if more > 0 {
            shown.truncate(MAX_LINES);
            let _ = write!(shown[MAX_LINES - 1], " (and {more} more)");
        }
        shown.join("\n")
    }
}

/// The number of an outcome's lines in the table.
const MAX_LINES: usize = 2;

/// Returns whether a line is the result of a test in TAP, which `KUnit` writes.
fn is_tap(line: &str) -> bool {
    line.starts_with("ok ") || line.starts_with("not ok ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    fn results(tests: &[(&str, Kind, &[&str])]) -> Results {
        let tests = tests.iter();
        Results {
            tests: tests
                .map(|(test, kind, lines)| ((*test).to_owned(), *kind, owned(lines)))
                .collect(),
            faults: Vec::new(),
        }
    }

    #[test]
    fn equal_results_are_no_fault_however_bad_they_are() {
        let one = || results(&[("test_kstrtox", Kind::Module, &["init returned -22"])]);
        let report = Report::new(one(), Some(one()));
        assert_eq!(report.faults, [""; 0]);
        assert!(report.judge(Path::new("thin")).is_ok());
        assert!(
            report.table(true).contains("same"),
            "{}",
            report.table(true)
        );
    }

    #[test]
    fn a_difference_is_a_fault_that_tells_what_differs() {
        let one = results(&[(
            "lkdtm EXEC_RODATA",
            Kind::Crash,
            &["BUG", "stack ends in ? entry"],
        )]);
        let other = results(&[(
            "lkdtm EXEC_RODATA",
            Kind::Crash,
            &["BUG", "stack ends in entry"],
        )]);
        let report = Report::new(one, Some(other));
        assert_eq!(
            report.faults,
            [
                "lkdtm EXEC_RODATA: stack ends in ? entry, and in the kernel to compare with stack ends in entry"
            ]
        );
        let Err(Failure::Fault(error)) = report.judge(Path::new("thin")) else {
            panic!("no fault")
        };
        assert!(error.to_string().starts_with("thin: 1 fault"), "{error}");
    }

    #[test]
    fn a_test_that_only_one_kernel_has_is_a_difference() {
        let one = results(&[("test_sort", Kind::Module, &["loaded"])]);
        let other = results(&[("test_printf", Kind::Module, &["loaded"])]);
        let report = Report::new(one, Some(other));
        assert_eq!(
            report.faults,
            [
                "test_sort: not in the kernel to compare with",
                "test_printf: only in the kernel to compare with",
            ]
        );
        assert!(report.table(true).contains("not there"));
    }

    #[test]
    fn faults_of_both_kernels_count_and_one_alone_is_not_compared() {
        let mut one = results(&[("test_sort", Kind::Module, &["loaded"])]);
        let mut other = results(&[("test_sort", Kind::Module, &["loaded"])]);
        one.faults.push("Oops".to_owned());
        other.faults.push("Kernel panic".to_owned());
        assert_eq!(
            Report::new(one, Some(other)).faults,
            ["Oops", "the kernel to compare with: Kernel panic"]
        );
        let alone = results(&[("test_sort", Kind::Module, &["loaded"])]);
        assert_eq!(Report::new(alone, None).faults, [""; 0]);
    }

    #[test]
    fn the_table_is_short() {
        let shown = |kind, lines: &[&str]| {
            let row = Row {
                test: String::new(),
                kind,
                result: None,
                against: None,
            };
            row.shown(Some(&owned(lines)))
        };
        assert_eq!(
            shown(Kind::Module, &["init returned -11"]),
            "init returned -11"
        );
        assert_eq!(
            shown(
                Kind::Module,
                &[
                    "loaded",
                    "bitmap: 3 OK",
                    "bitmap: 4 OK",
                    "bitmap: all passed"
                ]
            ),
            "loaded\nbitmap: all passed"
        );
        assert_eq!(
            shown(
                Kind::Module,
                &["loaded", "ok one", "not ok two", "ok suite"]
            ),
            "loaded\n2 ok, 1 not ok"
        );
        assert_eq!(
            shown(
                Kind::Crash,
                &["BUG", "in f", "stack ends in g", "the kernel ended"]
            ),
            "BUG\nin f (and 2 more)"
        );
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Proves that the checks of a built kernel see what they must see: changes copies of its files, one small change
//! at a time, and runs the checks.
//!
//! **Invariant:** this crate knows formats of files, and which check must see which change. It never changes a file of the
//! object tree, and starts no process.
#![warn(missing_docs)]

mod copy;
mod kernel;
mod patch;
mod table;

use std::fmt::Write as _;
use std::path::Path;
use std::thread;

use kernel_checks::{Report, Request};
use tool_io::Files;

pub use kernel::Kernel;

use copy::CopiedTree;
use kernel::Changes;

/// A change of a built kernel, and what must be said of it.
pub struct Mutation {
    /// The check that must see it.
    pub check: &'static str,
    /// The change.
    pub change: &'static str,
    /// A part of the message that it must give; `*` stands for any text.
    pub message: &'static str,
    /// Makes the change; `None` if the kernel has nothing to change.
    make: fn(&Kernel) -> Option<Changes>,
}

/// Whether a change was seen.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// The check gave the message.
    Yes,
    /// It did not; what was said instead.
    No(Vec<String>),
    /// The kernel has nothing to change.
    NotApplicable,
}

/// Returns all mutations, in the order of the checks.
pub fn mutations() -> impl Iterator<Item = &'static Mutation> {
    table::TABLES.iter().copied().flatten()
}

/// Returns the table of mutations as docs/verify.md shows it.
pub fn page() -> String {
    let mut page = "| check | change | message |\n|---|---|---|\n".to_owned();
    for Mutation {
        check,
        change,
        message,
        ..
    } in mutations()
    {
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "| `{check}` | {change} | {} |",
            message.trim().replace('*', "…")
        );
    }
    page
}

impl Mutation {
    /// Makes the change in a copy of `kernel`, and returns whether the checks see it, compared with the build at
    /// `against` if there is one.
    ///
    /// # Errors
    /// The copy cannot be made, or the checks cannot run at all.
    pub fn try_on(&self, kernel: &Kernel, against: Option<&Path>) -> anyhow::Result<Seen> {
        let Some(changes) = (self.make)(kernel) else {
            return Ok(Seen::NotApplicable);
        };
        let copy = CopiedTree::new(kernel.root(), &changes)?;
        let files = Files::new();
        let report = Request {
            objtree: copy.path(),
            against,
            only: &[self.check.to_owned()],
            map: None,
        }
        .run(&files);
        let said = match report {
            Ok(report) => said(&report),
            Err(error) => vec![format!("could not run: {error:#}")],
        };
        let is_seen = |text: &String| {
            text.strip_prefix(self.check)
                .is_some_and(|text| contains(text, self.message))
        };
        Ok(if said.iter().any(is_seen) {
            Seen::Yes
        } else {
            Seen::No(said)
        })
    }
}

/// Makes each change in a copy of the kernel in `objtree`, on all CPUs, and returns whether the checks see it; see
/// [`Mutation::try_on`].
///
/// # Errors
/// As for [`Kernel::open`] and [`Mutation::try_on`].
pub fn try_all(
    objtree: &Path,
    against: Option<&Path>,
    mutations: &[&'static Mutation],
) -> anyhow::Result<Vec<(&'static Mutation, Seen)>> {
    let n_threads = tool_io::cpus().get();
    let part = |first: usize| -> anyhow::Result<Vec<_>> {
        let kernel = Kernel::open(objtree)?;
        let of_part = mutations.iter().enumerate().skip(first).step_by(n_threads);
        let tried = of_part
            .map(|(index, mutation)| Ok((index, *mutation, mutation.try_on(&kernel, against)?)));
        tried.collect()
    };
    let mut tried = thread::scope(|scope| -> anyhow::Result<Vec<_>> {
        let threads: Vec<_> = (0..n_threads)
            .map(|first| scope.spawn(move || part(first)))
            .collect();
        let mut tried = Vec::new();
        for thread in threads {
            let of_part = thread
                .join()
                .map_err(|_| anyhow::anyhow!("a check panicked"))?;
            tried.extend(of_part?);
        }
        Ok(tried)
    })?;
    tried.sort_by_key(|(index, ..)| *index);
    let tried = tried
        .into_iter()
        .map(|(_, mutation, seen)| (mutation, seen));
    Ok(tried.collect())
}

/// Returns all that makes `verify` fail.
fn said(report: &Report) -> Vec<String> {
    [report.faults(), report.could_not_run()].concat()
}

/// Returns whether the parts of `pattern` between its `*` follow each other in `text`.
fn contains(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split('*').all(|part| {
        let found = rest.split_once(part);
        rest = found.map_or("", |(_, behind)| behind);
        found.is_some()
    })
}

/// Returns the changes that were not seen, each with the expected message and the first of verify's.
pub fn missed(tried: &[(&Mutation, Seen)]) -> Vec<String> {
    let missed = |(mutation, seen): &(&Mutation, Seen)| {
        let Seen::No(said) = seen else {
            return None;
        };
        let Mutation {
            check,
            change,
            message,
            ..
        } = mutation;
        let said = match said.as_slice() {
            [] => "said nothing".to_owned(),
            [first, ..] => format!("said {} things, the first: {first}", said.len()),
        };
        Some(format!(
            "{check}: {change}: expected \"{message}\", verify {said}"
        ))
    };
    tried.iter().filter_map(missed).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_check_has_a_mutation() {
        let known: BTreeSet<_> = kernel_checks::CHECKS
            .iter()
            .map(|check| check.name)
            .collect();
        let with: BTreeSet<_> = mutations().map(|mutation| mutation.check).collect();
        assert_eq!(with, known);
    }

    #[test]
    fn no_mutation_is_listed_twice() {
        let mut seen = BTreeSet::new();
        for mutation in mutations() {
            assert!(seen.insert(mutation.change), "{}", mutation.change);
        }
    }

    #[test]
    fn the_page_has_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verify.md");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text.contains(&page()),
            "docs/verify.md must have the table of `cargo xtask mutate --page`"
        );
    }

    #[test]
    fn a_pattern_is_found_in_order() {
        assert!(contains("expected a, found b", "expected *, found"));
        assert!(!contains("found b, expected a", "expected *, found"));
        assert!(contains("any", ""));
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The record of a build's code generations: where each was done.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// The place where code was generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By the launcher, somewhere else.
    Remote,
    /// Never: a cache had it.
    Cached,
    /// On this machine, for this reason.
    Local(String),
}

/// Appends the outcome of one code generation to the record at `path`.
///
/// # Errors
/// It cannot be written.
pub(crate) fn append(path: &Path, outcome: &Outcome) -> io::Result<()> {
    let line = match outcome {
        Outcome::Remote => "remote\n".to_owned(),
        Outcome::Cached => "cached\n".to_owned(),
        Outcome::Local(reason) => format!("local {}\n", reason.replace('\n', " ")),
    };
    // One write appends the whole line, whatever other processes append.
    let mut options = fs::File::options();
    let mut file = options.create(true).append(true).open(path)?;
    file.write_all(line.as_bytes())
}

/// Returns the line for the end of a build: how many code generations were done where, and why on this
/// machine. `record` is the text of the record.
pub fn launched_line(record: &str) -> String {
    let mut n_remote = 0;
    let mut n_cached = 0;
    let mut n_local = 0;
    let mut reasons = BTreeMap::<&str, usize>::new();
    for line in record.lines() {
        match line {
            "remote" => n_remote += 1,
            "cached" => n_cached += 1,
            _ => {
                n_local += 1;
                let reason = line.strip_prefix("local ").unwrap_or(line);
                *reasons.entry(reason).or_default() += 1;
            }
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let reasons: Vec<_> = reasons
        .into_iter()
        .map(|(reason, count)| format!("{count}: {reason}"))
        .collect();
    let why = if reasons.is_empty() {
        String::new()
    } else {
        format!(" ({})", reasons.join("; "))
    };
    format!("  LAUNCH  {n_remote} remote, {n_cached} cached, {n_local} local{why}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_and_gives_reasons() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("record");
        let local = |reason: &str| Outcome::Local(reason.to_owned());
        let outcomes = [
            local("slow"),
            Outcome::Remote,
            local("missing\nprogram"),
            Outcome::Cached,
            local("missing\nprogram"),
            Outcome::Remote,
        ];
        for outcome in &outcomes {
            append(&path, outcome).expect("written");
        }
        let record = fs::read_to_string(&path).expect("written");
        assert_eq!(
            launched_line(&record),
            "  LAUNCH  2 remote, 1 cached, 3 local (2: missing program; 1: slow)\n"
        );
        assert_eq!(launched_line(""), "  LAUNCH  0 remote, 0 cached, 0 local\n");
    }
}

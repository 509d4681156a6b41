// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The record of a build's code generations: where each was done.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// The character between a reason and a message of the launcher.
pub(crate) const EXAMPLE: char = '\t';

/// The number of different reasons that the line for the end has.
const MOST_REASONS: usize = 3;

/// The place where code was generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By the launcher, somewhere else.
    Remote,
    /// Never: a cache had it.
    Cached,
    /// On this machine, for this reason. A message that may differ from object to object follows a tab.
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
    let mut reasons = BTreeMap::<&str, (usize, &str)>::new();
    for line in record.lines() {
        match line {
            "remote" => n_remote += 1,
            "cached" => n_cached += 1,
            _ => {
                n_local += 1;
                let reason = line.strip_prefix("local ").unwrap_or(line);
                let (reason, example) = reason.split_once(EXAMPLE).unwrap_or((reason, ""));
                let (count, first) = reasons.entry(reason).or_insert((0, example));
                *count += 1;
                if first.is_empty() {
                    *first = example;
                }
            }
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let n_more = reasons.len().saturating_sub(MOST_REASONS);
    let mut reasons: Vec<_> = reasons
        .into_iter()
        .take(MOST_REASONS)
        .map(|(reason, (count, example))| match example {
            "" => format!("{count}: {reason}"),
            example => format!("{count}: {reason}: {example}"),
        })
        .collect();
    if n_more > 0 {
        reasons.push(format!("{n_more} more reasons in the record"));
    }
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
            local("failed\t"),
            local("slow"),
            Outcome::Remote,
            local("missing\nprogram"),
            Outcome::Cached,
            local("missing\nprogram"),
            Outcome::Remote,
            local("failed\ta.o is away"),
            local("failed\tb.o is away"),
            local("other"),
        ];
        for outcome in &outcomes {
            append(&path, outcome).expect("written");
        }
        let record = fs::read_to_string(&path).expect("written");
        assert_eq!(
            launched_line(&record),
            "  LAUNCH  2 remote, 1 cached, 7 local (3: failed: a.o is away; 2: missing program; 1: other; \
             1 more reasons in the record)\n"
        );
        assert_eq!(launched_line(""), "  LAUNCH  0 remote, 0 cached, 0 local\n");
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The ledger of long tests and measurements, `tests/ledger.toml`, and the page made from it.
//!
//! The ledger is committed, so that a fresh clone continues where another one stopped.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use xshell::cmd;

use crate::{process, workspace};

/// Path of the ledger in the repository.
const LEDGER: &str = "tests/ledger.toml";

/// Path of the page about the tests of `cargo xtask test --wide`.
const PAGE: &str = "docs/results/wide.md";

/// The first lines of the ledger.
const HEAD: &str = "# SPDX-License-Identifier: GPL-2.0-only OR MIT\n\
# Tests and measurements that take hours, and when each was last run. `cargo xtask test --wide` and\n\
# `cargo xtask bench runtime` write this file; with --resume they skip the entries that have passed.\n";

/// The files that tests and measurements depend on. The other files of the repository only describe them.
const SOURCES: [&str; 6] = [
    "Cargo.lock",
    "Cargo.toml",
    "crates",
    "kconfig",
    "tests/src",
    "xtask",
];

/// The outcome of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
}

/// A run of a test or measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name.
    pub test: String,
    /// The commit at which it ran, with a `+` if there were uncommitted changes.
    pub commit: String,
    /// The seed of its random choices, if it makes any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Its outcome.
    pub result: Verdict,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// When it ended, in UTC, as `2026-01-31 23:59`.
    pub time: String,
}

/// All entries: the last pass of each test and, if it has failed since, the last failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    #[serde(default)]
    entry: Vec<Entry>,
}

impl Ledger {
    /// Reads the ledger of the repository at `root`; a missing file is an empty ledger.
    ///
    /// # Errors
    /// It cannot be read, or is not a ledger.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let path = root.join(LEDGER);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Adds an entry, and removes the entries of the same test that it supersedes.
    pub fn add(&mut self, entry: Entry) {
        self.entry.retain(|old| {
            // The last pass is kept until the test passes again.
            old.test != entry.test
                || (entry.result == Verdict::Failed && old.result == Verdict::Passed)
        });
        self.entry.push(entry);
        self.entry.sort_by(|one, other| one.test.cmp(&other.test));
    }

    /// Returns the last run in which a test passed.
    pub fn passed(&self, test: &str) -> Option<&Entry> {
        self.last(test, Verdict::Passed)
    }

    fn last(&self, test: &str, result: Verdict) -> Option<&Entry> {
        let mut of_test = self.entry.iter();
        of_test.find(|entry| entry.test == test && entry.result == result)
    }

    fn text(&self) -> anyhow::Result<String> {
        Ok(format!("{HEAD}\n{}", toml::to_string(self)?))
    }

    fn write(&self, root: &Path) -> anyhow::Result<()> {
        let path = root.join(LEDGER);
        let dir = path.parent().unwrap_or(root);
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        tool_io::write_atomic(&path, self.text()?.as_bytes())
            .with_context(|| path.display().to_string())
    }

    /// Returns the text of the page about these tests.
    pub fn page(&self, tests: &[&str]) -> String {
        let mut page = String::from(
            "<!-- SPDX-License-Identifier: GPL-2.0-only OR MIT -->\n# Tests that take hours\n\n\
             This table says when each test of `cargo xtask test --wide` last passed, and at which commit. \
             `cargo xtask test\n--wide` writes this page from `tests/ledger.toml`. With `--resume` it skips the tests \
             that have passed since the\nsources last changed; `--shard 1/4` runs a quarter of the tests.\n\n\
             | test | last passed | at commit | took |\n|---|---|---|---:|\n",
        );
        for test in tests {
            let failed = match self.last(test, Verdict::Failed) {
                Some(Entry { commit, time, .. }) => format!("; failed {time} at `{commit}`"),
                None => String::new(),
            };
            let _ = match self.passed(test) {
                Some(entry) => {
                    let Entry {
                        commit,
                        time,
                        seconds,
                        ..
                    } = entry;
                    writeln!(
                        page,
                        "| {test} | {time}{failed} | `{commit}` | {seconds} s |"
                    )
                }
                None => writeln!(page, "| {test} | never{failed} | | |"),
            };
        }
        page
    }
}

/// The ledger of this repository, and the commit of the current run.
pub struct Book {
    ledger: Ledger,
    repository: Repository,
    commit: String,
    since: Option<String>,
    resumes: bool,
}

/// The options that decide which entries of the ledger are used again.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// Whether tests that passed since the last change of the sources are skipped.
    pub skips_passed: bool,
    /// Tests that passed at this commit or later are skipped, even if the sources have changed since.
    pub since: Option<String>,
}

impl Book {
    /// Opens the ledger of this repository.
    ///
    /// # Errors
    /// The ledger cannot be read, or git fails.
    pub fn open(resume: &Resume) -> anyhow::Result<Self> {
        Self::open_at(workspace::root(), resume)
    }

    fn open_at(root: &Path, resume: &Resume) -> anyhow::Result<Self> {
        let repository = Repository {
            root: root.to_owned(),
        };
        Ok(Self {
            ledger: Ledger::read(root)?,
            commit: repository.commit()?,
            repository,
            since: resume.since.clone(),
            resumes: resume.skips_passed,
        })
    }

    /// Returns the last pass of a test, if it need not run again.
    ///
    /// # Errors
    /// git does not know a commit.
    pub fn last_pass(&self, test: &str) -> anyhow::Result<Option<&Entry>> {
        if !self.resumes {
            return Ok(None);
        }
        let Some(entry) = self.ledger.passed(test) else {
            return Ok(None);
        };
        let counts = match &self.since {
            _ if entry.commit.ends_with('+') => false,
            Some(since) => self.repository.is_ancestor(since, &entry.commit)?,
            None => self.repository.same_sources(&entry.commit)?,
        };
        Ok(counts.then_some(entry))
    }

    /// Records the outcome of a test at once, because the run may be stopped later.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn keep(
        &mut self,
        test: &str,
        seed: Option<u64>,
        result: Verdict,
        seconds: u64,
    ) -> anyhow::Result<()> {
        let sh = process::shell()?;
        let time = process::read(cmd!(sh, "date -u '+%Y-%m-%d %H:%M'"))?;
        // Another run may have changed the ledger meanwhile.
        self.ledger = Ledger::read(&self.repository.root)?;
        self.ledger.add(Entry {
            test: test.to_owned(),
            commit: self.commit.clone(),
            seed,
            result,
            seconds,
            time: time.trim().to_owned(),
        });
        self.ledger.write(&self.repository.root)
    }

    /// Writes the page of these tests.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_page(&self, tests: &[&str]) -> anyhow::Result<()> {
        let path = self.repository.root.join(PAGE);
        std::fs::write(&path, self.ledger.page(tests)).with_context(|| path.display().to_string())
    }
}

/// A repository, as git sees it.
struct Repository {
    root: PathBuf,
}

impl Repository {
    /// Returns the checked-out commit, with a `+` if the sources differ from it.
    fn commit(&self) -> anyhow::Result<String> {
        let Self { root } = self;
        let sh = process::shell()?;
        let commit = process::read(cmd!(sh, "git -C {root} rev-parse --short=12 HEAD"))?;
        let changed = cmd!(sh, "git -C {root} status --porcelain -- {SOURCES...}");
        let is_changed = !process::read(changed)?.is_empty();
        Ok(format!(
            "{}{}",
            commit.trim(),
            if is_changed { "+" } else { "" }
        ))
    }

    /// Returns whether the sources are the same as at `commit`; false if this repository does not
    /// have that commit.
    fn same_sources(&self, commit: &str) -> anyhow::Result<bool> {
        if !self.has(commit) {
            return Ok(false);
        }
        let sh = process::shell_in(&self.root)?;
        // git ends with 1 if there are differences.
        let same = cmd!(sh, "git diff --quiet {commit} -- {SOURCES...}");
        process::answer(same).context("git compares two commits")
    }

    fn is_ancestor(&self, commit: &str, of: &str) -> anyhow::Result<bool> {
        anyhow::ensure!(self.has(commit), "{commit}: no such commit");
        if !self.has(of) {
            return Ok(false);
        }
        let sh = process::shell_in(&self.root)?;
        let is_ancestor = cmd!(sh, "git merge-base --is-ancestor {commit} {of}");
        process::answer(is_ancestor).context("git looks for an ancestor")
    }

    fn has(&self, commit: &str) -> bool {
        let object = format!("{commit}^{{commit}}");
        let found = process::shell_in(&self.root)
            .and_then(|sh| process::read(cmd!(sh, "git rev-parse --quiet --verify {object}")));
        found.is_ok()
    }
}

/// One part of a run that is split into several parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    of: usize,
}

impl Shard {
    /// Returns whether the item at this position belongs to this part.
    pub fn has(self, position: usize) -> bool {
        position % self.of == self.index
    }
}

impl FromStr for Shard {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let parse = || {
            let (index, of) = text.split_once('/')?;
            let (index, of): (usize, usize) = (index.parse().ok()?, of.parse().ok()?);
            (index >= 1 && index <= of).then(|| Self {
                index: index - 1,
                of,
            })
        };
        parse().with_context(|| format!("`{text}` is not I/N with I from 1 to N"))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(test: &str, commit: &str, result: Verdict) -> Entry {
        Entry {
            test: test.to_owned(),
            commit: commit.to_owned(),
            seed: None,
            result,
            seconds: 90,
            time: "2026-01-31 23:59".to_owned(),
        }
    }

    #[test]
    fn a_test_is_kept_as_it_last_passed_and_as_it_failed_since() {
        let mut ledger = Ledger::default();
        ledger.add(entry("b", "1", Verdict::Failed));
        ledger.add(entry("a", "1", Verdict::Passed));
        ledger.add(entry("a", "2", Verdict::Failed));
        ledger.add(entry("a", "3", Verdict::Failed));
        assert_eq!(ledger.passed("a").unwrap().commit, "1");
        assert_eq!(ledger.last("a", Verdict::Failed).unwrap().commit, "3");
        assert_eq!(ledger.passed("b"), None);
        assert_eq!(ledger.entry.len(), 3);
        ledger.add(entry("a", "4", Verdict::Passed));
        assert_eq!(ledger.entry.len(), 2);
        assert_eq!(
            toml::from_str::<Ledger>(&ledger.text().unwrap()).unwrap(),
            ledger
        );
    }

    #[test]
    fn the_page_says_of_each_test_when_it_last_passed() {
        let mut ledger = Ledger::default();
        ledger.add(entry("a", "1", Verdict::Passed));
        ledger.add(entry("a", "2", Verdict::Failed));
        let page = ledger.page(&["a", "b"]);
        assert!(
            page.contains(
                "\n| a | 2026-01-31 23:59; failed 2026-01-31 23:59 at `2` | `1` | 90 s |\n"
            )
        );
        assert!(page.contains("\n| b | never | | |\n"), "{page}");
    }

    #[test]
    fn every_test_is_in_one_shard() {
        let shards = ["1/3", "2/3", "3/3"].map(|text| text.parse::<Shard>().unwrap());
        for position in 0..10 {
            let having = shards.iter().filter(|shard| shard.has(position));
            assert_eq!(having.count(), 1, "{position}");
        }
        assert_eq!(shards[1].to_string(), "2/3");
        for wrong in ["0/3", "4/3", "3", "a/b", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    /// Makes a repository with one source, and its commits so far.
    fn repository() -> (tempfile::TempDir, impl Fn(&str, &str) -> String) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        let git = move |arguments: &[&str]| {
            let sh = process::shell_in(&root).unwrap();
            let git = cmd!(sh, "git -c user.name=a -c user.email=a@b {arguments...}");
            process::read(git).unwrap()
        };
        git(&["init", "--quiet"]);
        let root = dir.path().to_owned();
        let commit = move |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            git(&["add", "--all"]);
            git(&["commit", "--quiet", "--message", "a change"]);
            git(&["rev-parse", "--short=12", "HEAD"]).trim().to_owned()
        };
        (dir, commit)
    }

    fn resume(since: Option<&str>) -> Resume {
        Resume {
            skips_passed: true,
            since: since.map(str::to_owned),
        }
    }

    #[test]
    fn what_passed_is_done_in_a_fresh_clone_until_a_source_changes() {
        let (dir, commit) = repository();
        let first = commit("xtask/a.rs", "1");
        let mut book = Book::open_at(dir.path(), &resume(None)).unwrap();
        assert!(book.last_pass("a").unwrap().is_none());
        book.keep("a", Some(7), Verdict::Passed, 5).unwrap();
        book.keep("b", None, Verdict::Failed, 5).unwrap();
        commit("docs/a.md", "only told");

        let clone = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path(), clone.path());
        let sh = process::shell().unwrap();
        process::read(cmd!(sh, "git clone --quiet {from} {to}")).unwrap();
        let open = |since| Book::open_at(clone.path(), &resume(since)).unwrap();
        let done = open(None).last_pass("a").unwrap().unwrap().clone();
        assert_eq!((done.commit, done.seed), (first.clone(), Some(7)));
        assert!(open(None).last_pass("b").unwrap().is_none());
        let book = Book::open_at(clone.path(), &Resume::default()).unwrap();
        assert!(
            book.last_pass("a").unwrap().is_none(),
            "not asked to resume"
        );

        let last = commit("xtask/a.rs", "2");
        process::read(cmd!(sh, "git -C {to} pull --quiet")).unwrap();
        assert!(open(None).last_pass("a").unwrap().is_none());
        assert!(open(Some(&first)).last_pass("a").unwrap().is_some());
        assert!(open(Some(&last)).last_pass("a").unwrap().is_none());
        let error = open(Some("nonsense"))
            .last_pass("a")
            .unwrap_err()
            .to_string();
        assert_eq!(error, "nonsense: no such commit");
    }

    #[test]
    fn what_passed_with_changes_that_nobody_has_is_run_again() {
        let (dir, commit) = repository();
        commit("xtask/a.rs", "1");
        std::fs::write(dir.path().join("xtask/a.rs"), "changed").unwrap();
        let mut book = Book::open_at(dir.path(), &resume(None)).unwrap();
        book.keep("a", None, Verdict::Passed, 5).unwrap();
        assert!(book.ledger.passed("a").unwrap().commit.ends_with('+'));
        assert!(book.last_pass("a").unwrap().is_none());
    }

    #[test]
    fn two_runs_at_a_time_keep_what_each_has_done() {
        let (dir, commit) = repository();
        commit("xtask/a.rs", "1");
        let open = || Book::open_at(dir.path(), &resume(None)).unwrap();
        let (mut one, mut other) = (open(), open());
        one.keep("a", None, Verdict::Passed, 5).unwrap();
        other.keep("b", None, Verdict::Passed, 5).unwrap();
        let ledger = Ledger::read(dir.path()).unwrap();
        assert!(ledger.passed("a").is_some() && ledger.passed("b").is_some());
    }
}

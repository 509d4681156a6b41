// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Is a built kernel what it should be? The checks that `cargo xtask verify` runs.
//!
//! **Invariant:** this crate knows what a good kernel looks like. It reads object trees through
//! object-tree, starts no process, and writes no file but the map of names that it is asked for.
#![warn(missing_docs)]

mod branch;
mod call_sites;
mod checks;
mod crcs;
mod debug_info;
mod files;
mod functions;
mod got;
mod links;
mod orc;
mod prefixed;
mod read_once;
mod traced;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use object_tree::{Objtree, Sizes};
use serde::Serialize;
use tool_io::Files;

/// A check of a kernel.
pub struct Check {
    /// Its name for `--only`.
    pub name: &'static str,
    /// Its title in a summary.
    pub title: &'static str,
    run: Run,
}

/// Looks at a kernel, and at the one to compare with.
type Run = fn(&Objtree, Option<&Objtree>) -> anyhow::Result<Finding>;

const fn check(name: &'static str, title: &'static str, run: Run) -> Check {
    Check { name, title, run }
}

/// The check that is always done, because the others rely on it.
const FILES: &str = "files";

/// All checks in the order in which they are done and printed.
pub const CHECKS: [Check; 20] = [
    check(FILES, "files of one build", |tree, against| {
        Ok(files::check(tree, against)?.finding)
    }),
    check("lto", "LTO really on", |tree, _| links::lto(tree)),
    check("initcalls", "initcalls in order", checks::initcalls),
    check("crcs", "symbol CRCs equal", crcs::check),
    check("prel32", "prel32", checks::prel32),
    check("sections", "sections", |tree, against| {
        Ok(checks::sections(tree, against))
    }),
    check("mod-files", "mod-files", |tree, _| checks::mod_files(tree)),
    check("section-mismatches", "section-mismatches", |tree, _| {
        checks::section_mismatches(tree)
    }),
    check("one-definition", "one-definition", |tree, _| {
        links::one_definition(tree)
    }),
    check("assembly-names", "assembly-names", |tree, _| {
        links::assembly_names(tree)
    }),
    check("names", "names", |tree, _| checks::names(tree)),
    check("kallsyms", "kallsyms", |tree, _| Ok(checks::kallsyms(tree))),
    check("debug-info", "debug information", debug_info::check),
    check("got", "GOT references", |tree, _| got::got(tree)),
    check("read-once", "read-once", read_once::read_once),
    check("mcount", "functions traced", traced::mcount),
    check("orc", "unwinder tables", orc::orc),
    check("return-sites", "return-sites", |tree, _| {
        call_sites::returns(tree)
    }),
    check("retpoline-sites", "retpoline-sites", |tree, _| {
        call_sites::retpolines(tree)
    }),
    check("static-calls", "static-calls", |tree, _| {
        call_sites::static_calls(tree)
    }),
];

/// A check that was done, and what it found.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// The name of the check.
    pub name: &'static str,
    /// Its title.
    #[serde(skip)]
    pub title: &'static str,
    /// Its result.
    #[serde(flatten)]
    pub finding: Finding,
}

/// The result of one check.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// How it ended.
    pub verdict: Verdict,
    /// The numbers, or why it did not run.
    pub figure: String,
    /// Every fault: file, symbol, expected and found.
    pub faults: Vec<String>,
    /// Remarks, which are not faults.
    pub notes: Vec<String>,
    /// Files and steps that could not be checked, with the reasons.
    pub could_not_run: Vec<String>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No fault.
    Ok,
    /// At least one.
    Fault,
    /// There was nothing to check.
    NotApplicable,
    /// It could not be done, or not over all files.
    NotRun,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Fault => "FAULT",
            Self::NotApplicable => "n/a",
            Self::NotRun => "NOT RUN",
        })
    }
}

impl Finding {
    /// A check that was done.
    fn new(figure: String, faults: Vec<String>) -> Self {
        let verdict = if faults.is_empty() {
            Verdict::Ok
        } else {
            Verdict::Fault
        };
        Self {
            verdict,
            figure,
            faults,
            notes: Vec::new(),
            could_not_run: Vec::new(),
        }
    }

    /// A check that there was nothing for.
    fn not_applicable(reason: &str) -> Self {
        Self {
            verdict: Verdict::NotApplicable,
            figure: reason.to_owned(),
            faults: Vec::new(),
            notes: Vec::new(),
            could_not_run: Vec::new(),
        }
    }

    /// A check that could not be done.
    fn not_run(reason: &str) -> Self {
        Self {
            verdict: Verdict::NotRun,
            figure: reason.to_owned(),
            faults: Vec::new(),
            notes: Vec::new(),
            could_not_run: vec![reason.to_owned()],
        }
    }
}

/// The results of all checks of a kernel.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The checks, in the order in which they were done.
    pub checks: Vec<Checked>,
    /// The size of vmlinux, in bytes.
    pub sizes: Sizes,
    /// The object tree of the kernel to compare with.
    pub sizes_against: Option<Sizes>,
}

impl Report {
    /// How many faults there are in all.
    pub fn n_faults(&self) -> usize {
        self.checks
            .iter()
            .map(|check| check.finding.faults.len())
            .sum()
    }

    /// Returns everything that could not be checked as a line, with the name of the check.
    pub fn could_not_run(&self) -> Vec<String> {
        self.lines(": could not run", |finding| &finding.could_not_run)
    }

    /// Returns every note as a line, with the name of the check that made it.
    pub fn notes(&self) -> Vec<String> {
        self.lines(": note", |finding| &finding.notes)
    }

    /// Returns every fault as a line, with the name of the check that found it.
    pub fn faults(&self) -> Vec<String> {
        self.lines("", |finding| &finding.faults)
    }

    /// Returns the texts that `of` chooses, each after the name of its check and `kind`.
    fn lines(&self, kind: &str, of: fn(&Finding) -> &[String]) -> Vec<String> {
        let lines = self.checks.iter().flat_map(|check| {
            let texts = of(&check.finding).iter();
            texts.map(move |text| format!("{}{kind}: {text}", check.name))
        });
        lines.collect()
    }
}

/// A kernel, and the checks to run on it.
pub struct Request<'a> {
    /// The object tree of the kernel.
    pub objtree: &'a Path,
    /// The object tree of the kernel to compare with.
    pub against: Option<&'a Path>,
    /// The names of the checks to run; all if it is empty.
    pub only: &'a [String],
    /// The file into which the map of names is written.
    pub map: Option<&'a Path>,
}

/// Checks the kernel in the object tree `objtree`, and compares it with the one in `against`.
///
/// # Errors
/// Same as [`Request::run`].
pub fn verify(objtree: &Path, against: Option<&Path>) -> anyhow::Result<Report> {
    let request = Request {
        objtree,
        against,
        only: &[],
        map: None,
    };
    request.run(Files::for_process())
}

impl Request<'_> {
    /// Runs the checks. `files` reads each file once.
    ///
    /// # Errors
    /// vmlinux or the configuration cannot be read, or the map cannot be written. A fault of the kernel is no
    /// error.
    pub fn run(&self, files: &Files) -> anyhow::Result<Report> {
        let Self {
            objtree,
            against,
            only,
            map,
        } = *self;
        let open = |root: &Path| Objtree::open(root, files);
        let mut tree = open(objtree)?;
        let against = against
            .map(open)
            .transpose()
            .context("the build to compare with")?;
        let against = against.as_ref();
        let mut checks = Vec::new();
        let has_kernel = self.check_files(&mut tree, against, &mut checks)?;
        let chosen = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
        let others = CHECKS.iter().filter(|check| check.name != FILES);
        for Check { name, title, run } in others.filter(|check| chosen(check.name)) {
            let finding = if has_kernel {
                run(&tree, against).unwrap_or_else(|error| Finding::not_run(&format!("{error:#}")))
            } else {
                // The fault of the files tells why.
                Finding {
                    could_not_run: Vec::new(),
                    ..Finding::not_run("vmlinux cannot be checked; see files")
                }
            };
            checks.push(Checked {
                name,
                title,
                finding,
            });
        }
        if let Some(map) = map {
            let mut text = lto_link::SUFFIX_MAP_HEAD.to_owned();
            for (artefact, suffixed) in checks::suffixes(&tree) {
                text.push_str(&lto_link::suffix_map(&artefact.to_string(), &suffixed));
            }
            tool_io::write_atomic(map, text.as_bytes())?;
        }
        Ok(Report {
            checks,
            sizes: Sizes::of(&tree.vmlinux),
            sizes_against: against.map(|against| Sizes::of(&against.vmlinux)),
        })
    }

    /// Does the check of the files, and takes those of other builds out of `tree`. Returns whether the kernel can
    /// be checked.
    fn check_files(
        &self,
        tree: &mut Objtree,
        against: Option<&Objtree>,
        checks: &mut Vec<Checked>,
    ) -> anyhow::Result<bool> {
        let files::Checked {
            mut finding,
            has_kernel,
            is_object_foreign,
            foreign_modules,
        } = files::check(tree, against).with_context(|| self.objtree.display().to_string())?;
        if is_object_foreign {
            tree.object = None;
        }
        tree.modules
            .retain(|module| !foreign_modules.contains(&module.path));
        if finding.verdict == Verdict::Ok && !finding.could_not_run.is_empty() {
            finding.verdict = Verdict::NotRun;
        }
        checks.push(Checked {
            name: FILES,
            title: "files of one build",
            finding,
        });
        Ok(has_kernel)
    }
}

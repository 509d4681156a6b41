// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Known faults of LLVM that random configurations showed. A failure counts as LLVM's only if a script shows the fault
//! with plain clang and `ld.lld`, each time anew.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::kconfig::Config;
use kernel_lab::mode::Mode;
use serde::Deserialize;

use crate::category::Step;
use crate::steps::Steps;

/// The list, by its path in the repository.
pub const LIST: &str = "docs/results/randconfig/llvm-faults.toml";

/// A known fault.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The configuration, as in the ledger.
    pub configuration: String,
    /// The name of the mode.
    pub mode: String,
    /// The step that fails.
    pub step: Step,
    /// The major version of LLVM that has the fault.
    pub llvm: u32,
    /// A part of the text of each problem.
    pub says: String,
    /// The script that shows the fault, relative to the list. It finds clang and `ld.lld` in its path, and succeeds
    /// if the fault is there.
    pub reproducer: PathBuf,
}

/// The list of known faults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    dir: PathBuf,
    faults: Vec<Fault>,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    fault: Vec<Fault>,
}

impl Known {
    /// Reads the list in the repository at `root`.
    ///
    /// # Errors
    /// It cannot be read, or names a reproducer that is missing.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let path = root.join(LIST);
        let text = kernel_lab::files::read(&path)?;
        let List { fault } = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let dir = path.parent().unwrap_or(root).to_owned();
        for fault in &fault {
            let script = dir.join(&fault.reproducer);
            anyhow::ensure!(
                script.is_file(),
                "{}: {}: the reproducer {} is missing",
                path.display(),
                fault.configuration,
                script.display()
            );
        }
        Ok(Self { dir, faults: fault })
    }

    /// Returns the list of these faults, with reproducers in `dir`.
    pub fn of(dir: PathBuf, faults: Vec<Fault>) -> Self {
        Self { dir, faults }
    }

    /// Returns whether all problems are known faults of the LLVM that the configuration names, and whose reproducers
    /// show them.
    pub(crate) fn explains(&self, steps: &dyn Steps, failed: &Failed<'_>) -> anyhow::Result<bool> {
        let version: u32 = failed
            .config
            .value("CLANG_VERSION")
            .parse()
            .unwrap_or_default();
        let fits = |fault: &&Fault| {
            fault.configuration == failed.configuration
                && fault.mode == failed.mode.to_string()
                && fault.step == failed.step
                && fault.llvm == version / 10_000
        };
        let faults: Vec<&Fault> = self.faults.iter().filter(fits).collect();
        for problem in failed.problems {
            let Some(fault) = faults.iter().find(|fault| problem.contains(&fault.says)) else {
                return Ok(false);
            };
            if !steps.reproduces(&self.dir.join(&fault.reproducer))? {
                return Ok(false);
            }
        }
        Ok(!failed.problems.is_empty())
    }
}

/// A failure to be explained.
pub(crate) struct Failed<'a> {
    pub configuration: &'a str,
    pub config: &'a Config,
    pub mode: Mode,
    pub step: Step,
    pub problems: &'a [String],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_faults_is_read_and_a_missing_reproducer_is_named() {
        let root = tempfile::tempdir().unwrap();
        let list = root.path().join(LIST);
        std::fs::create_dir_all(list.parent().unwrap()).unwrap();
        std::fs::write(&list, "# none\n").unwrap();
        assert_eq!(Known::read(root.path()).unwrap().faults, []);
        std::fs::write(
            &list,
            "[[fault]]\nconfiguration = \"randconfig 5.10 arm64 seed 1 #3\"\nmode = \"thin\"\nstep = \"build\"\n\
             llvm = 22\nsays = \"x\"\nreproducer = \"a.sh\"\n",
        )
        .unwrap();
        let error = Known::read(root.path()).unwrap_err().to_string();
        assert!(error.contains("seed 1 #3: the reproducer"), "{error}");
        std::fs::write(list.parent().unwrap().join("a.sh"), "true\n").unwrap();
        assert_eq!(Known::read(root.path()).unwrap().faults.len(), 1);
    }

    #[test]
    fn the_list_of_this_repository_can_be_read() {
        Known::read(kernel_lab::workspace::root()).unwrap();
    }
}

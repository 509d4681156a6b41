// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The steps of a kernel, done by kernel-lab and kernel-checks. Tests give other steps.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use kernel_checks::Request;
use kernel_lab::kconfig::{Config, Kconfig};
use kernel_lab::{Arch, Failure, boot, build, files, llvm, path_with, variant};
use tool_io::Files;

use crate::depends;

/// The steps of configuring, building and testing a kernel. A step returns the problems that it finds in the kernel.
pub trait Steps {
    /// Configures an object tree, and returns the configuration that Kconfig made of it.
    ///
    /// # Errors
    /// Kconfig cannot be run.
    fn configure(&self, objtree: &Path, config: &Config) -> anyhow::Result<Config>;

    /// Returns the dependencies of an option that a configuration does not meet.
    fn unmet(&self, option: &str, config: &Config) -> Vec<String>;

    /// Builds a configured kernel.
    ///
    /// # Errors
    /// make cannot be run.
    fn build(&self, objtree: &Path) -> anyhow::Result<Vec<String>>;

    /// Returns the warnings of a build that another build did not give.
    ///
    /// # Errors
    /// A log cannot be read.
    fn new_warnings(&self, objtree: &Path, against: &Path) -> anyhow::Result<Vec<String>>;

    /// Boots a kernel, and loads its modules.
    ///
    /// # Errors
    /// The guest cannot be run.
    fn boot(&self, objtree: &Path) -> anyhow::Result<Booted>;

    /// Checks a kernel, and compares it with another one.
    ///
    /// # Errors
    /// A file of the kernel cannot be read.
    fn verify(&self, objtree: &Path, against: Option<&Path>) -> anyhow::Result<Vec<String>>;

    /// Returns the size of text and data of vmlinux.o, in bytes, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
    fn size(&self, objtree: &Path) -> anyhow::Result<Option<u64>>;

    /// Runs a script, and returns whether it shows its fault.
    ///
    /// # Errors
    /// It cannot be run.
    fn reproduces(&self, script: &Path) -> anyhow::Result<bool>;

    /// Removes an object tree.
    ///
    /// # Errors
    /// It cannot be removed.
    fn remove(&self, objtree: &Path) -> anyhow::Result<()>;
}

/// The result of a boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Booted {
    /// The number of loaded modules.
    pub loaded: usize,
    /// The number of modules.
    pub modules: usize,
    /// The faults on the console, and modules that were not loaded.
    pub problems: Vec<String>,
}

/// Kernels that are built from a tree.
#[derive(Clone, Debug)]
pub struct Built {
    /// The kernel tree, with the plugins.
    pub tree: PathBuf,
    /// The architecture.
    pub arch: Arch,
}

impl Built {
    /// Returns texts without the directories of this machine: results are committed, and compared between runs.
    fn without_paths(&self, texts: Vec<String>, dirs: &[&Path]) -> Vec<String> {
        let dirs = dirs.iter().copied().chain([self.tree.as_path()]);
        let dirs = dirs.flat_map(|dir| [std::path::absolute(dir).ok(), Some(dir.to_owned())]);
        let dirs: Vec<String> = dirs
            .flatten()
            .map(|dir| format!("{}/", dir.display()))
            .collect();
        let plain = |text: String| dirs.iter().fold(text, |text, dir| text.replace(dir, ""));
        texts.into_iter().map(plain).collect()
    }
}

/// The time limit of a guest. A random configuration may have start-up tests and sanitizers.
const TIME: Duration = Duration::from_secs(1200);

/// The number of lines of a failed build that are kept if none of them is an error.
const LAST: usize = 5;

impl Steps for Built {
    fn configure(&self, objtree: &Path, config: &Config) -> anyhow::Result<Config> {
        let kconfig = Kconfig {
            tree: &self.tree,
            arch: self.arch,
            objtree,
        };
        kconfig.complete(config)
    }

    fn unmet(&self, option: &str, config: &Config) -> Vec<String> {
        depends::unmet(&depends::texts_about_lto(&self.tree), option, config)
    }

    fn build(&self, objtree: &Path) -> anyhow::Result<Vec<String>> {
        let built = build::build(build::Options {
            tree: &self.tree,
            arch: self.arch,
            objtree,
            jobs: None,
            target: build::ALL,
        });
        match built {
            Ok(_) => Ok(Vec::new()),
            Err(Failure::Fault(error)) => {
                Ok(self.without_paths(errors_of(&error.to_string()), &[objtree]))
            }
            Err(Failure::CannotRun(error)) => Err(error),
        }
    }

    fn new_warnings(&self, objtree: &Path, against: &Path) -> anyhow::Result<Vec<String>> {
        build::new_warnings(&self.tree, objtree, against)
    }

    fn boot(&self, objtree: &Path) -> anyhow::Result<Booted> {
        let report = boot::boot(boot::Options {
            arch: self.arch,
            objtree,
            output: objtree,
            timeout: TIME,
        })?;
        Ok(Booted {
            loaded: report.loaded(),
            modules: report.modules.len(),
            problems: self.without_paths(report.problems(), &[objtree]),
        })
    }

    fn verify(&self, objtree: &Path, against: Option<&Path>) -> anyhow::Result<Vec<String>> {
        let request = Request {
            objtree,
            against,
            only: &[],
            map: None,
        };
        let report = request.run(&Files::new())?;
        let found = [report.faults(), report.could_not_run()].concat();
        let dirs: Vec<&Path> = [objtree].into_iter().chain(against).collect();
        Ok(self.without_paths(found, &dirs))
    }

    fn size(&self, objtree: &Path) -> anyhow::Result<Option<u64>> {
        variant::object_size(objtree)
    }

    fn reproduces(&self, script: &Path) -> anyhow::Result<bool> {
        let mut sh = Command::new("sh");
        sh.arg(script).env("PATH", path_with(&llvm::bin_dir()?)?);
        let output = sh.output().with_context(|| script.display().to_string())?;
        Ok(output.status.success())
    }

    fn remove(&self, objtree: &Path) -> anyhow::Result<()> {
        files::remove_dir(objtree)
    }
}

/// Returns the errors in the end of a log, or its last lines.
fn errors_of(log: &str) -> Vec<String> {
    let is_error = |line: &&str| {
        let line = line.to_lowercase();
        let is_of_make = line.contains("make") && line.contains("***");
        line.contains("error") && !is_of_make
    };
    let errors: Vec<String> = log.lines().filter(is_error).map(str::to_owned).collect();
    if !errors.is_empty() {
        return errors;
    }
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(LAST)..];
    last.iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_build_are_taken_from_its_log() {
        let log =
            "the build failed\n  CC a.o\na.c:1: error: no such thing\nmake[1]: *** [a.o] Error 1\n";
        assert_eq!(errors_of(log), ["a.c:1: error: no such thing"]);
        assert_eq!(errors_of("1\n2\n3\n4\n5\n6\n"), ["2", "3", "4", "5", "6"]);
    }

    #[test]
    fn no_text_names_a_directory_of_this_machine() {
        let built = Built {
            tree: "/src/linux".into(),
            arch: Arch::Arm64,
        };
        let texts = vec!["/src/linux/a.c:1: error in /objtrees/1/thin/a.o".to_owned()];
        let texts = built.without_paths(texts, &[Path::new("/objtrees/1/thin")]);
        assert_eq!(texts, ["a.c:1: error in a.o"]);
    }

    #[test]
    fn a_script_that_succeeds_shows_its_fault() {
        let dir = tempfile::tempdir().unwrap();
        let built = Built {
            tree: dir.path().to_owned(),
            arch: Arch::Arm64,
        };
        let reproduces = |text: &str| {
            let script = dir.path().join("a.sh");
            std::fs::write(&script, text).unwrap();
            built.reproduces(&script).unwrap()
        };
        // LLVM's tools come first in the path.
        assert!(reproduces("clang --version\n"));
        assert!(!reproduces("exit 1\n"));
    }
}

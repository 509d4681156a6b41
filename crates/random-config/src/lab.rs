// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Random configurations of kernels that are built: the tree, the directories, and the ledger of the repository.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kernel_facts::KernelVersion;
use kernel_lab::kconfig::Config;
use kernel_lab::ledger::{Book, Resume};
use kernel_lab::mode::Mode;
use kernel_lab::progress::Step;
use kernel_lab::{Arch, KERNEL, files, workspace};
use lto_lab::Lab;

use crate::base::Base;
use crate::configuration::{Kconfigs as _, configuration};
use crate::known::Known;
use crate::results::Results;
use crate::series::{Ledger, NoLedger, Series, Summary, run};
use crate::shrunk::{Failing, Shrunk, shrink};
use crate::steps::Built;

/// The kernel, and the configurations of it.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The version of the kernel, for names.
    pub version: String,
    /// The kernel tree.
    pub tree: PathBuf,
    /// The architecture.
    pub arch: Arch,
    /// The seed of the series.
    pub seed: u64,
    /// The largest number of objects of a configuration.
    pub max_objects: usize,
    /// The modes of LTO.
    pub modes: Vec<Mode>,
    /// The directory for object trees.
    pub into: PathBuf,
    /// The directory that has the results, in `docs/results`.
    pub root: PathBuf,
}

/// A kernel tree and the configurations, as they are asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// A kernel tree to take as it is, instead of a fetched one.
    pub tree: Option<PathBuf>,
    /// The version of the kernel to fetch.
    pub version: String,
    /// The architecture.
    pub arch: Arch,
    /// The seed of the series.
    pub seed: u64,
    /// The largest number of objects of a configuration.
    pub max_objects: usize,
    /// The modes of LTO.
    pub modes: Vec<Mode>,
    /// The directory for object trees and fetched kernel trees, instead of that of the repository.
    pub into: Option<PathBuf>,
    /// Whether missing system packages are installed.
    pub installs_packages: bool,
}

/// Finds or fetches the kernel tree. Results belong to the repository, except for those of a tree that is given:
/// they are kept with its object trees.
///
/// # Errors
/// The tree is not a kernel tree, or cannot be fetched.
pub fn open(options: Options) -> anyhow::Result<Kernel> {
    let Options {
        tree,
        version,
        arch,
        seed,
        max_objects,
        modes,
        into,
        installs_packages,
    } = options;
    let into = into.unwrap_or_else(|| workspace::root().join("target/randconfig"));
    let lab = Lab::new(&into).installing_packages(installs_packages);
    let root = match &tree {
        Some(_) => into.clone(),
        None => workspace::root().to_owned(),
    };
    let (version, tree) = match &tree {
        Some(tree) => given_tree(tree)?,
        None => fetched_tree(&lab, arch, &version)?,
    };
    Ok(Kernel {
        version,
        tree,
        arch,
        seed,
        max_objects,
        modes,
        into,
        root,
    })
}

/// Returns a kernel tree as it is, with its version.
fn given_tree(tree: &Path) -> anyhow::Result<(String, PathBuf)> {
    let version = KernelVersion::of(tree)?;
    let name = format!("{}.{}", version.version, version.patchlevel);
    Ok((name, tree.to_owned()))
}

/// Returns the tree of a version in a lab: with all plugins, or with lto-link if its own build knows LTO.
///
/// # Errors
/// A package or the tree cannot be fetched, or the plugins cannot be installed.
pub fn fetched_tree(lab: &Lab, arch: Arch, version: &str) -> anyhow::Result<(String, PathBuf)> {
    let tree = if version == KERNEL {
        lab.tree(arch)?
    } else {
        lab.prepare(arch)?;
        lab.native_trees(version)?.1
    };
    Ok((version.to_owned(), tree))
}

impl Kernel {
    fn base(&self) -> anyhow::Result<Base> {
        let name = format!("configuring-{}-{}", self.arch.name(), self.version);
        Base::new(&self.tree, self.arch, self.into.join(name))
    }

    fn steps(&self) -> Built {
        Built {
            tree: self.tree.clone(),
            arch: self.arch,
        }
    }

    fn series<'a>(&'a self, numbers: Vec<u32>, known: &'a Known) -> Series<'a> {
        Series {
            kernel: &self.version,
            arch: self.arch,
            seed: self.seed,
            numbers,
            max_objects: self.max_objects,
            modes: &self.modes,
            into: &self.into,
            root: &self.root,
            known,
        }
    }

    /// Runs configurations, except those that the ledger lets skip.
    ///
    /// # Errors
    /// Same as [`run`].
    pub fn run(&self, numbers: Vec<u32>, ledger: &mut dyn Ledger) -> anyhow::Result<Summary> {
        let known = Known::read(workspace::root())?;
        run(
            &self.series(numbers, &known),
            &self.base()?,
            &self.steps(),
            ledger,
        )
    }

    /// Runs configurations. The ledger of the repository decides which are skipped, if the results belong to the
    /// repository; otherwise the results decide it.
    ///
    /// # Errors
    /// Same as [`run`].
    pub fn run_recorded(&self, numbers: Vec<u32>, resume: &Resume) -> anyhow::Result<Summary> {
        if self.root == workspace::root() {
            return self.run(numbers, &mut Book::open(resume)?);
        }
        let resumes = resume.skips_passed;
        self.run(numbers, &mut NoLedger { resumes })
    }

    /// Makes configurations, and returns a line about each, without building a kernel.
    ///
    /// # Errors
    /// Kconfig fails, or no configuration has the size that is asked for.
    pub fn list(&self, numbers: Vec<u32>) -> anyhow::Result<String> {
        let base = self.base()?;
        let drawn = base.base()?;
        let mut text = format!("base: {} objects\n", drawn.objects);
        for number in numbers {
            let step = Step::start(format!("configuration {number}"));
            let found = configuration(&base, &drawn, self.seed, number, self.max_objects)?;
            let line = format!(
                "#{number}: KCONFIG_SEED={} KCONFIG_PROBABILITY={}, {} objects, {} options",
                found.kconfig_seed, found.probability, found.objects, found.options
            );
            step.finish(&line);
            let _ = writeln!(text, "{line}");
        }
        Ok(text)
    }

    /// Shrinks a configuration whose failure an earlier run has recorded, and writes the result beside its object
    /// trees. Returns it, and the path of the file.
    ///
    /// # Errors
    /// Nothing is recorded, a step cannot be done, or the configuration does not fail any more.
    pub fn shrink(&self, number: u32, attempts: usize) -> anyhow::Result<(Shrunk, PathBuf)> {
        let known = Known::default();
        let series = self.series(vec![number], &known);
        let results = Results::read(&series.results_path())?;
        let name = series.name(number);
        let Some(row) = results.row(self.seed, number) else {
            anyhow::bail!("{name}: no result is recorded; run it with --only {number} first");
        };
        let failing = Failing::of(row)?;
        let dir = series.dir(number);
        // As it was made by that run.
        let config = Config::new(files::read(&dir.join("config"))?);
        let work = dir.join("shrunk");
        let shrunk = shrink(
            &self.steps(),
            &self.base()?,
            &failing,
            &config,
            &work,
            attempts,
        )?;
        let path = work.join("config");
        files::write(&path, shrunk.config.text())?;
        Ok((shrunk, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(dir: &Path) -> Kernel {
        Kernel {
            version: "5.10".to_owned(),
            tree: dir.join("linux"),
            arch: Arch::Arm64,
            seed: 1,
            max_objects: 1600,
            modes: vec![Mode::THIN_DIST_DROP],
            into: dir.to_owned(),
            root: dir.to_owned(),
        }
    }

    #[test]
    fn only_a_recorded_failure_is_shrunk() {
        let dir = tempfile::tempdir().unwrap();
        let error = kernel(dir.path()).shrink(3, 9).unwrap_err().to_string();
        assert!(
            error.ends_with("seed 1 #3: no result is recorded; run it with --only 3 first"),
            "{error}"
        );
    }

    #[test]
    fn a_directory_that_is_no_kernel_tree_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(given_tree(dir.path()).is_err());
    }
}

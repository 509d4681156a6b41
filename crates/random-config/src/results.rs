// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The results of random configurations of one kernel, which are committed: `docs/results/randconfig/*.toml`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::{Arch, files};
use serde::{Deserialize, Serialize};

use crate::category::{Category, Step};

const HEAD: &str = "# SPDX-License-Identifier: GPL-2.0-only OR MIT\n\
                    # Results of `cargo xtask randconfig`, which writes this file.\n";

/// All results of a kernel and an architecture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// The number of objects of the base.
    pub base_objects: usize,
    /// The configurations, by seed and number.
    #[serde(default, rename = "configuration")]
    pub rows: Vec<Row>,
}

/// A configuration, and what its kernels did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The seed of the series.
    pub seed: u64,
    /// The number in the series.
    pub number: u32,
    /// The largest number of objects that was allowed.
    pub max_objects: usize,
    /// The seed for Kconfig.
    pub kconfig_seed: u32,
    /// The probability for Kconfig, in percent.
    pub probability: u8,
    /// The number of objects.
    pub objects: usize,
    /// The number of options in which it differs from the base.
    pub options: usize,
    /// The release of the kernel.
    pub release: String,
    /// The version of clang, as in the configuration: `220103` is 22.1.3.
    pub clang: String,
    /// The kernel without LTO, then those with.
    #[serde(rename = "kernel")]
    pub kernels: Vec<Kernel>,
}

/// A kernel of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// The name of its mode.
    pub mode: String,
    /// The number of modules that it loaded, if it was booted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<usize>,
    /// The number of modules, if it was booted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules: Option<usize>,
    /// The size of text and data of vmlinux.o, in bytes, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_and_data: Option<u64>,
    /// The options besides those of LTO that Kconfig changed with the mode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// The steps that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "failure")]
    pub failures: Vec<Failure>,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// Whose fault it is.
    pub category: Category,
    /// The problems that were found.
    pub problems: Vec<String>,
}

impl Kernel {
    /// Returns the category of the worst failure.
    pub fn category(&self) -> Option<Category> {
        self.failures.iter().map(|failure| failure.category).max()
    }
}

impl Row {
    /// Returns the category of the worst failure of all kernels.
    pub fn category(&self) -> Option<Category> {
        self.kernels.iter().filter_map(Kernel::category).max()
    }

    /// Returns the kernel of a mode.
    pub fn kernel(&self, mode: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.mode == mode)
    }
}

impl Results {
    /// Returns the path of the results of a kernel, in the repository at `root`.
    pub fn path(root: &Path, kernel: &str, arch: Arch) -> PathBuf {
        let file = format!("docs/results/randconfig/{}-{kernel}.toml", arch.name());
        root.join(file)
    }

    /// Reads results; a missing file has none.
    ///
    /// # Errors
    /// It cannot be read, or has something else.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        toml::from_str(&files::read(path)?).with_context(|| path.display().to_string())
    }

    /// Adds a row, in place of an earlier one of the same configuration.
    pub fn add(&mut self, row: Row) {
        let key = |row: &Row| (row.seed, row.number);
        self.rows.retain(|old| key(old) != key(&row));
        self.rows.push(row);
        self.rows.sort_by_key(key);
    }

    /// Returns the row of a configuration.
    pub fn row(&self, seed: u64, number: u32) -> Option<&Row> {
        let mut rows = self.rows.iter();
        rows.find(|row| (row.seed, row.number) == (seed, number))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let dir = path.parent().unwrap_or(path);
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let text = format!("{HEAD}\n{}", toml::to_string(self)?);
        files::write_atomic(path, text.as_bytes()).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::row;

    #[test]
    fn results_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = Results::path(dir.path(), "5.10", Arch::Arm64);
        assert!(path.ends_with("docs/results/randconfig/arm64-5.10.toml"));
        let mut results = Results::read(&path).unwrap();
        assert_eq!(results, Results::default());
        results.base_objects = 496;
        results.add(row(1, 2, Some(Category::Ours)));
        results.add(row(1, 1, None));
        results.add(row(1, 2, None));
        results.write(&path).unwrap();
        assert_eq!(Results::read(&path).unwrap(), results);
        let numbers: Vec<u32> = results.rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(results.row(1, 2).unwrap().category(), None);
        std::fs::write(&path, "rows = 3\n").unwrap();
        assert!(
            Results::read(&path)
                .unwrap_err()
                .to_string()
                .contains("arm64-5.10.toml")
        );
    }
}

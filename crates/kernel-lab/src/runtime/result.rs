// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Stores the measurements of a kernel in its object tree, and compares two kernels.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::counter::Counts;
use super::sets::{Set, hex};
use crate::arch::Arch;
use crate::progress;

/// The measurements of one kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Runtime {
    /// The SHA-256 of the kernel's image.
    pub image: String,
    /// The kernel's report of its memory at the start.
    pub memory: String,
    /// The version of QEMU.
    pub qemu: String,
    /// The measurements by set.
    pub sets: BTreeMap<Set, Measured>,
}

/// The measurements of one set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The version of the set.
    pub workload: String,
    /// The counts from the start of the kernel to its first process.
    pub start: Counts,
    /// The kind of work that did not end in time, if there was one. Those after it were not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<String>,
    /// The measurements of each kind of work.
    pub kinds: Vec<Kind>,
}

/// The measurement of a kind of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kind {
    /// Its name.
    pub name: String,
    /// The number of repetitions.
    pub times: u64,
    /// The counts of all repetitions; `None` if the kernel does not support the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
}

/// A choice of one of the counts.
pub type Count = fn(&Counts) -> u64;

/// The ratio of each kind of work that both kernels support.
pub struct Ratios<'a> {
    /// The name of each kind, and its ratio if both kernels support it.
    pub kinds: Vec<(&'a str, Option<f64>)>,
}

impl Ratios<'_> {
    /// Returns the geometric mean, if both kernels support any kind.
    pub fn mean(&self) -> Option<f64> {
        let logs: Vec<f64> = self
            .kinds
            .iter()
            .filter_map(|(_, ratio)| ratio.map(f64::ln))
            .collect();
        let n = u32::try_from(logs.len()).ok().filter(|n| *n > 0)?;
        Some((logs.iter().sum::<f64>() / f64::from(n)).exp())
    }
}

/// Returns one count relative to another, if both kernels support the work.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn ratio(one: u64, other: u64) -> Option<f64> {
    (one > 0 && other > 0).then(|| one as f64 / other as f64)
}

impl Measured {
    /// Compares a count of this kernel with that of `base`, kind by kind.
    ///
    /// # Errors
    /// The two were measured with different versions of the set.
    pub fn ratios<'a>(&'a self, base: &Self, count: Count) -> anyhow::Result<Ratios<'a>> {
        anyhow::ensure!(
            self.workload == base.workload,
            "measured with version {} of the set, and with version {}; measure both again",
            self.workload,
            base.workload
        );
        let kinds = self.kinds.iter().map(|kind| {
            let same = base.kinds.iter().find(|other| other.name == kind.name);
            let both = kind.counts.zip(same.and_then(|same| same.counts));
            let ratio = both.and_then(|(one, other)| ratio(count(&one), count(&other)));
            (kind.name.as_str(), ratio)
        });
        Ok(Ratios {
            kinds: kinds.collect(),
        })
    }
}

impl Runtime {
    /// Returns the same set of another kernel, for a comparison.
    ///
    /// # Errors
    /// It has not been measured, or with another version of QEMU.
    pub fn set_of<'a>(&self, set: Set, base: &'a Self) -> anyhow::Result<&'a Measured> {
        anyhow::ensure!(
            self.qemu == base.qemu,
            "measured with {}, and with {}; measure both again",
            self.qemu,
            base.qemu
        );
        base.sets
            .get(&set)
            .with_context(|| format!("the set {} has not been measured", set.name()))
    }
}

impl Runtime {
    /// Returns the work that did not end, as faults.
    pub fn unfinished(&self) -> Vec<String> {
        let of_set = |(set, measured): (&Set, &Measured)| {
            let kind = measured.unfinished.as_ref()?;
            Some(format!(
                "{}: `{kind}` did not end, so the kinds of work after it were not measured",
                set.name()
            ))
        };
        self.sets.iter().filter_map(of_set).collect()
    }

    /// Keeps only the usual sets that `other` was also measured with, in the same version.
    pub fn keep_common(&mut self, other: &Self) {
        let same_qemu = self.qemu == other.qemu;
        self.sets.retain(|set, measured| {
            let other = other.sets.get(set);
            same_qemu && other.is_some_and(|other| other.workload == measured.workload)
        });
    }
}

/// Returns the measurements of the kernel in `objtree` with the usual sets; nothing if it was rebuilt since.
///
/// # Errors
/// The result cannot be read.
pub fn of_built(objtree: &Path) -> anyhow::Result<Option<Runtime>> {
    let Some(mut runtime) = read(objtree)? else {
        return Ok(None);
    };
    let images = Arch::ALL.iter().map(|arch| arch.image(objtree));
    for image in images.filter(|image| image.exists()) {
        if image_hash(&image)? == runtime.image {
            runtime.sets.retain(|set, _| Set::DEFAULT.contains(set));
            return Ok(Some(runtime));
        }
    }
    progress::note(&format!(
        "{}: of a kernel that was built before; run `cargo xtask bench runtime` again",
        path(objtree).display()
    ));
    Ok(None)
}

/// Returns the hash that identifies the kernel.
///
/// # Errors
/// The image cannot be read.
pub fn image_hash(image: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(image).with_context(|| image.display().to_string())?;
    Ok(hex(&Sha256::digest(&bytes)))
}

/// Returns the number of executed kernel instructions by address, in all of `sets`.
///
/// # Errors
/// A file cannot be read.
pub fn addresses(objtree: &Path, sets: &[Set]) -> anyhow::Result<BTreeMap<u64, u64>> {
    let mut sum = BTreeMap::new();
    for set in sets {
        let path = addresses_path(objtree, *set);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for line in text.lines() {
            let parsed = line.split_once(' ').and_then(|(address, n)| {
                let address = u64::from_str_radix(address, 16).ok()?;
                Some((address, n.parse::<u64>().ok()?))
            });
            let (address, n) = parsed.with_context(|| format!("{}: `{line}`", path.display()))?;
            *sum.entry(address).or_default() += n;
        }
    }
    Ok(sum)
}

/// Returns the path of the result in an object tree.
pub fn path(objtree: &Path) -> PathBuf {
    objtree.join("bench-runtime.json")
}

/// Returns the measurements of the kernel in `objtree`, if there are any.
///
/// # Errors
/// The file exists and cannot be read.
pub fn read(objtree: &Path) -> anyhow::Result<Option<Runtime>> {
    let path = path(objtree);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

/// Stores the measurements.
///
/// # Errors
/// The file cannot be written.
pub fn write(objtree: &Path, runtime: &Runtime) -> anyhow::Result<()> {
    let path = path(objtree);
    let mut text = serde_json::to_string_pretty(runtime)?;
    text.push('\n');
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}

/// Returns the path of the file with the addresses of the instructions of a set.
fn addresses_path(objtree: &Path, set: Set) -> PathBuf {
    objtree.join(format!("bench-runtime-{}.addresses", set.name()))
}

/// Stores the number of executed kernel instructions by address.
///
/// # Errors
/// The file cannot be written.
pub fn write_addresses(
    objtree: &Path,
    set: Set,
    addresses: &BTreeMap<u64, u64>,
) -> anyhow::Result<()> {
    let path = addresses_path(objtree, set);
    let mut text = String::new();
    for (address, n) in addresses {
        let _ = writeln!(text, "{address:x} {n}");
    }
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn measured(workload: &str, kinds: &[(&str, Option<u64>)]) -> Measured {
        let kinds = kinds.iter().map(|(name, kernel)| Kind {
            name: (*name).to_owned(),
            times: 10,
            counts: kernel.map(|kernel| Counts {
                kernel,
                ..Counts::default()
            }),
        });
        Measured {
            workload: workload.to_owned(),
            start: Counts::default(),
            unfinished: None,
            kinds: kinds.collect(),
        }
    }

    pub fn runtime(workload: &str, kinds: &[(&str, Option<u64>)]) -> Runtime {
        Runtime {
            image: "0".to_owned(),
            memory: String::new(),
            qemu: "QEMU 7".to_owned(),
            sets: BTreeMap::from([(Set::Training, measured(workload, kinds))]),
        }
    }

    fn kernel(counts: &Counts) -> u64 {
        counts.kernel
    }

    #[test]
    fn only_kinds_that_both_could_do_count() {
        let one = measured("v", &[("a", Some(200)), ("b", Some(50)), ("c", None)]);
        let base = measured("v", &[("a", Some(100)), ("b", Some(100)), ("c", Some(9))]);
        let ratios = one.ratios(&base, kernel).unwrap();
        assert_eq!(
            ratios.kinds,
            [("a", Some(2.0)), ("b", Some(0.5)), ("c", None)]
        );
        assert!((ratios.mean().unwrap() - 1.0).abs() < 1e-9);
        let none = measured("v", &[("c", None)]);
        assert_eq!(none.ratios(&base, kernel).unwrap().mean(), None);
    }

    #[test]
    fn different_versions_of_a_set_are_not_compared() {
        let one = measured("new", &[("a", Some(200))]);
        let base = measured("old", &[("a", Some(100))]);
        let error = one.ratios(&base, kernel).err().unwrap().to_string();
        assert!(
            error.contains("version new of the set, and with version old"),
            "{error}"
        );
    }

    #[test]
    fn kernels_measured_by_another_qemu_are_not_compared() {
        let one = runtime("v", &[("a", Some(200))]);
        let mut base = one.clone();
        assert!(one.set_of(Set::Training, &base).is_ok());
        let error = one.set_of(Set::Test, &base).unwrap_err().to_string();
        assert_eq!(error, "the set test has not been measured");
        base.qemu = "QEMU 8".to_owned();
        assert!(one.set_of(Set::Training, &base).is_err());
    }

    #[test]
    fn a_result_is_read_as_it_was_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let kept = runtime("v", &[("a", Some(200)), ("b", None)]);
        write(dir.path(), &kept).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Some(kept));
        std::fs::write(path(dir.path()), "{").unwrap();
        let error = format!("{:#}", read(dir.path()).unwrap_err());
        assert!(error.contains("bench-runtime.json"), "{error}");
    }
}

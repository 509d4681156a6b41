// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The model of a link's cost: sums of sizes with coefficients, which `cargo xtask bench estimate` fits to measured
//! links and writes into `model.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::estimate::sizes::LinkSizes;

/// The coefficients that are part of this program.
const BUILT_IN: &str = include_str!("model.toml");

/// A way of linking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Thin LTO in one process.
    Thin,
    /// Distributed thin LTO: thin link, code generation object by object, join.
    ThinDist,
    /// Full LTO.
    Full,
    /// The last step of distributed thin LTO: native objects are joined.
    Join,
}

impl Mode {
    /// The modes that a configuration can choose.
    pub const CHOICES: [Self; 3] = [Self::Thin, Self::ThinDist, Self::Full];

    /// Returns the name for users.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thin => "thin LTO",
            Self::ThinDist => "distributed thin LTO",
            Self::Full => "full LTO",
            Self::Join => "the join",
        }
    }
}

/// A size of the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// One, for any link.
    Constant,
    /// The number of bitcode objects.
    BitcodeObjects,
    /// Their bytes.
    BitcodeBytes,
    /// The functions that they define.
    Functions,
    /// The bytes of the bodies of these.
    FunctionBytes,
    /// The instructions of these.
    Instructions,
    /// The bytes of debug information.
    MetadataBytes,
    /// The bytes of native objects.
    NativeBytes,
    /// The bytes of the largest bitcode object.
    LargestBytes,
}

impl Size {
    /// Returns this size of `sizes`.
    #[expect(clippy::cast_precision_loss, reason = "estimates need few digits")]
    pub fn of(self, sizes: &LinkSizes) -> f64 {
        let size = match self {
            Self::Constant => 1,
            Self::BitcodeObjects => sizes.bitcode_objects,
            Self::BitcodeBytes => sizes.bitcode_bytes,
            Self::Functions => sizes.functions,
            Self::FunctionBytes => sizes.function_bytes,
            Self::Instructions => sizes.instructions,
            Self::MetadataBytes => sizes.metadata_bytes,
            Self::NativeBytes => sizes.native_bytes,
            Self::LargestBytes => sizes.largest_bytes,
        };
        size as f64
    }
}

/// A sum of sizes, each with its coefficient.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Terms(pub BTreeMap<Size, f64>);

impl Terms {
    /// Returns the part of the sum that does not depend on sizes.
    pub fn constant(&self) -> f64 {
        self.0.get(&Size::Constant).copied().unwrap_or_default()
    }

    /// Returns the sum for `sizes`.
    pub fn of(&self, sizes: &LinkSizes) -> f64 {
        let terms = self.0.iter();
        terms
            .map(|(size, coefficient)| coefficient * size.of(sizes))
            .sum()
    }
}

/// The cost of a mode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Costs {
    /// Seconds of CPU time that the jobs share.
    pub parallel_seconds: Terms,
    /// Seconds of CPU time of one job.
    pub serial_seconds: Terms,
    /// Bytes of memory of the largest process that exists once.
    pub memory_bytes: Terms,
    /// Bytes of memory of each job, in addition to that process; with distributed thin LTO in addition to the program, which
    /// is the constant part of that process.
    pub job_bytes: Terms,
    /// The largest error of an estimated time in kernels that were not used for fitting, as a share of the time.
    pub time_error: f64,
    /// The same for memory.
    pub memory_error: f64,
}

/// The costs of each mode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Model {
    /// The costs of each mode.
    pub modes: BTreeMap<Mode, Costs>,
}

/// What a link will probably take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Seconds of CPU time.
    pub cpu_seconds: f64,
    /// Seconds from start to end, if each job has a CPU.
    pub wall_seconds: f64,
    /// The error that [`cpu_seconds`](Self::cpu_seconds) and [`wall_seconds`](Self::wall_seconds) may have, as a share.
    pub time_error: f64,
    /// Bytes of memory of all its processes at a time.
    pub memory_bytes: u64,
    /// The error that [`memory_bytes`](Self::memory_bytes) may have, as a share.
    pub memory_error: f64,
}

impl Model {
    /// Returns the model of this program.
    ///
    /// # Errors
    /// `model.toml` was damaged when the program was built.
    pub fn built_in() -> Result<Self, toml::de::Error> {
        toml::from_str(BUILT_IN)
    }

    /// Estimates a link of inputs with `sizes` by `jobs` jobs. Only the objects with the sizes `changed` need new
    /// code; for a first link, these are the same sizes.
    pub fn estimate(
        &self,
        mode: Mode,
        sizes: &LinkSizes,
        changed: &LinkSizes,
        jobs: usize,
    ) -> Estimate {
        let default = Costs::default();
        let costs = self.modes.get(&mode).unwrap_or(&default);
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
        // No more jobs run than there are objects.
        let objects = u32::try_from(sizes.bitcode_objects).unwrap_or(u32::MAX);
        let jobs = f64::from(jobs.min(objects).max(1));
        let parallel = costs.parallel_seconds.of(changed).max(0.0);
        let serial = costs.serial_seconds.of(sizes).max(0.0);
        let once = costs.memory_bytes.of(sizes).max(0.0);
        let in_jobs = jobs * costs.job_bytes.of(sizes).max(0.0);
        let memory = match mode {
            // Code is generated before the join. The program and its libraries are in memory once for all jobs.
            Mode::ThinDist => once.max(costs.memory_bytes.constant() + in_jobs),
            Mode::Thin | Mode::Full | Mode::Join => once + in_jobs,
        };
        #[expect(clippy::cast_sign_loss, reason = "it is not negative")]
        Estimate {
            cpu_seconds: parallel + serial,
            wall_seconds: parallel / jobs + serial,
            time_error: costs.time_error,
            memory_bytes: memory as u64,
            memory_error: costs.memory_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_model_has_every_mode() {
        let model = Model::built_in().expect("model.toml can be read");
        let modes: Vec<Mode> = model.modes.keys().copied().collect();
        assert_eq!(modes, [Mode::Thin, Mode::ThinDist, Mode::Full, Mode::Join]);
        for costs in model.modes.values() {
            assert!(!costs.memory_bytes.0.is_empty() && !costs.serial_seconds.0.is_empty());
        }
    }

    #[test]
    fn an_estimate_is_the_sum_of_sizes() {
        let model: Model = toml::from_str(
            "[thin]\n\
             parallel-seconds = { bitcode-objects = 0.5, metadata-bytes = 1e-6 }\n\
             serial-seconds = { bitcode-objects = 0.01 }\n\
             memory-bytes = { constant = 1000, function-bytes = 2.5 }\n\
             job-bytes = { largest-bytes = 3 }\n\
             [thin-dist]\n\
             memory-bytes = { constant = 1000, bitcode-objects = 10 }\n\
             job-bytes = { constant = 300 }\n",
        )
        .expect("a model");
        let sizes = LinkSizes {
            bitcode_objects: 100,
            function_bytes: 4000,
            metadata_bytes: 8_000_000,
            largest_bytes: 70,
            ..LinkSizes::default()
        };
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        };
        let thin = model.estimate(Mode::Thin, &sizes, &sizes, 4);
        // 100 * 0.5 + 8, in 4 jobs; 100 * 0.01 in one.
        near(thin.cpu_seconds, 59.0);
        near(thin.wall_seconds, 58.0 / 4.0 + 1.0);
        // 1000 + 4000 * 2.5, and 70 * 3 for each job.
        assert_eq!(thin.memory_bytes, 11_000 + 4 * 210);
        // Only changed objects need new code.
        let changed = LinkSizes {
            bitcode_objects: 3,
            ..LinkSizes::default()
        };
        near(
            model.estimate(Mode::Thin, &sizes, &changed, 4).cpu_seconds,
            2.5,
        );
        // Code is generated before the join, and the program is in memory once.
        let memory = |jobs| {
            model
                .estimate(Mode::ThinDist, &sizes, &sizes, jobs)
                .memory_bytes
        };
        assert_eq!([1, 3, 4, 500].map(memory), [2000, 2000, 2200, 31_000]);
    }
}

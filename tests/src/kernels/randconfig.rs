// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Random configurations of fixed seeds, built without LTO and with.

use std::path::Path;

use kernel_lab::mode::Mode;
use kernel_lab::{KERNEL, Outcome, progress};
use lto_lab::Lab;
use random_config::configuration::LARGE;
use random_config::lab::{Kernel, fetched_tree};
use random_config::series::NoLedger;

use super::{ARCH, expect};

/// The series; with the number of a configuration, the seed decides everything.
const SEED: u64 = 1;

/// Builds two configurations that are as small as they can be; no failure may be ours.
pub fn two_small(workdir: &Path) -> Outcome {
    let into = workdir.join("randconfig");
    let (version, tree) = fetched_tree(&Lab::new(workdir), ARCH, KERNEL)?;
    let kernel = Kernel {
        version,
        tree,
        arch: ARCH,
        seed: SEED,
        // Below this number, no configuration is a large one.
        max_objects: LARGE - 1,
        modes: vec![Mode::THIN_DIST_DROP],
        root: into.clone(),
        into,
    };
    let summary = kernel.run(vec![1, 2], &mut NoLedger { resumes: false })?;
    progress::note(&summary.text());
    summary.judge()?;
    let kernels = summary.results.rows.iter().flat_map(|row| &row.kernels);
    let mode = Mode::THIN_DIST_DROP.to_string();
    let mut with_lto = kernels.filter(|kernel| kernel.mode == mode);
    expect(with_lto.any(|kernel| kernel.loaded > Some(0)), || {
        "no kernel with LTO has loaded a module: choose another seed".to_owned()
    })
}

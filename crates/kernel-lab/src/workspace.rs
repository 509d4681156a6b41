// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Where things stand in this repository.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> &'static Path {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.ancestors().nth(2).unwrap_or(lab)
}

/// Where kernels are fetched to that are only read.
pub fn trees() -> PathBuf {
    root().join("target/trees")
}

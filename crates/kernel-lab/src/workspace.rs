// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The directories of this repository.

use std::path::{Path, PathBuf};

/// Returns the repository's root.
pub fn root() -> &'static Path {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.ancestors().nth(2).unwrap_or(lab)
}

/// Returns the directory of fetched kernel trees, which are only read.
pub fn trees() -> PathBuf {
    root().join("target/trees")
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Faults as the lines of a report.

use std::fmt::Display;
use std::path::Path;

/// Returns faults as lines, each after the file that it is about.
pub(crate) fn prefixed<F: Display>(file: impl Display, faults: &[F]) -> Vec<String> {
    tool_io::located(Path::new(&file.to_string()), faults)
}

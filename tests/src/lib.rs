// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Helpers for tests over several crates.
#![warn(missing_docs)]

pub mod imports;
pub mod object_differential;

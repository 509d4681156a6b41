// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The records that stay beside an output: for each format its writer and its reader.
//!
//! The listing of roots is written and read in `resolve/roots.rs`.

pub(crate) mod dropped;
pub(crate) mod generated_roots;
pub(crate) mod inputs;
pub(crate) mod names;
pub(crate) mod usage;

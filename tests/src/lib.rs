// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What tests over several crates share.
#![warn(missing_docs)]

pub mod imports;
pub mod object_differential;

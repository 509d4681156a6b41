// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Estimates what a link will take, before it begins: time and memory, from the sizes of its inputs.

pub(crate) mod model;
pub(crate) mod needs;
pub(crate) mod sizes;

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! First phase: the inputs of a link.

pub(crate) mod inputs;
pub(crate) mod kbuild;
pub(crate) mod script_link;

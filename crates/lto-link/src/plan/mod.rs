// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Third phase: the linker scripts and the command of a link. Nothing is written yet.

pub(crate) mod command;
pub(crate) mod compatible;
pub(crate) mod link_plan;
pub(crate) mod options;

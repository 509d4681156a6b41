// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Code generation by another program: on other machines, or from a cache.
//!
//! Whatever that program does, the object is right: its result counts only if it is a whole object for the right
//! machine, and otherwise clang generates the code here.

pub(crate) mod cached;
pub(crate) mod generation;
pub(crate) mod launcher;
pub(crate) mod record;
pub(crate) mod remote;
pub(crate) mod run;
pub(crate) mod slots;

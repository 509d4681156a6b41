// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A cache of generated code on this machine, whose keys are the digests of actions.
//!
//! This part knows keys and bytes. Which code generations have a key, and which results are kept, is decided in
//! `launch/cached.rs`.

pub(crate) mod entry;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod store;

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Explains messages of ld.lld, clang and modpost: what happened, in which input, and what to do next.
//!
//! [`table`] reads messages and returns a [`Cause`](cause::Cause) for each that it knows. [`failed_link`] finds
//! inputs that the messages of a link do not name.

pub(crate) mod cause;
pub(crate) mod failed_link;
pub(crate) mod table;

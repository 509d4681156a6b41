// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The list of objects that must stay native code under LTO: patterns with reasons, resolved for a tree
//! when the plugin is installed, and compared with the built objects.
//!
//! **Invariant:** knows paths and patterns; its caller tells it what an object is made of.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod check;
mod list;

pub use check::{
    Asked, BuiltObject, Fault, LinkOf, Made, Report, Unlisted, asked, check, check_commands,
    made_from,
};
pub use list::{Disabled, DisabledEntry, LIST, List, ListError, Matcher, Pattern, parse_fragment};

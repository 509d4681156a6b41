// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The mutations, by the part of the kernel that they change.

mod code;
mod files;
mod links;
mod names;
mod tables;

use crate::Mutation;
use crate::kernel::{Changes, Kernel};

/// All of them, in the order of the checks.
pub const TABLES: [&[Mutation]; 5] = [
    files::MUTATIONS,
    links::MUTATIONS,
    tables::MUTATIONS,
    names::MUTATIONS,
    code::MUTATIONS,
];

const fn mutation(
    check: &'static str,
    change: &'static str,
    message: &'static str,
    make: fn(&Kernel) -> Option<Changes>,
) -> Mutation {
    Mutation {
        check,
        change,
        message,
        make,
    }
}

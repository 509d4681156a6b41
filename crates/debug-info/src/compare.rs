// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares the debug information of one source, built in two ways.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::{Call, DebugInfo, IndirectCall};

/// A difference from the other build.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Difference {
    /// A function has another line.
    #[error("function {name} of {file}: expected line {expected}, found {found}")]
    Line {
        /// Its name.
        name: String,
        /// Its file.
        file: String,
        /// The lines of the other build.
        expected: String,
        /// The lines here.
        found: String,
    },
    /// There is a call here that the other build does not have.
    #[error("{caller} calls {callee} at {place}, where the build to compare with has no such call")]
    Call {
        /// The function that calls.
        caller: String,
        /// The called function.
        callee: String,
        /// The place of the call.
        place: String,
    },
}

/// The result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// The functions whose definitions have the same lines.
    pub n_functions: usize,
    /// The calls that both builds have.
    pub n_calls: usize,
    /// The calls of a known function where the other build calls a pointer.
    pub n_direct_now: usize,
    /// The calls of functions for memory and strings that only this build has: compilers make them of loops and copies.
    pub n_made: usize,
    /// The differences.
    pub differences: Vec<Difference>,
}

/// Functions that compilers call without a call in the source.
const MADE: [&str; 8] = [
    "bcmp", "memcmp", "memcpy", "memmove", "memset", "stpcpy", "strcpy", "strlen",
];

impl DebugInfo {
    /// Compares with the debug information of the same file, built in another way. A function or call that only the
    /// other build has is no difference: LTO drops code.
    pub fn differences(&self, other: &Self) -> Compared {
        let mut compared = Compared::default();
        for ((name, file), lines) in &self.definitions {
            let key = (Rc::clone(name), Rc::clone(file));
            match other.definitions.get(&key) {
                Some(expected) if lines.is_subset(expected) => compared.n_functions += 1,
                // The other build may have optimized it away.
                None => {}
                Some(expected) => compared.differences.push(Difference::Line {
                    name: name.to_string(),
                    file: file.to_string(),
                    expected: listed(expected),
                    found: listed(lines),
                }),
            }
        }
        for call in &self.calls {
            if other.calls.contains(call) {
                compared.n_calls += 1;
            } else if other.calls_pointer(call) {
                compared.n_direct_now += 1;
            } else if MADE.contains(&call.callee.trim_start_matches('_')) {
                compared.n_made += 1;
            } else {
                compared.differences.push(Difference::Call {
                    caller: call.caller.to_string(),
                    callee: call.callee.to_string(),
                    place: call.place.to_string(),
                });
            }
        }
        compared
    }

    /// Returns whether a pointer is called where `call` is.
    fn calls_pointer(&self, call: &Call) -> bool {
        self.indirect.contains(&IndirectCall {
            caller: Rc::clone(&call.caller),
            place: call.place.clone(),
        })
    }
}

fn listed(lines: &BTreeSet<u64>) -> String {
    let lines: Vec<_> = lines.iter().map(u64::to_string).collect();
    lines.join(", ")
}

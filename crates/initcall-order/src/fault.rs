// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The faults of the initcalls of a link.

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A label differs from those that the kernel's macros make.
    #[error("{object}: initcall {symbol} {why}")]
    Malformed {
        /// The object.
        object: String,
        /// The label.
        symbol: String,
        /// The fault.
        why: Malformed,
    },
    /// The sections of two initcalls have the same name, so a script cannot order them.
    #[error("{second}: section {section} is also in {first}; is one object linked twice?")]
    Duplicate {
        /// The section name.
        section: String,
        /// The object that has it first in link order.
        first: String,
        /// The object that has it again, which may be the same.
        second: String,
    },
    /// The script does not list initcalls of an object, which was compiled without the headers of this
    /// kernel.
    #[error(
        "{object}: section {section} has initcalls without a label __initcall__…, so that they would run \
         after all others; compile it with the headers of this kernel"
    )]
    Unlabelled {
        /// The object.
        object: String,
        /// The section.
        section: String,
    },
    /// An object has another architecture than the first one.
    #[error(
        "{object}: is for {architecture}, and {first} is for {expected}; give the objects of one \
         kernel"
    )]
    Architecture {
        /// The object.
        object: String,
        /// Its architecture.
        architecture: String,
        /// The first object.
        first: String,
        /// The architecture of the first object.
        expected: String,
    },
    /// Bitcode does not tell in which sections its labels are.
    #[error("{object}: {reason}; remove it and run make again")]
    Assembly {
        /// The object.
        object: String,
        /// The reason why its assembly cannot be read.
        reason: String,
    },
    /// The order of two initcalls of one object is unknown.
    #[error(
        "{object}: initcalls {first} and {second} have the same counter; \
         give the objects that it was joined from instead"
    )]
    SameCounter {
        /// The object.
        object: String,
        /// One label.
        first: String,
        /// The other label.
        second: String,
    },
    /// There are no initcalls, although every kernel has some.
    #[error(
        "no initcalls in {objects} objects; were they compiled with CONFIG_LTO_CLANG, \
         and are they all of vmlinux's objects?"
    )]
    None {
        /// The number of objects.
        objects: usize,
    },
}

/// A fault of an initcall's label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The parts of the name are missing.
    #[error("has a name of another form than __initcall__MODULE__COUNTER_LINE_FUNCTIONLEVEL")]
    Form,
    /// The name does not end in a function and a level.
    #[error(
        "does not end in a function and one of the levels 0 to 7, 0s to 7s, early, rootfs, con"
    )]
    Level,
    /// The label is known outside of its object.
    #[error("is not a local symbol")]
    NotLocal,
    /// The label is not in the section that the script would name.
    #[error("is in section {found} instead of {expected}")]
    Section {
        /// Its section.
        found: String,
        /// The expected section.
        expected: String,
    },
}

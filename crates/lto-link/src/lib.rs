// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The link that makes native code of bitcode: vmlinux.o, or the object of a module.
//!
//! A link goes through five phases: [`Inputs::read`] (objects in link order), [`Resolution::of`] (which of
//! them are linked, whose definitions prevail), [`Scripts::resolve`] (initcall order and CRCs as linker
//! scripts), [`LinkCommand::plan`] (the linker's arguments), [`link()`] (write, run, put in place).
//!
//! With distributed LTO, [`thin_link()`] comes first: it writes an index per object, by which make
//! has code generated, object by object; the link then takes the native objects.
//!
//! A thin link that is told to drop what nothing refers to is given the [`Roots`];
//! [`complete_thin_link()`] adds to them what only generated code shows, and [`Reach`] explains the
//! result.
//!
//! What any link with LTO made, this one or that of a kernel's own build, can be checked:
//! [`definitions()`] (nothing linked twice), [`named_in_assembly`] (nothing done to what assembly names),
//! [`suffixed`] (names that are not those of the source),
//! [`kernel_names`] (those that the running kernel knows).
//!
//! [`check_toolchain`] tries a compiler and a linker before anything is built.
//!
//! **Invariant:** the only plugin that composes others, as libraries. It runs the linker, and the compiler to
//! try it.
#![warn(missing_docs)]

mod assembly;
mod codegen;
mod compatible;
mod conflict;
mod definitions;
mod generated;
mod included;
mod inputs;
mod internalize;
mod jobs;
mod kallsyms;
mod kbuild;
mod link;
mod linker;
mod lock;
mod named;
mod names;
mod places;
mod plan;
mod reach;
mod resolve;
mod roots;
mod thin_link;
mod toolchain;

pub use assembly::{AssemblyNames, NamePattern, ObjectAssembly};
pub use codegen::{CodegenError, list_path};
pub use compatible::IncompatibleObject;
pub use conflict::FlagConflict;
pub use definitions::{DefinitionFault, Definitions, NATIVE_FORMS, definitions};
pub use included::file_directives;
pub use inputs::{
    EmbeddedError, InputKind, Inputs, LinkFiles, RecordedInput, inputs_path, read_record,
};
pub use jobs::{Jobs, cpus};
pub use kallsyms::{KernelNames, NameFault, kernel_names};
pub use kbuild::{KbuildLink, kbuild_link};
pub use link::{LinkError, Usage, link, read_usage, usage_path};
pub use named::{NamedFault, NamedInAssembly, named_in_assembly};
pub use names::{Clash, SUFFIX_MAP_HEAD, Suffixed, clashes, suffix_map, suffixed};
pub use places::Places;
pub use plan::{Cache, LinkCommand, LinkKind, LinkOptions, Scripts};
pub use reach::{Dropped, Fate, Kept, Reach, dropped_listing, dropped_path};
pub use resolve::Resolution;
pub use roots::{Reason, RootError, RootOptions, Roots, roots_path};
pub use thin_link::{ThinLinkOptions, complete_thin_link, thin_link};
pub use toolchain::{ToolchainError, check_toolchain};

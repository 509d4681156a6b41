// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The link that makes native code of bitcode: vmlinux.o, or the object of a module.
//!
//! A link goes through four phases: [`Inputs::read`] (objects in link order),
//! [`Scripts::resolve`] (initcall order and CRCs as linker scripts), [`LinkCommand::plan`] (the
//! linker's arguments), [`link()`] (write, run, put in place).
//!
//! With distributed LTO, [`thin_link()`] comes first: it writes an index per object, by which make
//! has code generated, object by object; the link then takes the native objects.
//!
//! **Invariant:** the only plugin that composes others, as libraries. What it runs is the linker,
//! once.
#![warn(missing_docs)]

mod codegen;
mod glue;
mod inputs;
mod jobs;
mod link;
mod plan;
mod thin_link;

pub use codegen::{CodegenError, list_path, native_path};
pub use glue::plugin;
pub use inputs::{
    EmbeddedError, InputKind, Inputs, LinkFiles, RecordedInput, inputs_path, read_record,
};
pub use jobs::{Jobs, cpus};
pub use link::{LinkError, Usage, link, read_usage, usage_path};
pub use plan::{Cache, LinkCommand, LinkKind, LinkOptions, Scripts};
pub use thin_link::{ThinLinkOptions, index_path, thin_link};

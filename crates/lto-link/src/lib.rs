// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The link that makes native code from bitcode: vmlinux.o, or the object of a module.
//!
//! A [`link()`] has six phases. Each uses the results of those before it:
//!
//! 1. **Read** (`read/`): [`Inputs::read`] opens the objects in link order, once.
//! 2. **Resolve** (`resolve/`): a [`Resolution`] says which objects are linked, whose definitions prevail, and
//!    which of them a link can drop. For a link with dropping, [`Roots`] are the definitions to keep, and
//!    [`Reach`] finds the definitions that they reach.
//! 3. **Plan** (`plan/`): linker scripts for initcalls and CRCs, and the linker's command. Nothing is written
//!    before all faults of the inputs are known.
//! 4. **Generate code** (`generate/`), in the way that [`CodeGeneration`] says.
//! 5. **Join**: the linker makes one object, whose symbols then get their names of the source; no name that LTO gave
//!    remains in it (`source_names/`).
//! 6. **Place**: the object replaces the output. Records stay beside it (`record/`).
//!
//! With distributed LTO, [`thin_link()`] comes first: it writes an index per object, from which make
//! generates code object by object. [`complete_thin_link()`] adds the roots that only generated code shows.
//! [`actions()`] lists these code generations with their exact inputs (`actions/`), and [`launch()`] has one
//! of them done by another program, or takes its result from a [`CodeCache`] (`launch/`, `cache/`).
//!
//! Before a link, its time and memory are estimated from the sizes of its inputs (`estimate/`): [`Needs`].
//!
//! If the linker fails, a [`FailedLink`] explains its messages (`messages/`).
//!
//! [`LinkPaths`] names all files of a link.
//!
//! Any link with LTO can be checked (`check/`), also a link that the kernel's own build made:
//! [`definitions()`] (nothing is linked twice), [`named_in_assembly`] (definitions that assembly names are
//! unchanged), [`suffixed`] (symbols with other names than in the source), [`kernel_names`] (names that the
//! running kernel knows). [`check_toolchain`] tries a compiler and a linker before anything is built.
//!
//! **Invariant:** the only plugin that composes others, as libraries. It runs the linker, the compiler to try it
//! or an action, and the launcher of a code generation.
#![warn(missing_docs)]

mod actions;
mod cache;
mod check;
mod error;
mod estimate;
mod generate;
mod jobs;
mod launch;
mod link;
mod linker;
mod lock;
mod messages;
mod paths;
mod plan;
mod read;
mod record;
mod resolve;
mod source_names;
mod units;

use std::path::{Path, PathBuf};

pub use actions::action::{Action, ActionInput, ActionOptions, actions};
pub use actions::check::{Trial, try_actions};
pub use actions::compiler::{Compiler, CompilerFile, saved_compiler};
pub use actions::digest::Digest;
pub use actions::error::{ActionError, CompilerError};
pub use actions::inputs::Role;
pub use actions::message::{Command, EnvironmentVariable};
pub use actions::table::{actions_json, actions_table};
pub use cache::settings::{DEFAULT_CACHE_LIMIT, cache_dir};
pub use cache::store::{CacheStatus, CodeCache};
pub use check::definitions::{Definitions, NATIVE_FORMS, definitions};
pub use check::included::file_directives;
pub use check::kallsyms::{KernelNames, NameFault, is_listed, kernel_names};
pub use check::kallsyms_table::AddressFault;
pub use check::named::{NamedFault, NamedInAssembly, named_in_assembly};
pub use check::names::{Clash, SUFFIX_MAP_HEAD, Suffixed, clashes, suffix_map, suffixed};
pub use check::toolchain::{ToolchainError, check_toolchain};
pub use error::{
    CodegenError, DefinitionFault, EmbeddedError, IncompatibleObject, LinkError, NameError,
    RootError,
};
pub use estimate::model::{Costs, Estimate, Mode, Model, Size, Terms};
pub use estimate::needs::{ANY_MEMORY, Needs, NewCode, Shortage};
pub use estimate::sizes::LinkSizes;
pub use generate::distributed::{ThinLinkOptions, complete_thin_link, thin_link};
pub use jobs::Jobs;
pub use launch::launcher::cache_of_launcher;
pub use launch::record::{Outcome, launched_line};
pub use launch::run::{LaunchError, LaunchOptions, Launched, launch};
pub use launch::slots::Slots;
pub use link::link;
pub use messages::cause::{Cause, DuplicateKind, Origin, Work};
pub use messages::failed_link::{FailedLink, causes_in_log};
pub use paths::{LinkPaths, NATIVE_SUFFIX};
pub use plan::options::{Cache, CodeGeneration, LinkKind, LinkOptions};
pub use read::inputs::{InputKind, Inputs};
pub use read::kbuild::{KbuildLink, kbuild_link};
pub use read::script_link::ScriptLink;
pub use record::dropped::{DroppedError, read_dropped};
pub use record::inputs::{RecordedInput, read_record};
pub use record::names::read_names;
pub use record::usage::{Usage, read_usage};
pub use resolve::explain::{Fate, Kept};
pub use resolve::exports::{BitcodeModule, UsedExports, used_exports};
pub use resolve::reach::Reach;
pub use resolve::resolution::Resolution;
pub use resolve::roots::{RootOptions, Roots};
pub use source_names::RestoredName;
pub use units::{memory_text, parse_size, read_memory, time_text};

/// Returns the path of the record of inputs of the link of `output`.
pub fn inputs_path(output: &Path) -> PathBuf {
    LinkPaths::new(output).inputs()
}

/// Returns the path of the list of symbols of `output` that LTO had renamed.
pub fn names_path(output: &Path) -> PathBuf {
    LinkPaths::new(output).names()
}

/// Returns the path of the cost of the link of `output`.
pub fn usage_path(output: &Path) -> PathBuf {
    LinkPaths::new(output).usage()
}

/// Returns the path of the list of definitions that the link of `output` dropped.
pub fn dropped_path(output: &Path) -> PathBuf {
    LinkPaths::new(output).dropped()
}

/// Returns the path of the list of roots of the link of `output`.
pub fn roots_path(output: &Path) -> PathBuf {
    LinkPaths::new(output).roots()
}

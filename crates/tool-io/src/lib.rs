// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Code that every tool needs for files and processes: `@file` arguments, input files in link order,
//! output files, the error report and the exit code; and the machine they run on.
//!
//! **Invariant:** this crate knows files and processes, and nothing of what the tools do.
#![warn(missing_docs)]

mod arguments;
mod cpu;
mod exit;
mod files;
mod free_memory;
mod mapped;
mod output;

pub use arguments::{ArgumentFileError, argument_file, arguments, expand_arguments};
pub use cpu::{cpu_seconds, cpus};
pub use exit::{Failure, exit, located, no_faults, no_faults_in_read};
pub use files::{Files, ReadTextError, read_text};
pub use free_memory::{FreeMemory, MemoryBound};
pub use output::{WriteError, rewrite_atomic, write_atomic, write_if_changed, write_stdout};

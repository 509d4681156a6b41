// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The code generations of a distributed link as actions: a command, the exact files that it reads, and its
//! one output, all named by paths from one root. An action can run anywhere, and its digest names its result.
//!
//! The terms are those of the Remote Execution API, version 2 (`remote_execution.proto`).

pub(crate) mod action;
pub(crate) mod check;
pub(crate) mod codegen_list;
pub(crate) mod compiler;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod hermetic;
pub(crate) mod inputs;
pub(crate) mod message;
pub(crate) mod run;
pub(crate) mod state;
pub(crate) mod table;

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Starts, watches and stops a build farm on this machine: a server of the Remote Execution API, and its workers.
//!
//! The server is `BuildGrid` with a database and two workers, or `buildbox-casd` alone. Everything that a farm
//! writes is in one directory: the record of its processes, their logs, the database, and the stored files.
//!
//! **Invariant:** this crate runs servers of other projects, and fetches their packages. It prints nothing, and
//! knows no plugin and no kernel.
#![warn(missing_docs)]

mod buildgrid;
mod down;
mod processes;
mod record;
mod status;
mod tools;
mod up;

pub use buildgrid::{Server, server_configuration, worker_arguments};
pub use down::{Down, down};
pub use status::{Status, status};
pub use up::{Options, Up, up};

/// The port of the server, if none is named.
pub const PORT: u16 = 50051;

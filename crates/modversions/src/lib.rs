// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Collects and checks the CRCs of exported symbols when the exporting objects are bitcode.
//!
//! Without LTO, kbuild links each object again with a linker script of genksyms, which sets `__crc_NAME`.
//! No linker can do that to bitcode. So the script stays beside the object (`dev.o.symversions`), and the
//! link that generates code gets all of these scripts. This crate collects them, and compares them with
//! the exports of the objects.
//!
//! **Invariant:** knows objects, exports and CRCs; starts no process and knows no other plugin.
//!
//! Sources: `include/linux/export.h` (`__ksymtab_NAME`, `__crc_NAME`), `scripts/genksyms/genksyms.c`
//! (the two forms of a line), `scripts/mod/modpost.c` (`Module.symvers`).
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod collect;
mod exporters;
mod symvers;
mod table;
mod versions;

pub use collect::{Collected, Fault, collect, exports, symversions_path};
pub use exporters::Exporters;
pub use symvers::{Export, Symvers, SymversError, SymversFault};
pub use table::{CrcForm, TableFault, check_table};
pub use versions::{VersionFault, check_exports, check_uses};

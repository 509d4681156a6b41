// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! CRCs of exported symbols when the objects that export them are bitcode.
//!
//! Without LTO, kbuild links each object once more with a linker script that genksyms wrote, so
//! that `__crc_NAME` has a value. No linker can do that to bitcode. The script stays beside the
//! object (`dev.o.symversions`), and all of them are given to the link that makes code of the
//! bitcode. Here they are collected, and compared with what the objects export.
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

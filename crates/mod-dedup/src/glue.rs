// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The entry of this plugin in the table.

use kernel_tree::{GlueFile, Plugin};

/// Returns the plugin: one process writes each `.mod` file, complete and without duplicates.
pub fn plugin() -> Plugin {
    Plugin {
        name: env!("CARGO_PKG_NAME"),
        title: "List the undefined symbols of a module once",
        upstream: &["kbuild: lto: remove duplicate dependencies from .mod files"],
        requires: &["lto-link"],
        tools: &["mod-dedup"],
        glue: &[
            GlueFile {
                name: "edits.toml",
                text: include_str!("../../../kconfig/mod-dedup/edits.toml"),
            },
            GlueFile {
                name: "Kconfig",
                text: include_str!("../../../kconfig/mod-dedup/Kconfig"),
            },
            GlueFile {
                name: "Makefile.build",
                text: include_str!("../../../kconfig/mod-dedup/Makefile.build"),
            },
        ],
        generate: None,
    }
}

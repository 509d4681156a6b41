// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The entry of this plugin in the table.

use kernel_tree::{GlueFile, Plugin};

/// Returns the plugin: CRCs are kept beside bitcode objects until the link.
pub fn plugin() -> Plugin {
    Plugin {
        name: env!("CARGO_PKG_NAME"),
        title: "Version the symbols that LTO objects export",
        upstream: &["kbuild: lto: fix module versioning"],
        requires: &["lto-link"],
        tools: &["modversions"],
        glue: &[
            GlueFile {
                name: "edits.toml",
                text: include_str!("../../../kconfig/modversions/edits.toml"),
            },
            GlueFile {
                name: "Kconfig",
                text: include_str!("../../../kconfig/modversions/Kconfig"),
            },
            GlueFile {
                name: "Makefile.build",
                text: include_str!("../../../kconfig/modversions/Makefile.build"),
            },
            GlueFile {
                name: "Makefile.top",
                text: include_str!("../../../kconfig/modversions/Makefile.top"),
            },
        ],
        generate: None,
    }
}

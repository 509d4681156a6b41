// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The entry of this plugin in the table.

use kernel_tree::{GlueFile, Plugin};

/// Returns the plugin: the patterns of vmlinux.lds and module.lds under LTO.
pub fn plugin() -> Plugin {
    Plugin {
        name: env!("CARGO_PKG_NAME"),
        title: "Merge the sections that LTO splits",
        upstream: &["kbuild: lto: merge module sections"],
        requires: &[],
        tools: &["section-merge"],
        glue: &[
            GlueFile {
                name: "edits.toml",
                text: include_str!("../../../kconfig/section-merge/edits.toml"),
            },
            GlueFile {
                name: "Kconfig",
                text: include_str!("../../../kconfig/section-merge/Kconfig"),
            },
        ],
        generate: None,
    }
}

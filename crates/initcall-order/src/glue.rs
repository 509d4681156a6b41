// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The entry of this plugin in the table.

use kernel_tree::{GlueFile, Plugin};

/// Returns the plugin: a section per initcall, which the linker script puts in order.
pub fn plugin() -> Plugin {
    Plugin {
        name: env!("CARGO_PKG_NAME"),
        title: "Run initcalls in link order under LTO",
        upstream: &["init: lto: ensure initcall ordering"],
        requires: &[],
        tools: &["initcall-order"],
        glue: &[
            GlueFile {
                name: "edits.toml",
                text: include_str!("../../../kconfig/initcall-order/edits.toml"),
            },
            GlueFile {
                name: "Kconfig",
                text: include_str!("../../../kconfig/initcall-order/Kconfig"),
            },
            GlueFile {
                name: "lto_initcall.h",
                text: include_str!("../../../kconfig/initcall-order/lto_initcall.h"),
            },
            GlueFile {
                name: "Makefile.top",
                text: include_str!("../../../kconfig/initcall-order/Makefile.top"),
            },
        ],
        generate: None,
    }
}

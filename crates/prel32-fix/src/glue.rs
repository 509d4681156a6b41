// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The entry of this plugin in the table.

use kernel_tree::{GlueFile, Plugin};

/// Returns the plugin: table entries refer to global stubs.
pub fn plugin() -> Plugin {
    Plugin {
        name: env!("CARGO_PKG_NAME"),
        title: "Let PREL32 tables survive the renaming of static functions",
        upstream: &[
            "init: lto: fix PREL32 relocations",
            "PCI: Fix PREL32 relocations for LTO",
        ],
        requires: &["initcall-order"],
        tools: &["prel32-fix"],
        glue: &[
            GlueFile {
                name: "edits.toml",
                text: include_str!("../../../kconfig/prel32-fix/edits.toml"),
            },
            GlueFile {
                name: "Kconfig",
                text: include_str!("../../../kconfig/prel32-fix/Kconfig"),
            },
            GlueFile {
                name: "lto_prel32.h",
                text: include_str!("../../../kconfig/prel32-fix/lto_prel32.h"),
            },
            GlueFile {
                name: "Makefile.top",
                text: include_str!("../../../kconfig/prel32-fix/Makefile.top"),
            },
            GlueFile {
                name: "Makefile.vmlinux_o",
                text: include_str!("../../../kconfig/prel32-fix/Makefile.vmlinux_o"),
            },
        ],
        generate: None,
    }
}

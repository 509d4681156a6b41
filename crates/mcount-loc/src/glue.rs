// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The entry of this plugin in the table.

use kernel_tree::{GlueFile, Plugin};

/// Returns the plugin: the table of ftrace's call sites, made as soon as there is code.
pub fn plugin() -> Plugin {
    Plugin {
        name: env!("CARGO_PKG_NAME"),
        title: "Make the table of traced calls after the LTO link",
        upstream: &[
            "tracing: move function tracer options to Kconfig",
            "objtool: add a pass for generating __mcount_loc",
            "kbuild, x86: use the objtool pass for __mcount_loc",
            "arm64: disable recordmcount with DYNAMIC_FTRACE_WITH_REGS",
        ],
        requires: &["lto-link"],
        tools: &["mcount-loc"],
        glue: &[
            GlueFile {
                name: "edits.toml",
                text: include_str!("../../../kconfig/mcount-loc/edits.toml"),
            },
            GlueFile {
                name: "Kconfig",
                text: include_str!("../../../kconfig/mcount-loc/Kconfig"),
            },
            GlueFile {
                name: "Makefile.build",
                text: include_str!("../../../kconfig/mcount-loc/Makefile.build"),
            },
        ],
        generate: None,
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The entry of this plugin in the table.

use kernel_tree::{GlueFile, Plugin};

/// The LTO build itself: Kconfig options, flags, and the links of vmlinux.o and of modules.
pub fn plugin() -> Plugin {
    Plugin {
        name: env!("CARGO_PKG_NAME"),
        title: "Link vmlinux and modules from Clang LTO bitcode",
        upstream: &[
            "kbuild: add support for Clang LTO",
            "kbuild: lto: limit inlining",
            "kbuild: fix TRIM_UNUSED_KSYMS with LTO_CLANG",
            "kbuild: lto: postpone objtool",
            "arm64: allow LTO_CLANG and THINLTO to be selected",
            "arm64: lto: Strengthen READ_ONCE() to acquire when CONFIG_LTO=y",
        ],
        requires: &[],
        tools: &["lto-link"],
        glue: &[
            GlueFile {
                name: "edits.toml",
                text: include_str!("../../../kconfig/lto-link/edits.toml"),
            },
            GlueFile {
                name: "Kconfig.toolchain",
                text: include_str!("../../../kconfig/lto-link/Kconfig.toolchain"),
            },
            GlueFile {
                name: "Kconfig",
                text: include_str!("../../../kconfig/lto-link/Kconfig"),
            },
            GlueFile {
                name: "Kconfig.dropping",
                text: include_str!("../../../kconfig/lto-link/Kconfig.dropping"),
            },
            GlueFile {
                name: "Makefile.top",
                text: include_str!("../../../kconfig/lto-link/Makefile.top"),
            },
            GlueFile {
                name: "Makefile.roots",
                text: include_str!("../../../kconfig/lto-link/Makefile.roots"),
            },
            GlueFile {
                name: "Makefile.build",
                text: include_str!("../../../kconfig/lto-link/Makefile.build"),
            },
            GlueFile {
                name: "Makefile.parts",
                text: include_str!("../../../kconfig/lto-link/Makefile.parts"),
            },
            GlueFile {
                name: "Makefile.codegen",
                text: include_str!("../../../kconfig/lto-link/Makefile.codegen"),
            },
            GlueFile {
                name: "Makefile.clean",
                text: include_str!("../../../kconfig/lto-link/Makefile.clean"),
            },
            GlueFile {
                name: "native/Makefile.dropping",
                text: include_str!("../../../kconfig/lto-link/native/Makefile.dropping"),
            },
            GlueFile {
                name: "native/Makefile.top",
                text: include_str!("../../../kconfig/lto-link/native/Makefile.top"),
            },
            GlueFile {
                name: "native/Makefile.vmlinux_o",
                text: include_str!("../../../kconfig/lto-link/native/Makefile.vmlinux_o"),
            },
            GlueFile {
                name: "native/Makefile.build",
                text: include_str!("../../../kconfig/lto-link/native/Makefile.build"),
            },
            GlueFile {
                name: "native/Makefile.thinlto",
                text: include_str!("../../../kconfig/lto-link/native/Makefile.thinlto"),
            },
            GlueFile {
                name: "rwonce.h",
                text: include_str!("../../../kconfig/lto-link/rwonce.h"),
            },
        ],
        generate: None,
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The entry of this plugin in the table.

use kernel_tree::{GenerateResult, Generated, GlueFile, Plugin, Tree};

use crate::{DisabledEntry, List};

/// The list in `kconfig/`.
pub const LIST: &str = include_str!("../../../kconfig/lto-disable/objects.toml");

/// Returns the plugin: the list of objects that stay native code.
pub fn plugin() -> Plugin {
    Plugin {
        name: env!("CARGO_PKG_NAME"),
        title: "Keep LTO away from objects that must be native",
        upstream: &[
            "kbuild: lto: disable LTO for empty.c",
            "efi/libstub: disable LTO",
            "drivers/misc/lkdtm: disable LTO for rodata.o",
            "arm64: vdso: disable LTO",
            "KVM: arm64: disable LTO for the nVHE directory",
        ],
        requires: &["lto-link"],
        tools: &["lto-disable"],
        glue: &[
            GlueFile {
                name: "edits.toml",
                text: include_str!("../../../kconfig/lto-disable/edits.toml"),
            },
            GlueFile {
                name: "Kconfig",
                text: include_str!("../../../kconfig/lto-disable/Kconfig"),
            },
            GlueFile {
                name: "Makefile.build",
                text: include_str!("../../../kconfig/lto-disable/Makefile.build"),
            },
            GlueFile {
                name: "Makefile.top",
                text: include_str!("../../../kconfig/lto-disable/Makefile.top"),
            },
            GlueFile {
                name: "Makefile.vmlinux_o",
                text: include_str!("../../../kconfig/lto-disable/Makefile.vmlinux_o"),
            },
        ],
        generate: Some(generate),
    }
}

/// Resolves the list for the tree; adds a note for each pattern that matches nothing.
fn generate(tree: &Tree) -> GenerateResult {
    let entries = List::parse(LIST)?.resolve(tree.dir(), &tree.known_lto()?)?;
    let unmatched = entries.iter().filter(|entry| entry.objects.is_empty());
    let notes = unmatched
        .map(|entry| format!("{}: nothing in this tree ({})", entry.pattern, entry.reason))
        .collect();
    let text = DisabledEntry::fragment(&entries);
    let path = "scripts/lto/lto-disabled.mk".to_owned();
    Ok(vec![Generated { path, text, notes }])
}

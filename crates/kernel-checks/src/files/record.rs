// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The record of the inputs of vmlinux.o.

use object_tree::Objtree;

/// The builds that leave a record: a file of their source, a file of their object tree, and the record.
const LEFT_BY: [(&str, &str, &str); 2] = [
    (
        "scripts/lto/bin/lto-link",
        ".lto-flags",
        "vmlinux.o.lto-inputs",
    ),
    // Linux 5.19 and later.
    ("scripts/Makefile.vmlinux_o", "vmlinux.a", ".vmlinux.o.cmd"),
];

/// Returns the fault of a kernel with LTO whose build leaves a record, if the record is not there.
pub fn missing_record(tree: &Objtree) -> anyhow::Result<Option<String>> {
    if !tree.has_lto() || tree.link()?.is_some() {
        return Ok(None);
    }
    let left = LEFT_BY.iter().find(|(source, built, _)| {
        tree.source_has(source) == Some(true) || tree.root.join(built).exists()
    });
    Ok(left.map(|(.., record)| {
        format!(
            "{record} is missing, so what vmlinux.o was linked from is not known; run make again"
        )
    }))
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The record of the inputs of vmlinux.o.

use object_tree::Objtree;

/// Returns the fault of a kernel with LTO whose build leaves a record, if the record is not there.
pub fn missing_record(tree: &Objtree) -> anyhow::Result<Option<String>> {
    if !tree.has_lto() || tree.link()?.is_some() {
        return Ok(None);
    }
    Ok(tree.due_record().map(|record| {
        format!(
            "{record} is missing, so what vmlinux.o was linked from is not known; run make again"
        )
    }))
}

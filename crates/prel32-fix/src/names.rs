// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! From the names in an LTO kernel to those in its source.

const STUBS: [&str; 2] = ["__initstub__", "__pci_fixup__"];

/// Whether the symbol is a stub that a table entry refers to.
pub(crate) fn is_stub(symbol: &str) -> bool {
    STUBS.iter().any(|prefix| symbol.starts_with(prefix))
}

/// The source name of what `symbol` names: of a stub, the function that it calls; otherwise the
/// name without the suffixes that LTO appends to promoted (`.llvm.<hash>`) and to renamed
/// (`.<number>`) statics.
pub fn source_name(symbol: &str) -> &str {
    stub_target(symbol).unwrap_or_else(|| symbol.split_once('.').map_or(symbol, |(name, _)| name))
}

/// `fn` of `__initstub__kmod_x__<counter>_<line>_fn<level>` or `__pci_fixup__kmod_x__<counter>_<line>_fn`.
fn stub_target(symbol: &str) -> Option<&str> {
    let init = symbol.strip_prefix("__initstub__");
    let rest = init.or_else(|| symbol.strip_prefix("__pci_fixup__"))?;
    // The module's name may hold `__` too: the numbers tell where it ends.
    let function = rest.match_indices("__").find_map(|(at, _)| {
        let rest = rest[at + 2..].trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = rest.strip_prefix('_')?;
        let function = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        (function.len() < rest.len()).then(|| function.strip_prefix('_'))?
    })?;
    Some(if init.is_some() {
        without_level(function)
    } else {
        function
    })
}

fn without_level(function: &str) -> &str {
    for level in ["early", "rootfs", "con"] {
        if let Some(name) = function.strip_suffix(level) {
            return name;
        }
    }
    let name = function.strip_suffix('s').unwrap_or(function);
    match name.strip_suffix(|c: char| c.is_ascii_digit()) {
        Some(name) => name,
        None => function,
    }
}

#[cfg(test)]
mod tests {
    use super::source_name;

    #[test]
    fn stubs_are_mapped_to_their_functions() {
        for (stub, function) in [
            ("__initstub__kmod_loop__249_1234_loop_init6", "loop_init"),
            ("__initstub__kmod_main__12_3_setup_7s", "setup_"),
            ("__initstub__kmod_a__b__1_22_fs4_init5s", "fs4_init"),
            (
                "__initstub__kmod_initramfs__1_22_populate_rootfsrootfs",
                "populate_rootfs",
            ),
            (
                "__initstub__kmod_amba_pl011__1_22_pl011_console_initcon",
                "pl011_console_init",
            ),
            ("__initstub__kmod_ksysfs__3_9_earlyearly", "early"),
            ("__pci_fixup__kmod_quirks__99_1_quirk_6", "quirk_6"),
        ] {
            assert_eq!(source_name(stub), function, "{stub}");
        }
    }

    #[test]
    fn suffixes_of_lto_are_taken_off() {
        assert_eq!(source_name("init.llvm.123456"), "init");
        assert_eq!(source_name("init.5"), "init");
        assert_eq!(source_name("init"), "init");
        assert_eq!(source_name("__initstub__odd"), "__initstub__odd");
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Maps names in a kernel with LTO to names in its source.

use object_model::is_number;

const STUBS: [&str; 2] = ["__initstub__", "__pci_fixup__"];

/// Returns whether the symbol is a stub of a table entry.
pub(crate) fn is_stub(symbol: &str) -> bool {
    STUBS.iter().any(|prefix| symbol.starts_with(prefix))
}

/// Returns the source name of `symbol`: for a stub, the function that it calls; otherwise the name without
/// the suffixes that compilers append.
pub fn source_name(symbol: &str) -> &str {
    let name = object_model::source_name(symbol);
    stub_target(name).unwrap_or(name)
}

/// Returns `fn` of `__initstub__kmod_x__<counter>_<line>_fn<level>` or `__pci_fixup__kmod_x__<counter>_<line>_fn`.
fn stub_target(symbol: &str) -> Option<&str> {
    if let Some(id) = symbol.strip_prefix("__initstub__") {
        function(id).and_then(without_level)
    } else {
        function(symbol.strip_prefix("__pci_fixup__")?)
    }
}

/// Returns the text after the last `__<counter>_<line>_`; the module's name may contain `__`, too.
fn function(id: &str) -> Option<&str> {
    let at = |position: usize| {
        let rest = id.get(position..)?.strip_prefix("__")?;
        let (counter, rest) = rest.split_once('_')?;
        let (line, function) = rest.split_once('_')?;
        (is_number(counter) && is_number(line) && !function.is_empty()).then_some(function)
    };
    (0..id.len()).rev().find_map(at)
}

/// Returns `function` without the level at its end: `early`, `rootfs`, `con`, or a digit and maybe `s`.
fn without_level(function: &str) -> Option<&str> {
    let named = ["early", "rootfs", "con"];
    let name = named.iter().find_map(|level| function.strip_suffix(level));
    let numbered = || {
        let number = function.strip_suffix('s').unwrap_or(function);
        number.strip_suffix(|c: char| c.is_ascii_digit())
    };
    name.or_else(numbered).filter(|name| !name.is_empty())
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

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Names in the kernel and in its source.

use prel32_fix::source_name;
use proptest::prelude::*;

/// Generates C names that do not contain a counter and a line such as `__1_2_`.
fn identifier() -> impl Strategy<Value = String> {
    "_{0,2}[a-z][a-z0-9]{0,5}(_{1,3}[a-z][a-z0-9]{0,5}){0,3}_{0,2}"
}

fn level() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "0", "0s", "1", "1s", "2", "2s", "3", "3s", "4", "4s", "5", "5s", "6", "6s", "7", "7s",
        "con", "early", "rootfs",
    ])
}

fn is_stub(name: &str) -> bool {
    name.starts_with("__initstub__") || name.starts_with("__pci_fixup__")
}

proptest! {
    #[test]
    fn a_stub_is_named_after_its_function(
        module in identifier(),
        counter in 0_u32..10_000,
        line in 1_u32..100_000,
        function in identifier(),
        level in level(),
    ) {
        let id = format!("kmod_{module}__{counter}_{line}_{function}");
        for stub in [format!("__initstub__{id}{level}"), format!("__pci_fixup__{id}")] {
            prop_assert_eq!(source_name(&stub), &function, "{}", stub);
        }
    }

    #[test]
    fn what_lto_appends_is_taken_off(
        function in identifier(),
        hash in any::<u64>(),
        number in any::<u32>(),
    ) {
        for suffix in [
            format!(".llvm.{hash}"),
            format!(".{number}"),
            format!(".{number}.llvm.{hash}"),
            format!(".llvm.{hash}.{number}"),
        ] {
            for prefix in ["", "__pci_fixup__kmod_m__1_2_"] {
                let name = format!("{prefix}{function}{suffix}");
                prop_assert_eq!(source_name(&name), &function, "{}", name);
            }
        }
    }

    #[test]
    fn other_names_stay(function in identifier()) {
        for name in [
            function.clone(),
            format!(".L{function}"),
            format!("{function}.variable"),
            format!(".{function}"),
        ] {
            prop_assert_eq!(source_name(&name), &name);
        }
    }

    /// Any name of a symbol is possible in a file.
    #[test]
    fn any_name_has_a_part_that_names_it(
        name in prop_oneof![
            any::<String>(),
            "[._a0-9]{0,12}",
            "(__initstub__|__pci_fixup__)[._a0-9és]{0,16}",
        ],
    ) {
        let source = source_name(&name);
        prop_assert!(name.contains(source));
        prop_assert_eq!(source.is_empty(), name.is_empty());
        if !is_stub(&name) {
            prop_assert_eq!(source_name(source), source);
        }
    }
}

/// initcall-order splits the label of the same initcall in this way.
#[test]
fn of_several_counters_the_last_one_counts() {
    let id = "kmod_a__8_8_fn__9_9_inner";
    assert_eq!(source_name(&format!("__initstub__{id}5")), "inner");
    assert_eq!(source_name(&format!("__pci_fixup__{id}")), "inner");
}

#[test]
fn what_is_almost_a_stub_keeps_its_name() {
    for name in [
        "__initstub__",
        "__initstub__kmod_m__1_2_6",
        "__initstub__kmod_m__1_2_early",
        "__initstub__kmod_m__1_fn6",
        "__initstub__kmod_m__x_2_fn6",
        "__initstub__kmod_m__1__fn6",
        "__pci_fixup__kmod_m__1_2_",
    ] {
        assert_eq!(source_name(name), name);
    }
}

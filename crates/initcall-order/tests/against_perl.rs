// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares the script byte for byte with that of `generate_initcall_order.pl` of Linux 6.1.

mod support;

use std::process::Command;

use proptest::prelude::*;
use test_support::{FORMS, TestDir};

use support::object;

/// Returns the output of Linux's script for these files.
fn perl(dir: &TestDir, names: &[&str]) -> String {
    let script = test_support::linux61_scripts().join("generate_initcall_order.pl");
    let mut command = Command::new("perl");
    command
        .arg(script)
        .args(names)
        .env("NM", test_support::llvm_tool("llvm-nm"))
        .env("objtree", dir.path());
    test_support::stdout(&mut command)
}

/// Returns the output of our tool for these files.
fn ours(dir: &TestDir, names: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_initcall-order"));
    command
        .args(["-o", "-"])
        .args(names)
        .current_dir(dir.path());
    test_support::stdout(&mut command)
}

#[test]
fn names_that_look_like_counters_and_levels_are_taken_apart_alike() {
    let names = [
        "kmod_a__1_2_fn6",
        "kmod_a__2_2_fn12",
        "kmod_a__3_3_fnrootfs",
        "kmod_a__4_4_earlyearly",
        "kmod_a__5_5_con6s",
        "kmod_a__6_6_fncon",
        "kmod___7_7____fn7s",
        "kmod_a__8_8_fn__9_9_inner5",
        "kmod_b__10__11_11_fn5",
        "kmod_a_12__13_14_fn_early",
    ];
    for flags in FORMS {
        let dir = TestDir::new();
        object(&dir, "a.o", &names, flags);
        assert_eq!(ours(&dir, &["a.o"]), perl(&dir, &["a.o"]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Trees of thin and regular archives over native objects and bitcode.
    #[test]
    fn archives_of_any_shape_give_the_same_script(
        objects in prop::collection::vec(
            prop::collection::vec((0_u8..19, 0_u16..400, 1_u32..5000), 0..6),
            1..8,
        ),
        split in 0_usize..8,
    ) {
        const LEVELS: [&str; 19] = [
            "0", "0s", "1", "1s", "2", "2s", "3", "3s", "4", "4s", "5", "5s", "6", "6s", "7",
            "7s", "con", "early", "rootfs",
        ];
        let dir = TestDir::new();
        // The script of Linux fails if there are no initcalls.
        object(&dir, "first.o", &["kmod_first__0_1_fn6"], FORMS[0]);
        let mut members = vec!["first.o".to_owned()];
        for (number, initcalls) in objects.iter().enumerate() {
            let mut names: Vec<String> = initcalls
                .iter()
                .map(|(level, counter, line)| {
                    let level = LEVELS[usize::from(*level)];
                    format!("kmod_m{number}__{counter}_{line}_init_fn{level}")
                })
                .collect();
            // Each counter occurs once in an object, like __COUNTER__.
            names.sort_by_key(|name| name.split('_').nth(3).map(str::to_owned));
            names.dedup_by_key(|name| name.split('_').nth(3).map(str::to_owned));
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            // The first two forms are for one architecture.
            let member = format!("d{}/m{number}.o", number % 2);
            object(&dir, &member, &names, FORMS[number % 2]);
            members.push(member);
        }
        let members: Vec<_> = members.iter().map(String::as_str).collect();
        let (one, two) = members.split_at(split.min(members.len() - 1));
        dir.archive("cDPrST", "d0/built-in.a", one);
        dir.archive("cDPrST", "built-in.a", &["d0/built-in.a", two[0]]);
        dir.archive("cr", "lib.a", &two[1..]);
        let inputs = ["lib.a", "built-in.a"];
        prop_assert_eq!(ours(&dir, &inputs), perl(&dir, &inputs));
    }
}

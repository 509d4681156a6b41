// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The order that the script gives, over ELF, bitcode and archives.

mod support;

use std::fmt::Write as _;

use initcall_order::{Initcalls, collect};
use test_support::{FORMS, TestDir};
use tool_io::Files;

use support::object;

/// Returns the collected initcalls of the named files.
fn collected(dir: &TestDir, names: &[&str]) -> Initcalls {
    let files = Files::new();
    let paths: Vec<_> = names.iter().map(|name| dir.join(name)).collect();
    let inputs = files.link_order(&paths).unwrap();
    collect(&inputs).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn every_level_has_its_section_and_objects_stay_in_link_order() {
    for flags in FORMS {
        let dir = TestDir::new();
        let levels = [
            "0", "0s", "1", "1s", "2", "2s", "3", "3s", "4", "4s", "5", "5s", "6", "6s", "7", "7s",
            "con", "early", "rootfs",
        ];
        // The order is reversed, so that the script must sort the levels.
        let names = |module: &str| -> Vec<String> {
            let name = |(counter, level)| format!("kmod_{module}__{counter}_9_fn{level}");
            levels.iter().rev().enumerate().map(name).collect()
        };
        for module in ["b", "a"] {
            let names = names(module);
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            object(&dir, &format!("{module}.o"), &names, flags);
        }
        let mut expected = String::from("SECTIONS {\n");
        for (position, level) in levels.iter().enumerate() {
            let section = match *level {
                "con" => ".con_initcall.init".to_owned(),
                level => format!(".initcall{level}.init"),
            };
            let counter = levels.len() - 1 - position;
            write!(
                expected,
                "\t{section} : {{\n\
                 \t\t*({section}..kmod_b__{counter}_9_fn) ;\n\
                 \t\t*({section}..kmod_a__{counter}_9_fn) ;\n\
                 \t}}\n"
            )
            .unwrap();
        }
        expected += "}\n";
        let initcalls = collected(&dir, &["b.o", "a.o"]);
        assert_eq!(initcalls.linker_script(), expected);
        assert_eq!(initcalls.len(), 2 * levels.len());
    }
}

#[test]
fn counters_order_the_initcalls_of_an_object_by_number() {
    for flags in FORMS {
        let dir = TestDir::new();
        let names = [
            "kmod_a__10_1_ten6",
            "kmod_a__9_99_nine6",
            "kmod_a__100_5_hundred6",
        ];
        object(&dir, "a.o", &names, flags);
        assert_eq!(
            collected(&dir, &["a.o"]).linker_script(),
            "SECTIONS {\n\
             \t.initcall6.init : {\n\
             \t\t*(.initcall6.init..kmod_a__9_99_nine) ;\n\
             \t\t*(.initcall6.init..kmod_a__10_1_ten) ;\n\
             \t\t*(.initcall6.init..kmod_a__100_5_hundred) ;\n\
             \t}\n\
             }\n"
        );
    }
}

#[test]
fn archives_are_taken_in_their_place() {
    let dir = TestDir::new();
    // The first two forms are for one architecture.
    for (number, flags) in (0..).zip(FORMS[..2].iter().cycle()).take(6) {
        let name = format!("kmod_m{number}__1_1_fn6");
        object(&dir, &format!("d/m{number}.o"), &[&name], flags);
    }
    dir.archive("cDPrST", "d/built-in.a", &["d/m3.o", "d/m1.o"]);
    dir.archive("cDPrST", "built-in.a", &["d/m5.o", "d/built-in.a"]);
    dir.archive("cr", "lib.a", &["d/m0.o", "d/m4.o"]);
    let initcalls = collected(&dir, &["lib.a", "built-in.a", "d/m2.o"]);
    let (_, level) = initcalls.levels().next().unwrap();
    let modules: Vec<_> = level
        .iter()
        .map(|initcall| initcall.module.as_str())
        .collect();
    assert_eq!(
        modules,
        [
            "kmod_m0", "kmod_m4", "kmod_m5", "kmod_m3", "kmod_m1", "kmod_m2"
        ]
    );
}

#[test]
fn json_says_what_each_initcall_is() {
    let dir = TestDir::new();
    object(&dir, "a.o", &["kmod_a__3_14_setup_con"], FORMS[1]);
    let json: serde_json::Value = serde_json::from_str(&collected(&dir, &["a.o"]).json()).unwrap();
    let object = dir.join("a.o").display().to_string();
    assert_eq!(
        json,
        serde_json::json!([{
            "level": "con",
            "section": ".con_initcall.init",
            "initcalls": [{
                "section": ".con_initcall.init..kmod_a__3_14_setup_",
                "symbol": "__initcall__kmod_a__3_14_setup_con",
                "object": object,
                "module": "kmod_a",
                "counter": 3,
                "line": "14",
                "function": "setup_",
                "level": "con",
            }],
        }])
    );
}

#[test]
fn stubs_and_other_symbols_are_no_initcalls() {
    let dir = TestDir::new();
    let source = support::source(&["kmod_a__1_2_fn6"])
        + "extern int __initcall__kmod_x__9_9_elsewhere6;\n\
           int *reference = &__initcall__kmod_x__9_9_elsewhere6;\n\
           int __initstub__kmod_a__1_2_fn6(void) { return 0; }\n\
           int __initcall_start;\n";
    for flags in FORMS {
        dir.c("a.o", &source, flags);
        assert_eq!(collected(&dir, &["a.o"]).len(), 1);
    }
}

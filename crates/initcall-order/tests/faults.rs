// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Every fault, by its message, and all of them at once.

mod support;

use initcall_order::{Fault, collect};
use test_support::{FORMS, TestDir};
use tool_io::Files;

use support::{label, object, source};

/// Returns the faults found in the named files, without the directory.
fn faults(dir: &TestDir, names: &[&str]) -> Vec<String> {
    let files = Files::new();
    let paths: Vec<_> = names.iter().map(|name| dir.join(name)).collect();
    let inputs = files.link_order(&paths).unwrap();
    let prefix = format!("{}/", dir.path().display());
    let faults = collect(&inputs).expect_err("there is a fault");
    let text = |fault: Fault| fault.to_string().replace(&prefix, "");
    faults.into_iter().map(text).collect()
}

#[test]
fn a_name_of_another_form_is_a_fault() {
    let names = [
        "",
        "fn6",
        "kmod_a__1_fn6",
        "kmod_a__x_1_fn6",
        "kmod_a_1_2_fn6",
    ];
    for flags in FORMS {
        for name in names {
            let dir = TestDir::new();
            let symbol = format!("__initcall__{name}");
            dir.c("a.o", &label(".initcall6.init..x", &symbol), flags);
            assert_eq!(
                faults(&dir, &["a.o"]),
                [format!(
                    "a.o: initcall {symbol} has a name of another form than \
                     __initcall__MODULE__COUNTER_LINE_FUNCTIONLEVEL"
                )]
            );
        }
    }
}

#[test]
fn a_level_that_the_kernel_does_not_have_is_a_fault() {
    for name in [
        "fn", "fn8", "fn9s", "fnearlys", "fncons", "6", "con", "fn6ss",
    ] {
        let dir = TestDir::new();
        let symbol = format!("__initcall__kmod_a__1_2_{name}");
        dir.c("a.o", &label(".initcall6.init..x", &symbol), FORMS[1]);
        assert_eq!(
            faults(&dir, &["a.o"]),
            [format!(
                "a.o: initcall {symbol} does not end in a function and one of the levels \
                 0 to 7, 0s to 7s, early, rootfs, con"
            )]
        );
    }
}

#[test]
fn a_counter_beyond_64_bits_is_a_fault() {
    let dir = TestDir::new();
    object(
        &dir,
        "a.o",
        &["kmod_a__99999999999999999999_2_fn6"],
        FORMS[1],
    );
    assert!(faults(&dir, &["a.o"])[0].contains("a name of another form"));
}

#[test]
fn a_label_that_other_objects_see_is_a_fault() {
    for flags in FORMS {
        for directive in [".globl", ".weak"] {
            let dir = TestDir::new();
            let source = source(&["kmod_a__1_2_fn6"])
                + &format!("asm(\"{directive} __initcall__kmod_a__1_2_fn6\");");
            dir.c("a.o", &source, flags);
            assert_eq!(
                faults(&dir, &["a.o"]),
                ["a.o: initcall __initcall__kmod_a__1_2_fn6 is not a local symbol"]
            );
        }
    }
}

#[test]
fn a_label_in_another_section_than_the_script_names_is_a_fault() {
    let dir = TestDir::new();
    // As in a tree without CONFIG_LTO_CLANG: the script would order nothing.
    let source = label(".initcall6.init", "__initcall__kmod_a__1_2_fn6");
    dir.c("a.o", &source, FORMS[0]);
    assert_eq!(
        faults(&dir, &["a.o"]),
        [
            "a.o: initcall __initcall__kmod_a__1_2_fn6 is in section .initcall6.init \
          instead of .initcall6.init..kmod_a__1_2_fn"
        ]
    );
}

#[test]
fn a_variable_of_bitcode_in_another_section_is_a_fault() {
    let dir = TestDir::new();
    let source = "static __attribute__((used, section(\".initcall6.init\"))) \
                  int __initcall__kmod_a__1_2_fn6;";
    dir.c("a.o", source, FORMS[1]);
    assert_eq!(
        faults(&dir, &["a.o"]),
        [
            "a.o: initcall __initcall__kmod_a__1_2_fn6 is in section .initcall6.init \
          instead of .initcall6.init..kmod_a__1_2_fn"
        ]
    );
}

#[test]
fn the_same_section_in_two_objects_is_a_fault_that_names_both() {
    for flags in FORMS {
        let dir = TestDir::new();
        object(&dir, "a.o", &["kmod_a__1_2_fn6"], flags);
        object(&dir, "b.o", &["kmod_a__1_2_fn6"], flags);
        dir.archive("cDPrST", "built-in.a", &["b.o"]);
        assert_eq!(
            faults(&dir, &["a.o", "built-in.a"]),
            [
                "b.o in built-in.a: section .initcall6.init..kmod_a__1_2_fn is also in a.o; \
              is one object linked twice?"
            ]
        );
    }
}

#[test]
fn two_initcalls_of_one_counter_in_an_object_are_a_fault() {
    for flags in FORMS {
        let dir = TestDir::new();
        object(
            &dir,
            "a.o",
            &["kmod_a__1_2_fn6", "kmod_a__1_3_other6"],
            flags,
        );
        assert_eq!(
            faults(&dir, &["a.o"]),
            [
                "a.o: initcalls __initcall__kmod_a__1_2_fn6 and __initcall__kmod_a__1_3_other6 \
              have the same counter; give the objects that it was joined from instead"
            ]
        );
    }
}

/// A prebuilt object for a kernel without LTO has such entries: they would run last.
#[test]
fn entries_that_the_script_does_not_name_are_a_fault() {
    for flags in FORMS {
        for section in [
            ".initcall6.init",
            ".con_initcall.init",
            ".initcall10.init",
            ".initcall6.init..kmod_b__1_2_fn",
        ] {
            let dir = TestDir::new();
            object(&dir, "a.o", &["kmod_a__1_2_fn6"], flags);
            let source = format!(
                "int fn(void) {{ return 0; }}\n\
                 __attribute__((section(\"{section}\"))) int (*__initcall_fn6)(void) = fn;"
            );
            dir.c("b.o", &source, flags);
            assert_eq!(
                faults(&dir, &["a.o", "b.o"]),
                [format!(
                    "b.o: section {section} has initcalls without a label __initcall__…, so that they \
                     would run after all others; compile it with the headers of this kernel"
                )]
            );
        }
    }
}

#[test]
fn a_level_that_ends_like_one_of_the_kernels_is_not_taken_for_it() {
    for flags in FORMS {
        for (level, taken, rest) in [
            ("10", "0", "1"),
            ("preearly", "early", "pre"),
            ("12s", "2s", "1"),
        ] {
            let dir = TestDir::new();
            let section = format!(".initcall{level}.init..kmod_a__1_2_fn");
            let symbol = format!("__initcall__kmod_a__1_2_fn{level}");
            dir.c("a.o", &label(&section, &symbol), flags);
            assert_eq!(
                faults(&dir, &["a.o"]),
                [format!(
                    "a.o: initcall {symbol} is in section {section} instead of \
                     .initcall{taken}.init..kmod_a__1_2_fn{rest}"
                )],
                "{flags:?}"
            );
        }
    }
}

#[test]
fn objects_of_two_architectures_are_a_fault() {
    let (arm, x86) = ("--target=aarch64-linux-gnu", "--target=x86_64-linux-gnu");
    for (first, second) in [
        (&[arm][..], &[x86][..]),
        (&[arm, "-flto=thin"], &[x86]),
        (&[arm], &[x86, "-flto"]),
    ] {
        let dir = TestDir::new();
        object(&dir, "a.o", &["kmod_a__1_2_fn6"], first);
        object(&dir, "b.o", &["kmod_b__1_2_fn6"], second);
        object(&dir, "c.o", &["kmod_c__1_2_fn6"], first);
        assert_eq!(
            faults(&dir, &["a.o", "b.o", "c.o"]),
            ["b.o: is for x86_64, and a.o is for arm64; give the objects of one kernel"]
        );
    }
}

#[test]
fn no_initcall_at_all_is_a_fault() {
    let dir = TestDir::new();
    object(&dir, "a.o", &[], FORMS[1]);
    assert_eq!(
        faults(&dir, &["a.o"]),
        [
            "no initcalls in 1 objects; were they compiled with CONFIG_LTO_CLANG, \
          and are they all of vmlinux's objects?"
        ]
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let dir = TestDir::new();
    let broken = label(".x", "__initcall__x") + &label(".x", "__initcall__kmod_a__1_2_fn8");
    dir.c("a.o", &broken, FORMS[1]);
    object(&dir, "b.o", &["kmod_b__1_2_fn6"], FORMS[0]);
    object(&dir, "c.o", &["kmod_b__1_2_fn6"], FORMS[1]);
    assert_eq!(faults(&dir, &["a.o", "b.o", "c.o"]).len(), 3);
}

#[test]
fn the_tool_reports_faults_with_1_and_unreadable_inputs_with_2() {
    let dir = TestDir::new();
    object(&dir, "a.o", &[], FORMS[1]);
    dir.write("not.o", "text");
    let run = |input: &str| {
        let tool = env!("CARGO_BIN_EXE_initcall-order");
        let (code, stdout, stderr) = dir.run_tool(tool, &["-o", "out.lds", input]);
        assert_eq!(stdout, "");
        (code, stderr)
    };
    assert_eq!(
        run("a.o"),
        (
            Some(1),
            "initcall-order: error: no initcalls in 1 objects; were they compiled with \
             CONFIG_LTO_CLANG, and are they all of vmlinux's objects?\n"
                .into()
        )
    );
    assert_eq!(
        run("not.o"),
        (
            Some(2),
            "initcall-order: error: not.o: is neither ELF, LLVM bitcode nor an archive \
             (begins with 74 65 78 74)\n"
                .into()
        )
    );
    assert_eq!(
        run("missing.o"),
        (
            Some(2),
            "initcall-order: error: missing.o: cannot be opened: \
             No such file or directory (os error 2)\n"
                .into()
        )
    );
    assert_eq!(run("--unknown").0, Some(2));
    assert!(
        !dir.join("out.lds").exists(),
        "a failing run wrote its output"
    );
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The link of vmlinux.o: initcalls, CRCs, libraries, records.

use std::collections::BTreeMap;

use lto_link::{InputKind, RecordedInput, inputs_path, read_record, read_usage, usage_path};
use test_support::{ARM64, KERNEL_TARGETS, TestDir};

use crate::support::{
    LTO, absolutes, defined, elf, export, initcall, link, lto_link, references, run,
};

/// Makes two bitcode objects around a native one, two of them in archives, with initcalls of every
/// kind of level. In a link without a linker script, the code of bitcode comes after native code.
fn tree(target: &str, lto: &str) -> TestDir {
    let dir = TestDir::new();
    let bitcode = [target, "-O2", lto];
    let source = initcall("a", 10, "a_second", "6")
        + &initcall("a", 9, "a_first", "6")
        + &initcall("a", 11, "a_early", "early")
        + &initcall("a", 12, "a_console", "con");
    dir.c("init/a.o", &source, &bitcode);
    let source = initcall("b", 1, "b_device", "6")
        + &initcall("b", 2, "b_sync", "6s")
        + &initcall("b", 3, "b_early", "early")
        + &initcall("b", 4, "b_console", "con");
    dir.c("kernel/b.o", &source, &[target, "-O2"]);
    let source = initcall("c", 1, "c_device", "6")
        + &initcall("c", 2, "c_sync", "6s")
        + &initcall("c", 3, "c_rootfs", "rootfs");
    dir.c("kernel/c.o", &source, &bitcode);
    dir.archive("cDPrST", "init/built-in.a", &["init/a.o"]);
    dir.archive("cDPrST", "kernel/built-in.a", &["kernel/b.o", "kernel/c.o"]);
    dir
}

const OBJS: [&str; 6] = [
    "vmlinux",
    "-o",
    "vmlinux.o",
    "--objs",
    "init/built-in.a",
    "kernel/built-in.a",
];

/// Returns the expected content of each table of initcalls.
fn expected() -> BTreeMap<String, Vec<String>> {
    [
        (".con_initcall.init", vec!["a_console", "b_console"]),
        (
            ".initcall6.init",
            vec!["a_first", "a_second", "b_device", "c_device"],
        ),
        (".initcall6s.init", vec!["b_sync", "c_sync"]),
        (".initcallearly.init", vec!["a_early", "b_early"]),
        (".initcallrootfs.init", vec!["c_rootfs"]),
    ]
    .into_iter()
    .map(|(name, functions)| {
        let functions = functions.into_iter().map(str::to_owned).collect();
        (name.to_owned(), functions)
    })
    .collect()
}

#[test]
fn initcalls_stand_in_link_order() {
    for target in KERNEL_TARGETS {
        for lto in LTO {
            let dir = tree(target, lto);
            link(&dir, &OBJS);
            let bytes = dir.read("vmlinux.o");
            assert_eq!(
                references(&elf(&bytes), "initcall"),
                expected(),
                "{target} {lto}"
            );
        }
    }
}

/// Shows that the order above comes from the linker script.
#[test]
fn without_our_script_the_linker_has_another_order() {
    for lto in LTO {
        let dir = tree(ARM64, lto);
        dir.write(
            "merge.lds",
            "SECTIONS { .initcall6.init : { *(.initcall6.init*) } }",
        );
        let arguments = [
            "-r",
            "-T",
            "merge.lds",
            "-o",
            "x.o",
            "--whole-archive",
            "init/built-in.a",
            "kernel/built-in.a",
        ];
        dir.run("ld.lld", &arguments);
        let bytes = dir.read("x.o");
        let found = references(&elf(&bytes), "initcall6.init");
        assert_ne!(found[".initcall6.init"], expected()[".initcall6.init"]);
    }
}

#[test]
fn exports_get_the_crcs_of_their_symversions() {
    for target in KERNEL_TARGETS {
        for lto in LTO {
            let dir = tree(target, lto);
            let source = export("first") + &export("second");
            dir.c("lib/exports.o", &source, &[target, "-O2", lto]);
            dir.write(
                "lib/exports.o.symversions",
                "__crc_first = 0x12345678;\n__crc_second = 0xfedcba98;\n",
            );
            dir.archive("cDPrST", "lib/built-in.a", &["lib/exports.o"]);
            let mut arguments = OBJS.to_vec();
            arguments.extend(["lib/built-in.a", "--modversions"]);
            link(&dir, &arguments);
            let bytes = dir.read("vmlinux.o");
            let elf = elf(&bytes);
            assert_eq!(
                absolutes(&elf, "__crc_"),
                BTreeMap::from([
                    ("__crc_first".into(), 0x1234_5678),
                    ("__crc_second".into(), 0xfedc_ba98)
                ])
            );
            assert_eq!(references(&elf, "initcall"), expected());
        }
    }
}

/// Some architectures keep CRCs in read-only data and refer to them relatively.
#[test]
fn relative_crcs_are_put_where_their_symbols_point() {
    for target in KERNEL_TARGETS {
        let dir = tree(target, "-flto=thin");
        let source = export("first") + &export("second") + "const int other[] = {1, 2, 3};";
        dir.c("exports.o", &source, &[target, "-O2", "-flto=thin"]);
        let line = |name, crc| {
            format!("SECTIONS {{ .rodata : ALIGN(4) {{ __crc_{name} = .; LONG({crc}); }} }}\n")
        };
        dir.write(
            "exports.o.symversions",
            line("first", "0x12345678") + &line("second", "0xfedcba98"),
        );
        let mut arguments = OBJS.to_vec();
        arguments.extend(["exports.o", "--modversions"]);
        link(&dir, &arguments);
        let bytes = dir.read("vmlinux.o");
        let elf = elf(&bytes);
        for (name, crc) in [("__crc_first", 0x1234_5678), ("__crc_second", 0xfedc_ba98)] {
            let mut symbols = elf.syms.iter();
            let symbol = symbols
                .find(|symbol| elf.strtab.get_at(symbol.st_name) == Some(name))
                .expect("the symbol is defined");
            let section = &elf.section_headers[symbol.st_shndx];
            let start = usize::try_from(section.sh_offset + symbol.st_value).unwrap();
            let found = u32::from_le_bytes(bytes[start..start + 4].try_into().unwrap());
            assert_eq!(found, crc, "{target} {name}");
        }
    }
}

#[test]
fn without_modversions_nobody_looks_for_crcs() {
    let dir = tree(ARM64, "-flto=thin");
    dir.c("exports.o", &export("first"), &[ARM64, "-flto=thin"]);
    let mut arguments = OBJS.to_vec();
    arguments.push("exports.o");
    link(&dir, &arguments);
    assert!(!dir.join(".tmp_vmlinux.o.symversions.lds").exists());
}

#[test]
fn everything_of_objects_is_linked_and_of_libraries_what_is_needed() {
    for lto in LTO {
        let dir = TestDir::new();
        let flags = [ARM64, "-O2", lto];
        let caller = initcall("a", 1, "caller", "6")
            + "int needed(void); int call_needed(void) { return needed(); }";
        dir.c("a.o", &caller, &flags);
        dir.c("unused.o", "int unused(void) { return 1; }", &flags);
        // Two libraries that need each other.
        let needed = "int other(void); int needed(void) { return other(); }";
        dir.c("needed.o", needed, &flags);
        dir.c("spare.o", "int spare(void) { return 1; }", &flags);
        let other = "int third(void); int other(void) { return third(); }";
        dir.c("other.o", other, &flags);
        dir.c("third.o", "int third(void) { return 3; }", &flags);
        dir.archive("cDPrST", "built-in.a", &["a.o", "unused.o"]);
        dir.archive("cDPrST", "lib1.a", &["needed.o", "spare.o", "third.o"]);
        dir.archive("cr", "lib2.a", &["other.o"]);
        let arguments = [
            "vmlinux",
            "-o",
            "vmlinux.o",
            "--objs",
            "built-in.a",
            "--libs",
            "lib1.a",
            "lib2.a",
        ];
        link(&dir, &arguments);
        let bytes = dir.read("vmlinux.o");
        assert_eq!(
            defined(&elf(&bytes)),
            [
                "call_needed",
                "caller",
                "needed",
                "other",
                "third",
                "unused"
            ]
        );
        // ld.lld's --trace lists a member when it is needed, and so does the record.
        let record = dir.read_text("vmlinux.o.lto-inputs");
        assert_eq!(
            record,
            "bitcode\ta.o\nbitcode\tunused.o\nbitcode\tneeded.o\n\
             bitcode\tother.o in lib2.a\nbitcode\tthird.o\n"
        );
    }
}

#[test]
fn inputs_and_cost_are_recorded_beside_the_output() {
    let dir = tree(ARM64, "-flto=thin");
    link(&dir, &OBJS);
    let record = read_record(&inputs_path(&dir.join("vmlinux.o"))).unwrap();
    let line = |kind, path: &str| RecordedInput {
        kind,
        path: path.into(),
    };
    assert_eq!(
        record,
        [
            line(InputKind::Bitcode, "init/a.o"),
            line(InputKind::Elf, "kernel/b.o"),
            line(InputKind::Bitcode, "kernel/c.o")
        ]
    );
    let usage = usage_path(&dir.join("vmlinux.o"));
    let usage = read_usage(&usage).unwrap();
    assert_eq!(usage.jobs, 1);
    assert!(usage.wall_seconds > 0.0, "{usage:?}");
    assert!(usage.cpu_seconds > 0.0, "{usage:?}");
    assert!(usage.peak_rss_kib > 1024, "{usage:?}");
    let cut = dir.write("cut.json", "{\"wall_seconds\":1.0}");
    let error = read_usage(&cut).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn what_is_linked_is_told_in_one_line() {
    let dir = tree(ARM64, "-flto=thin");
    let line = "  LTO     vmlinux.o (2 bitcode, 1 native objects, 1 job)\n";
    assert_eq!(link(&dir, &OBJS), line);
    // kbuild's variables for make -s.
    let mut arguments = OBJS.to_vec();
    let linker = crate::support::ld_lld();
    arguments.extend(["--", &linker]);
    let mut silent = lto_link(&dir, &arguments);
    assert_eq!(test_support::stdout(silent.env("quiet", "silent_")), "");
    let mut quiet = lto_link(&dir, &arguments);
    assert_eq!(test_support::stdout(quiet.env("quiet", "quiet_")), line);
}

#[test]
fn the_same_inputs_give_the_same_bytes_in_any_directory() {
    for lto in LTO {
        let bytes = || {
            let dir = tree(ARM64, lto);
            link(&dir, &OBJS);
            (
                dir.read("vmlinux.o"),
                dir.read(".tmp_vmlinux.o.initcalls.lds"),
            )
        };
        assert_eq!(bytes(), bytes());
    }
}

#[test]
fn arguments_may_stand_in_a_file() {
    let dir = tree(ARM64, "-flto=thin");
    dir.write("objects", "init/built-in.a\nkernel/built-in.a\n");
    link(&dir, &["vmlinux", "-o", "vmlinux.o", "--objs", "@objects"]);
    let bytes = dir.read("vmlinux.o");
    assert_eq!(references(&elf(&bytes), "initcall"), expected());
}

#[test]
fn a_kernel_without_objects_is_refused() {
    let dir = TestDir::new();
    let (code, _, stderr) = run(&dir, &["vmlinux", "-o", "vmlinux.o", "--", "ld.lld"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--objs"), "{stderr}");
}

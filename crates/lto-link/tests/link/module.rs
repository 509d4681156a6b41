// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The link of a module's object.

use std::collections::BTreeMap;

use test_support::{ARM64, KERNEL_TARGETS, TestDir};

use crate::support::{LTO, absolutes, defined, elf, export, files, link};

/// Makes two bitcode parts that need each other, and a native one.
fn parts(target: &str, lto: &str) -> TestDir {
    let dir = TestDir::new();
    let source = "int b(int); int a(int x) { return b(x) + 1; }".to_owned() + &export("api");
    dir.c("fs/x/a.o", &source, &[target, "-O2", lto]);
    dir.c(
        "fs/x/b.o",
        "int c(int); int b(int x) { return c(x) + 2; }",
        &[target, "-O2", lto],
    );
    dir.c(
        "fs/x/c.o",
        "int printk(void); int c(int x) { return printk() + x; }",
        &[target, "-O2"],
    );
    dir
}

const OBJS: [&str; 7] = [
    "module", "-o", "fs/x/x.o", "--objs", "fs/x/a.o", "fs/x/b.o", "fs/x/c.o",
];

#[test]
fn parts_become_one_native_object() {
    for target in KERNEL_TARGETS {
        for lto in LTO {
            let dir = parts(target, lto);
            assert_eq!(link(&dir, &OBJS), "", "a module is linked without a word");
            let bytes = dir.read("fs/x/x.o");
            let elf = elf(&bytes);
            assert_eq!(elf.header.e_type, goblin::elf::header::ET_REL);
            assert_eq!(defined(&elf), ["a", "api", "b", "c"]);
            let undefined = elf.syms.iter().filter(|symbol| symbol.st_shndx == 0);
            let mut undefined: Vec<_> = undefined
                .filter_map(|symbol| elf.strtab.get_at(symbol.st_name))
                .filter(|name| !name.is_empty())
                .collect();
            undefined.sort_unstable();
            assert_eq!(undefined, ["__crc_api", "printk"]);
        }
    }
}

#[test]
fn a_module_has_its_crcs_and_hidden_records() {
    for target in KERNEL_TARGETS {
        for lto in LTO {
            let dir = parts(target, lto);
            dir.write("fs/x/a.o.symversions", "__crc_api = 0x00c0ffee;\n");
            let mut arguments = OBJS.to_vec();
            arguments.push("--modversions");
            link(&dir, &arguments);
            let bytes = dir.read("fs/x/x.o");
            assert_eq!(
                absolutes(&elf(&bytes), "__crc_"),
                BTreeMap::from([("__crc_api".into(), 0x00c0_ffee)])
            );
            let record = dir.read_text("fs/x/.x.o.lto-inputs");
            assert_eq!(
                record,
                "bitcode\tfs/x/a.o\nbitcode\tfs/x/b.o\nelf\tfs/x/c.o\n"
            );
            let mut files = files(&dir.join("fs/x"));
            files.retain(|name| !["a.", "b.", "c."].iter().any(|part| name.starts_with(part)));
            assert_eq!(
                files,
                [
                    ".tmp_x.o.symversions.lds",
                    ".x.o.lto-inputs",
                    ".x.o.lto-usage.json",
                    "x.o"
                ]
            );
        }
    }
}

/// make compares time stamps: a record that changed each time would rerun every command that reads it.
#[test]
fn a_second_link_leaves_the_scripts_and_the_record_as_they_are() {
    let dir = parts(ARM64, "-flto=thin");
    dir.write("fs/x/a.o.symversions", "__crc_api = 0x00c0ffee;\n");
    let mut arguments = OBJS.to_vec();
    arguments.push("--modversions");
    link(&dir, &arguments);
    let stamps = || {
        ["fs/x/.x.o.lto-inputs", "fs/x/.tmp_x.o.symversions.lds"]
            .map(|name| dir.join(name).metadata().unwrap().modified().unwrap())
    };
    // Set their time far in the past, so that a rewritten file has another time.
    for name in ["fs/x/.x.o.lto-inputs", "fs/x/.tmp_x.o.symversions.lds"] {
        let file = std::fs::File::options()
            .append(true)
            .open(dir.join(name))
            .unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let before = stamps();
    let object = dir.read("fs/x/x.o");
    link(&dir, &arguments);
    assert_eq!(stamps(), before);
    assert_eq!(dir.read("fs/x/x.o"), object);
}

#[test]
fn initcalls_of_a_module_need_no_order() {
    // Two initcalls of one name are no fault in a module.
    let dir = TestDir::new();
    let source = crate::support::initcall("a", 1, "fn", "6");
    dir.c("a.o", &source, &[ARM64, "-flto=thin"]);
    link(&dir, &["module", "-o", "m.o", "--objs", "a.o"]);
    assert!(!dir.join(".tmp_m.o.initcalls.lds").exists());
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The thin link, and the link of the code that is generated from its indexes.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use test_support::{ARM64, KERNEL_TARGETS, TestDir};

use crate::support::{defined, elf, ld_lld, link, run};

const FLAGS: [&str; 3] = ["-O2", "-flto=thin", "-fvisibility=hidden"];

/// A function that is worth importing, and its user, whose file name must be quoted in a response file.
const SMALL: &str = "int small(int x) { return x * 3; }";
const USER: &str = "int small(int); int user(int x) { return small(x) + 1; }";

pub fn object(dir: &TestDir, target: &str, name: &str, source: &str) {
    dir.c(name, source, &[&[target][..], &FLAGS].concat());
    let path = PathBuf::from(name);
    let file = path.file_name().unwrap().to_str().unwrap();
    let command = path.with_file_name(format!(".{file}.cmd"));
    let flags = format!("{target} -O2 -Wa,--x=\\\"x\\\"");
    dir.write(
        command,
        format!("cmd_{name} := clang -Wp,-MMD,x.d {flags} -flto=thin -c -o '{name}' x.c\n"),
    );
}

fn parts(target: &str) -> TestDir {
    let dir = TestDir::new();
    object(&dir, target, "m/small.o", SMALL);
    object(&dir, target, "m/the user.o", USER);
    dir.c(
        "m/native.o",
        "int native(void) { return 2; }",
        &[target, "-O2"],
    );
    dir
}

const INPUTS: [&str; 6] = [
    "-o",
    "m/m.o",
    "--objs",
    "m/small.o",
    "m/the user.o",
    "m/native.o",
];

fn thin_link(dir: &TestDir) {
    assert_eq!(link(dir, &[&["thin-link"][..], &INPUTS].concat()), "");
}

/// Generates code as scripts/lto/Makefile.codegen does.
pub fn generate(dir: &TestDir, target: &str, object: &str) {
    generate_as(dir, target, object, "");
}

/// Generates code of an object that other links use too. `link` is this link's part of the file names.
fn generate_as(dir: &TestDir, target: &str, object: &str, link: &str) {
    let native = object.replace(".o", &format!("{link}.native.o"));
    let index = format!("-fthinlto-index={object}{link}.thinlto.bc");
    let mut clang = Command::new(test_support::llvm_tool("clang"));
    clang.current_dir(dir.path());
    clang.args([
        target, "-O2", &index, "-c", "-o", &native, "-x", "ir", object,
    ]);
    test_support::stdout(&mut clang);
}

/// Makes every file of the thin link look old, and returns the files that a second run rewrites.
fn written_again(dir: &TestDir) -> Vec<String> {
    let names = [
        "m/small.o.thinlto.bc",
        "m/small.o.imports",
        "m/the user.o.thinlto.bc",
        "m/the user.o.imports",
        "m/.tmp_m.o.codegen.mk",
    ];
    let old = SystemTime::now() - Duration::from_secs(3600);
    for name in names {
        let file = std::fs::File::options().write(true).open(dir.join(name));
        file.unwrap().set_modified(old).unwrap();
    }
    thin_link(dir);
    let is_new = |name: &&str| dir.join(name).metadata().unwrap().modified().unwrap() != old;
    names
        .into_iter()
        .filter(is_new)
        .map(str::to_owned)
        .collect()
}

#[test]
fn code_that_was_generated_object_by_object_is_linked() {
    for target in KERNEL_TARGETS {
        let dir = parts(target);
        thin_link(&dir);
        assert_eq!(dir.read_text("m/the user.o.imports"), "m/small.o\n");
        assert_eq!(dir.read_text("m/small.o.imports"), "");
        assert!(!dir.join("m/.tmp_m.o.index").exists());
        let list = dir.read_text("m/.tmp_m.o.codegen.mk");
        assert!(list.contains("lto-bitcode += m/small.o\n"), "{list}");
        let flags = format!(":= '{target}' -O2 '-Wa,--x=\"x\"' '-flto=thin' -c\n");
        assert!(list.contains(&flags), "{list}");
        assert!(!list.contains("native"), "{list}");

        for object in ["m/small.o", "m/the user.o"] {
            generate(&dir, target, object);
        }
        link(&dir, &[&["module", "--distributed"][..], &INPUTS].concat());
        let bytes = dir.read("m/m.o");
        assert_eq!(defined(&elf(&bytes)), ["native", "small", "user"]);
        // The function was inlined into the other file.
        let code = dir.run(
            "llvm-objdump",
            &["-dr", "--disassemble-symbols=user", "m/m.o"],
        );
        assert!(!code.contains("small"), "{code}");
        assert_eq!(
            dir.read_text("m/.m.o.lto-inputs"),
            "bitcode\tm/small.o\nbitcode\tm/the user.o\nelf\tm/native.o\n"
        );
    }
}

/// Two modules, each of which drops the function of a shared object that the other needs.
#[test]
fn what_two_modules_share_has_code_for_each() {
    let dir = TestDir::new();
    let shared = "__attribute__((noinline)) int for_a(int x) { return x * 7 % 5; }
                  __attribute__((noinline)) int for_b(int x) { return x * 5 % 7; }";
    object(&dir, ARM64, "shared.o", shared);
    let modules = ["a", "b"];
    let inputs = modules.map(|module| {
        let source =
            format!("int for_{module}(int); int init_module(void) {{ return for_{module}(1); }}");
        object(&dir, ARM64, &format!("{module}-main.o"), &source);
        format!("-o {module}.o --shared shared.o --objs {module}-main.o shared.o")
    });
    let inputs = inputs
        .each_ref()
        .map(|inputs| inputs.split(' ').collect::<Vec<_>>());
    for inputs in &inputs {
        let arguments = ["thin-link", "--internalize", "--module"];
        link(&dir, &[&arguments[..], inputs].concat());
    }
    for (module, inputs) in modules.iter().zip(&inputs) {
        let list = dir.read_text(format!(".tmp_{module}.o.codegen.mk"));
        assert!(list.contains("lto-shared += shared.o\n"), "{list}");
        assert!(
            list.contains(&format!("lto-link-name := {module}\n")),
            "{list}"
        );
        generate(&dir, ARM64, &format!("{module}-main.o"));
        generate_as(&dir, ARM64, "shared.o", &format!(".{module}"));
        link(&dir, &[&["module", "--distributed"][..], inputs].concat());
    }
    for (module, other) in [("a", "b"), ("b", "a")] {
        let all = dir.run("llvm-nm", &["--defined-only", &format!("{module}.o")]);
        assert!(all.contains(&format!("for_{module}")), "{all}");
        assert!(!all.contains(&format!("for_{other}")), "{all}");
    }
}

/// The rule that links a module from a thin archive does not know the parts.
#[test]
fn a_thin_archive_stands_for_the_parts_that_are_shared() {
    let dir = parts(ARM64);
    dir.run(
        "llvm-ar",
        &[
            "cDPrsT",
            "m/all.o",
            "m/small.o",
            "m/the user.o",
            "m/native.o",
        ],
    );
    let inputs = [
        "-o",
        "m/m.lto.o",
        "--shared",
        "m/all.o",
        "--objs",
        "m/all.o",
    ];
    link(&dir, &[&["thin-link"], &inputs[..]].concat());
    let list = dir.read_text("m/.tmp_m.lto.o.codegen.mk");
    assert!(
        list.contains("lto-shared += m/small.o\nlto-bitcode += m/small.o\n"),
        "{list}"
    );
    assert!(list.contains("lto-link-name := m.lto\n"), "{list}");
    assert!(!dir.join("m/small.o.thinlto.bc").exists());
    for object in ["m/small.o", "m/the user.o"] {
        generate_as(&dir, ARM64, object, ".m.lto");
    }
    link(&dir, &[&["module", "--distributed"], &inputs[..]].concat());
    let bytes = dir.read("m/m.lto.o");
    assert_eq!(defined(&elf(&bytes)), ["native", "small", "user"]);
}

#[test]
fn an_index_is_written_where_something_changed_that_its_object_takes() {
    let dir = parts(ARM64);
    thin_link(&dir);
    assert_eq!(written_again(&dir), [""; 0]);
    // A comment does not change the bitcode.
    object(&dir, ARM64, "m/small.o", &format!("/* said */ {SMALL}"));
    assert_eq!(written_again(&dir), [""; 0]);
    // A change in the function does, and the index of the importing object contains its hash.
    object(
        &dir,
        ARM64,
        "m/small.o",
        "int small(int x) { return x * 5; }",
    );
    assert_eq!(
        written_again(&dir),
        ["m/small.o.thinlto.bc", "m/the user.o.thinlto.bc"]
    );
    // No object imports the user.
    object(&dir, ARM64, "m/the user.o", &USER.replace("+ 1", "+ 2"));
    assert_eq!(written_again(&dir), ["m/the user.o.thinlto.bc"]);
}

/// The objects are members of lib.a in a kernel without modules.
#[test]
fn what_nobody_needs_of_a_library_is_not_linked() {
    let dir = parts(ARM64);
    let source = format!("__attribute__((noinline)) {SMALL}");
    object(&dir, ARM64, "m/small.o", &source);
    object(
        &dir,
        ARM64,
        "lib/unused.o",
        "int unused(void) { return 1; }",
    );
    let path = dir.join("lib/lib.a");
    let mut ar = Command::new(test_support::llvm_tool("llvm-ar"));
    ar.current_dir(dir.path());
    ar.args(["cDPrST"])
        .arg(path)
        .args(["m/small.o", "lib/unused.o"]);
    test_support::stdout(&mut ar);
    let inputs = [
        "-o",
        "m/m.o",
        "--objs",
        "m/the user.o",
        "--libs",
        "lib/lib.a",
    ];
    link(&dir, &[&["thin-link"][..], &inputs].concat());
    // Members are named by their paths from the archive.
    for object in ["lib/unused.o", "lib/../m/small.o", "m/the user.o"] {
        generate(&dir, ARM64, object);
    }
    link(&dir, &[&["module", "--distributed"][..], &inputs].concat());
    assert_eq!(defined(&elf(&dir.read("m/m.o"))), ["small", "user"]);
}

#[test]
fn members_of_regular_archives_are_refused() {
    let dir = parts(ARM64);
    dir.archive("rcs", "m/all.a", &["m/small.o"]);
    let linker = ld_lld();
    let (code, _, errors) = run(
        &dir,
        &[
            "thin-link",
            "-o",
            "m/m.o",
            "--objs",
            "m/all.a",
            "--",
            &linker,
        ],
    );
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("small.o in m/all.a: the bitcode is not a separate file"),
        "{errors}"
    );
}

#[test]
fn an_object_whose_command_is_not_known_is_named() {
    let dir = parts(ARM64);
    std::fs::remove_file(dir.join("m/.small.o.cmd")).unwrap();
    let linker = ld_lld();
    let arguments = [&["thin-link"][..], &INPUTS, &["--", &linker]].concat();
    let (code, _, errors) = run(&dir, &arguments);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("m/.small.o.cmd: cannot be read"),
        "{errors}"
    );
    assert!(!dir.join("m/small.o.thinlto.bc").exists());
}

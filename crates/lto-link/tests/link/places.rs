// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The output of a link does not depend on the place of the build.

use test_support::{KERNEL_TARGETS, TestDir};
use tool_io::Files;

use crate::distributed::generate;
use crate::support::link;

/// Two files have a static of the same name, to which the importing file refers.
const CALLEES: [(&str, &str); 2] = [("m/one.c", "one"), ("m/sub/two.c", "two")];
const CALLER: &str = "int one(int), two(int); int init_module(void) { return one(1) + two(2); }";

fn callee(function: &str) -> String {
    format!(
        "static int state; static __attribute__((noinline)) int helper(int x) {{ state += x; return state; }}\n\
         int {function}(int x) {{ return helper(x) + 1; }}\n"
    )
}

/// Compiles the files by their absolute paths, as kbuild does in a separate object tree.
fn objects(dir: &TestDir, target: &str, flags: &[&str]) {
    let callees = CALLEES.map(|(path, function)| (path, callee(function)));
    let caller = ("m/main.c", CALLER.to_owned());
    for (path, source) in callees.into_iter().chain([caller]) {
        dir.write(path, source);
        let object = path.replace(".c", ".o");
        let path = dir.join(path).display().to_string();
        let mut words = vec!["clang", target, "-O2", "-flto=thin", "-fvisibility=hidden"];
        words.extend(flags);
        words.extend(["-c", "-o", &object, &path]);
        dir.run("clang", &words[1..]);
        let file = object.rsplit('/').next().unwrap();
        let saved = object.replace(file, &format!(".{file}.cmd"));
        dir.write(saved, format!("cmd_{object} := {}\n", words.join(" ")));
    }
}

/// The ways of making the module.
const WAYS: [&str; 4] = ["thin", "drop", "dist", "dist-drop"];

/// Links the module in one way, and returns the names of its symbols, in order.
fn linked(dir: &TestDir, target: &str, way: &str) -> Vec<String> {
    let inputs = [
        "-o",
        "m/m.o",
        "--objs",
        "m/main.o",
        "m/one.o",
        "m/sub/two.o",
    ];
    let drops = way.ends_with("drop");
    if way.starts_with("dist") {
        let mut thin = vec!["thin-link"];
        if drops {
            thin.extend(["--internalize", "--module"]);
        }
        link(dir, &[&thin[..], &inputs].concat());
        for object in &inputs[3..] {
            generate(dir, target, object);
        }
        link(dir, &[&["module", "--distributed"][..], &inputs].concat());
    } else {
        let drop: &[&str] = if drops { &["--internalize"] } else { &[] };
        link(dir, &[&["module"][..], drop, &inputs].concat());
    }
    let files = Files::new();
    let elf = files.elf(&dir.join("m/m.o")).unwrap();
    let names = elf.symbols().iter().map(|symbol| symbol.name.to_owned());
    names.collect()
}

#[test]
fn links_in_two_places_are_the_same() {
    for target in KERNEL_TARGETS {
        for way in WAYS {
            let dirs = [TestDir::new(), TestDir::new()];
            let [one, other] = dirs.each_ref().map(|dir| {
                objects(dir, target, &[]);
                let names = linked(dir, target, way);
                (names, dir.read("m/m.o"))
            });
            let n_helpers = one.0.iter().filter(|name| *name == "helper").count();
            assert_eq!(n_helpers, 2, "{target} {way}: {:?}", one.0);
            assert_eq!(one.0, other.0, "{target} {way}");
            assert!(one.1 == other.1, "{target} {way}: the bytes differ");
            let mut windows = one.1.windows(6);
            let is_renamed = windows.any(|window| window == b".llvm.");
            assert!(!is_renamed, "{target} {way}: a name of LTO is left");
        }
    }
}

/// Debug information contains the directory of the build.
#[test]
fn debug_information_alone_differs_between_two_places() {
    for target in KERNEL_TARGETS {
        for way in WAYS {
            let [one, other] = [TestDir::new(), TestDir::new()].map(|dir| {
                objects(&dir, target, &["-g"]);
                linked(&dir, target, way);
                let all = dir.read("m/m.o");
                dir.run("llvm-objcopy", &["--strip-debug", "m/m.o", "stripped.o"]);
                (all, dir.read("stripped.o"))
            });
            assert!(one.0 != other.0, "{target} {way}: no debug information");
            assert!(one.1 == other.1, "{target} {way}: the bytes differ");
        }
    }
}

/// The object is a valid input of other programs: the linker, nm, and readers that check every string.
#[test]
fn others_read_the_new_tables() {
    for target in KERNEL_TARGETS {
        let dir = TestDir::new();
        objects(&dir, target, &["-g"]);
        let names = linked(&dir, target, "thin");
        let bytes = dir.read("m/m.o");
        let elf = goblin::elf::Elf::parse(&bytes).unwrap();
        let symbols = elf.syms.iter().skip(1);
        let read: Vec<_> = symbols
            .map(|symbol| elf.strtab.get_at(symbol.st_name).unwrap().to_owned())
            .collect();
        assert_eq!(read, names);
        let mut sections = elf.section_headers.iter();
        let is_helper = |name: &str| name == ".text.helper";
        assert!(sections.any(|section| {
            elf.shdr_strtab
                .get_at(section.sh_name)
                .is_some_and(is_helper)
        }));
        let nm = dir.run("llvm-nm", &["-n", "m/m.o"]);
        assert!(nm.contains(" helper\n"), "{nm}");
        dir.run("ld.lld", &["-r", "m/m.o", "-o", "again.o"]);
        let verified = dir.run("llvm-dwarfdump", &["--verify", "m/m.o"]);
        assert!(verified.contains("No errors"), "{verified}");
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Generates code of single objects with the installed Makefile, under a real make.

use std::path::Path;
use std::process::Command;

use test_support::TestDir;

use crate::support::{ld_lld, link, run, without_make};

const MAKEFILE: &str = include_str!("../../../../kconfig/lto-link/Makefile.codegen");

/// The parts of kbuild that the Makefile needs: a command runs, and is saved if it succeeds.
const KBUILD: &str = "pound := \\#
.DELETE_ON_ERROR:
escaped = $(subst ','\\'',$(subst $(pound),$$(pound),$(subst $$,$$$$,$(cmd_$(1)))))
if_changed = $(if $(filter-out FORCE,$?)$(filter-out $(subst $() ,_,$(cmd_$@)),$(subst $() ,_,$(cmd_$(1)))),\\
	@set -e; $(cmd_$(1)); printf '%s\\n' 'cmd_$@ := $(escaped)' > $(dir $@).$(notdir $@).cmd,@:)
";

const FLAGS: &str = "--target=aarch64-linux-gnu -O2 -flto=thin -fvisibility=hidden";

/// Makes a directory with the Makefile.
pub fn kbuild() -> TestDir {
    let dir = TestDir::new();
    dir.write("scripts/Kbuild.include", KBUILD);
    dir.write("scripts/lto/Makefile.codegen", MAKEFILE);
    dir
}

/// Compiles `source` with shell text `flags`, and saves the command as kbuild does.
pub fn compile(dir: &TestDir, name: &str, flags: &str, source: &str) {
    let file = format!("{name}.c");
    dir.write(&file, source);
    let command = format!("{} {FLAGS} {flags} -c -o {name}.o {file}", clang());
    let mut shell = Command::new("sh");
    test_support::stdout(shell.current_dir(dir.path()).args(["-c", &command]));
    let saved = command.replace('$', "$$").replace('#', "$(pound)");
    dir.write(
        format!(".{name}.o.cmd"),
        format!("cmd_{name}.o := {saved}\n"),
    );
}

/// Returns the path of clang.
pub fn clang() -> String {
    test_support::llvm_tool("clang").display().to_string()
}

/// Generates code for the link of `all.o` with make; returns exit code and standard error.
pub fn make(dir: &TestDir) -> (Option<i32>, String) {
    make_by(dir, &clang())
}

/// Generates code with the compiler `cc`.
fn make_by(dir: &TestDir, cc: &str) -> (Option<i32>, String) {
    make_with(dir, cc, &[])
}

/// Generates code with the compiler `cc`, and with more arguments of make.
pub fn make_with(dir: &TestDir, cc: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut make = Command::new("make");
    without_make(&mut make);
    make.current_dir(dir.path()).args([
        "-f",
        "scripts/lto/Makefile.codegen",
        "lto-output=all.o",
        "srctree=.",
        "objtree=.",
    ]);
    let tools = Path::new(env!("CARGO_BIN_EXE_lto-link")).parent();
    let tools = tools.expect("the folder of the tool").display();
    make.args([format!("CC={cc}"), format!("LTO_TOOLS={tools}")]);
    make.args(arguments);
    let (code, _, stderr) = test_support::texts(test_support::output(&mut make));
    (code, stderr)
}

/// Options of each kind whose argument is a separate word: of the preprocessor, of a part of clang,
/// with files. A compilation to bitcode accepts each of them.
const WITH_WORD: [&str; 25] = [
    "-imacros macros.h",
    "-include macros.h",
    "-isystem folder",
    "-iquote folder",
    "-idirafter folder",
    "-iprefix folder/",
    "-iwithprefix folder",
    "-iwithprefixbefore folder",
    "-I folder",
    "-D NAME=1",
    r#"-D "TEXT=\"a b\"""#,
    "-U NAME",
    "-x c",
    "-target aarch64-linux-gnu",
    "-mllvm -inline-threshold=5",
    "-Xclang -Ifolder",
    "-Xpreprocessor -DNAME",
    "-Xassembler --noexecstack",
    "-Xlinker -Dx",
    "--param ssp-buffer-size=4",
    "-resource-dir folder",
    "-isysroot folder",
    "--sysroot folder",
    "-MD -MF x.d -MT x.o -MQ y.o",
    "-Wp,-MMD,y.d",
];

/// The flags before and after the option decide the name of the function's section, which only code
/// generation uses.
#[test]
fn flags_with_a_word_of_their_own_reach_code_generation_whole() {
    let dir = kbuild();
    dir.write("folder/empty.h", "");
    dir.write("macros.h", "#define FROM_MACROS 1\n");
    let mut objects = Vec::new();
    for (number, option) in WITH_WORD.iter().enumerate() {
        let name = format!("object{number}");
        let flags = format!("-fdata-sections {option} -ffunction-sections {option}");
        let source = format!("int data{number} = 1; int code{number}(void) {{ return 1; }}");
        compile(&dir, &name, &flags, &source);
        objects.push(format!("{name}.o"));
    }
    let mut arguments = vec!["thin-link", "-o", "all.o", "--objs"];
    arguments.extend(objects.iter().map(String::as_str));
    link(&dir, &arguments);
    let (code, stderr) = make(&dir);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stderr, "");
    for (number, option) in WITH_WORD.iter().enumerate() {
        let native = format!("object{number}.native.o");
        let sections = dir.run("llvm-readelf", &["-S", "-W", &native]);
        for section in [".data.data", ".text.code"] {
            let section = format!("{section}{number} ");
            assert!(sections.contains(&section), "{option}: {sections}");
        }
    }
    // The compilation has read the headers, and has written the dependencies.
    let y = dir.join("y.d");
    std::fs::remove_file(&y).expect("the compilation wrote it");
    std::fs::remove_file(dir.join("object24.native.o")).expect("generated");
    assert_eq!(make(&dir).0, Some(0));
    assert!(!y.exists());
}

/// Makes a kernel with two objects, one of which imports a function from the other.
fn two(flags: [&str; 2]) -> TestDir {
    let dir = kbuild();
    let source = "int small(int); int user(int x) { return small(x) + 1; }";
    compile(&dir, "user", flags[0], source);
    compile(
        &dir,
        "small",
        flags[1],
        "int small(int x) { return x * 3; }",
    );
    link(
        &dir,
        &["thin-link", "-o", "all.o", "--objs", "user.o", "small.o"],
    );
    assert_eq!(dir.read_text("user.o.imports"), "small.o\n");
    dir
}

/// clang reports this, exits with 0, and leaves an empty file.
#[test]
fn code_that_cannot_be_generated_is_told_each_time() {
    let conflict = two([
        "-mstack-protector-guard=sysreg -mstack-protector-guard-reg=sp_el0 \
                         -mstack-protector-guard-offset=0",
        "-mstack-protector-guard=global",
    ]);
    let missing = two(["", ""]);
    std::fs::remove_file(missing.join("small.o")).expect("compiled");
    for (dir, words) in [
        (
            conflict,
            [
                "small.o and user.o were compiled with flags that contradict each other (stack-protector-guard)",
                "(CFLAGS_small.o += -fno-lto)",
            ],
        ),
        (
            missing,
            [
                "small.o, from which code is imported, is missing or cannot be read",
                "remove the objects whose .imports name it",
            ],
        ),
    ] {
        let (first, told) = make(&dir);
        assert_eq!(first, Some(2), "{told}");
        for word in [&words[..], &["user.o", "small.o"]].concat() {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert!(!dir.join("user.native.o").exists());
        assert!(!dir.join(".user.native.o.cmd").exists());
        let (again, told_again) = make(&dir);
        assert_eq!((again, told_again), (first, told));
    }
}

/// clang's own message comes first and is unchanged; it does not name the object.
#[test]
fn messages_of_code_generation_are_explained() {
    let dir = kbuild();
    let source = "asm(\".text\\nfar: tbz x0, #0, 1f\\n.space 65536\\n1: ret\\n\"); int f(void) { return 1; }";
    compile(&dir, "far", "", source);
    link(&dir, &["thin-link", "-o", "all.o", "--objs", "far.o"]);
    let (code, stderr) = make(&dir);
    assert_eq!(code, Some(2));
    let told = "error: fixup value out of range\n";
    let failed = "*** far.o: clang generated no code (exit code 1), see its message above.\n";
    let explained = "the assembly of far.o has `far: tbz x0, #0, 1f`, which does not reach its target; use an \
                     instruction that reaches farther, or keep it out of LTO (CFLAGS_far.o += -fno-lto)\n";
    let places = [told, failed, explained].map(|text| stderr.find(text).expect(&stderr));
    assert!(places.is_sorted(), "{stderr}");

    dir.write("killed", "kill -9 $$\n");
    let (code, stderr) = make_by(&dir, "sh killed");
    assert_eq!(code, Some(2));
    let explained = "*** far.o: clang generated no code (exit code 137), see its message above.\n\
                     the program was killed, usually by Linux because memory ran out (dmesg says so); run make \
                     with a smaller -j\n";
    assert!(stderr.contains(explained), "{stderr}");
}

#[test]
fn warnings_of_code_generation_are_shown() {
    let dir = kbuild();
    let source = "void use(char *); void user(void) { char large[999]; use(large); }";
    compile(&dir, "user", "-Wframe-larger-than=9", source);
    link(&dir, &["thin-link", "-o", "all.o", "--objs", "user.o"]);
    let (code, stderr) = make(&dir);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("stack frame size"), "{stderr}");
}

/// With full LTO, the linker names only one of the objects.
#[test]
fn objects_that_cannot_be_merged_are_both_named_by_a_link() {
    let flags = [
        "-mstack-protector-guard=sysreg -mstack-protector-guard-reg=sp_el0 \
         -mstack-protector-guard-offset=0",
        "-mstack-protector-guard=global",
    ];
    for lto in ["-flto=thin", "-flto=full"] {
        let dir = kbuild();
        dir.write("names", "first user\n");
        compile(&dir, "first", lto, "int first(void) { return 1; }");
        let source = "int small(int); int user(int x) { return small(x) + 1; }";
        compile(&dir, "user", &format!("{lto} {}", flags[0]), source);
        let source = "int small(int x) { return x * 3; }";
        compile(&dir, "small", &format!("{lto} {}", flags[1]), source);
        for how in [&[][..], &["--internalize", "--named-in", "names"]] {
            let mut arguments = vec!["module", "-o", "all.o"];
            arguments.extend(how);
            let linker = ld_lld();
            arguments.extend(["--objs", "first.o", "user.o", "small.o", "--", &linker]);
            let (code, _, stderr) = run(&dir, &arguments);
            assert_eq!(code, Some(1), "{lto} {how:?}: {stderr}");
            let advice = stderr.lines().last().expect("a line");
            for word in ["user.o", "small.o", "stack-protector-guard", "-fno-lto"] {
                assert!(advice.contains(word), "{lto} {how:?} {word}: {stderr}");
            }
        }
    }
}

#[test]
fn assembly_that_takes_in_files_is_told() {
    let dir = kbuild();
    dir.write("blob", "x\n");
    dir.write("macros.s", "");
    for (name, source, expected) in [
        (
            "module",
            "asm(\".data\\n.INCBIN \\\"blob\\\"\\n\");",
            ".incbin\n",
        ),
        (
            "function",
            "void f(void) { asm volatile(\".include \\\"macros.s\\\"\"); }",
            ".include\n",
        ),
        ("none", "int f(void) { asm(\"nop\"); return 1; }", ""),
    ] {
        compile(&dir, name, "", source);
        let object = format!("{name}.o");
        let (code, stdout, stderr) = run(&dir, &["included", &object]);
        assert_eq!((code, stdout.as_str()), (Some(0), expected), "{stderr}");
    }
}

/// The command that completes a thin link names every object, and Linux takes at most 128 KiB as one word of a
/// command.
#[test]
fn a_module_of_many_long_paths_is_completed() {
    const LIMIT: usize = 128 << 10;
    let dir = kbuild();
    compile(&dir, "user", "", "int init_module(void) { return 0; }");
    dir.write("folder/empty.h", "");
    dir.write("keep", "");
    let long = format!("{}keep", "folder/../".repeat(300));
    let mut arguments = vec!["thin-link", "-o", "all.o", "--internalize", "--module"];
    for _ in 0..=LIMIT / long.len() {
        arguments.extend(["--named-in", &long]);
    }
    arguments.extend(["--objs", "user.o"]);
    link(&dir, &arguments);
    assert_eq!(make(&dir), (Some(0), String::new()));
    // The list is written when the link is complete.
    assert!(dir.join("all.lto-dropped").exists());
}

/// make gives up when the completion of the link asks for code again and again.
#[test]
fn passes_of_code_generation_have_a_limit() {
    let dir = kbuild();
    compile(&dir, "user", "", "int init_module(void) { return 0; }");
    let arguments = ["thin-link", "-o", "all.o", "--internalize", "--module"];
    link(&dir, &[&arguments[..], &["--objs", "user.o"]].concat());
    let list = dir.read_text(".tmp_all.o.codegen.mk");
    let limit = list
        .lines()
        .find_map(|line| line.strip_prefix("lto-pass-limit := "))
        .expect("a limit");
    assert_eq!(limit, "7");
    let endless = "echo x >> passes; echo again";
    dir.write(
        ".tmp_all.o.codegen.mk",
        format!("{list}lto-complete := sh -c '{endless}'\n"),
    );
    let (code, stderr) = make(&dir);
    assert_eq!(code, Some(2), "{stderr}");
    let message = "all.o: code still refers to dropped definitions after 7 passes; \
                   see ./.tmp_all.o.generated-roots\n";
    assert!(stderr.contains(message), "{stderr}");
    assert_eq!(dir.read_text("passes").lines().count(), 7);
}

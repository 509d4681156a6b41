// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `.mod` files over modules that clang and ld.lld make in the test.

use std::process::Command;

use test_support::{ARM64, TestDir};

/// One part of a module: a copy that becomes a call of memcpy only in code generation, a symbol
/// that only inline assembly mentions, one that each part needs, and a weak reference.
fn part(number: usize) -> String {
    format!(
        r#"
struct big {{ char bytes[4096]; }};
extern int shared_import(void);
extern __attribute__((weak)) int weak_import(void);
void part_{number}(struct big *to, struct big *from)
{{
    *to = *from;
    asm volatile("bl only_in_asm_{number}");
    shared_import();
    if (weak_import)
        weak_import();
}}
"#
    )
}

/// Makes a module of two parts: `a.o` and `b.o`, bitcode, joined to the native `module.o`.
fn module() -> TestDir {
    let dir = TestDir::new();
    for (number, name) in ["b.o", "a.o"].iter().enumerate() {
        dir.c(name, &part(number), &[ARM64, "-O2", "-flto=thin"]);
    }
    let arguments = ["-r", "-m", "aarch64elf", "-o", "module.o", "b.o", "a.o"];
    dir.run("ld.lld", &arguments);
    dir
}

/// Runs the tool; returns exit code, standard output and standard error.
fn run(dir: &TestDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    dir.run_tool(env!("CARGO_BIN_EXE_mod-dedup"), arguments)
}

fn success() -> (Option<i32>, String, String) {
    (Some(0), String::new(), String::new())
}

fn fault(lines: &[&str]) -> (Option<i32>, String, String) {
    let line = |line: &&str| format!("mod-dedup: error: {line}\n");
    (Some(1), String::new(), lines.iter().map(line).collect())
}

#[test]
fn the_file_lists_parts_as_given_and_every_needed_symbol_once() {
    let dir = module();
    let arguments = [
        "-o",
        "m.mod",
        "--undefined",
        "module.o",
        "--",
        "fs/m/b.o",
        "fs/m/a.o",
    ];
    assert_eq!(run(&dir, &arguments), success());
    assert_eq!(
        dir.read_text("m.mod"),
        "fs/m/b.o fs/m/a.o\nmemcpy only_in_asm_0 only_in_asm_1 shared_import\n"
    );
    assert_eq!(
        run(&dir, &["check", "m.mod", "--object", "module.o"]),
        success()
    );
}

#[test]
fn without_an_object_the_second_line_is_empty() {
    let dir = TestDir::new();
    assert_eq!(run(&dir, &["-o", "m.mod", "--", "b.o"]), success());
    assert_eq!(dir.read_text("m.mod"), "b.o\n\n");
    assert_eq!(run(&dir, &["check", "m.mod"]), success());
}

#[test]
fn a_part_that_two_lists_have_is_named_once() {
    let dir = TestDir::new();
    let arguments = ["-o", "m.mod", "--", "b.o", "a.o", "b.o"];
    assert_eq!(run(&dir, &arguments), success());
    assert_eq!(dir.read_text("m.mod"), "b.o a.o\n\n");
    // Output of the kernel's own rule is no fault: make links b.o once.
    dir.write("n.mod", "b.o a.o b.o\n\n");
    assert_eq!(run(&dir, &["check", "n.mod"]), success());
}

#[test]
fn the_file_is_what_the_commands_of_linux_5_10_write() {
    let dir = module();
    run(
        &dir,
        &["-o", "m.mod", "--undefined", "module.o", "--", "b.o", "a.o"],
    );
    // `undefined_syms` and `cmd_mod` in scripts/Makefile.build, with the parts filled in.
    let script = r#"{ echo b.o a.o; "$NM" module.o |
        awk '$1 == "U" { printf("%s%s", x++ ? " " : "", $2) }'; echo; }"#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(dir.path());
    command.env("NM", test_support::llvm_tool("llvm-nm"));
    assert_eq!(dir.read_text("m.mod"), test_support::stdout(&mut command));
}

#[test]
fn parts_can_come_from_a_file() {
    let dir = TestDir::new();
    let parts: Vec<_> = (0..5000)
        .map(|number| format!("drivers/m/part_{number}.o"))
        .collect();
    dir.write("parts", parts.join("\n"));
    assert_eq!(run(&dir, &["-o", "m.mod", "--", "@parts"]), success());
    assert_eq!(dir.read_text("m.mod"), parts.join(" ") + "\n\n");
}

#[test]
fn bitcode_is_refused_with_what_to_do() {
    let dir = module();
    let (code, _, message) = run(&dir, &["-o", "m.mod", "--undefined", "a.o", "--", "a.o"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        message,
        "mod-dedup: error: a.o: is LLVM bitcode, which does not show every symbol that its code \
         will need; link it to native code first (ld.lld -r, or lto-link module) and pass the result\n"
    );
    assert!(!dir.join("m.mod").exists());
    dir.write("m.mod", "a.o\n\n");
    assert_eq!(run(&dir, &["check", "m.mod", "--object", "a.o"]).0, Some(1));
}

#[test]
fn an_object_without_symbol_table_is_refused() {
    let dir = module();
    dir.run("llvm-objcopy", &["--strip-all", "module.o", "stripped.o"]);
    assert_eq!(
        run(
            &dir,
            &["-o", "m.mod", "--undefined", "stripped.o", "--", "a.o"]
        ),
        fault(&[
            "stripped.o: has no symbol table, so what it needs is unknown; \
                 give it unstripped"
        ])
    );
}

#[test]
fn names_with_white_space_are_refused() {
    let dir = TestDir::new();
    for name in ["a b.o", "a\tb.o", ""] {
        assert_eq!(
            run(&dir, &["-o", "m.mod", "--", name]),
            fault(&[&format!(
                "{name:?} is not a valid name in a .mod file: it is empty, or contains white space or control characters"
            )])
        );
    }
}

#[test]
fn check_names_every_fault_of_a_file() {
    let dir = module();
    let check = |text: &str| {
        dir.write("m.mod", text);
        run(&dir, &["check", "m.mod", "--object", "module.o"])
    };
    assert_eq!(
        check("a.o\nmemcpy only_in_asm_0 memcpy stale only_in_asm_1 memcpy\n"),
        fault(&[
            "m.mod: names memcpy 3 times",
            "m.mod: lacks shared_import, which module.o needs; \
             the trimmed kernel would not export it",
            "m.mod: names stale, which module.o does not need; is it older than the object?",
        ])
    );
    // A pipe through `sort -u` alone gives this; gen_autoksyms.sh reads only line 2.
    assert_eq!(
        check("a.o\nmemcpy only_in_asm_0 only_in_asm_1\nshared_import\n"),
        fault(&[
            "m.mod: has 3 complete lines instead of 2, so that part of it is not read",
            "m.mod: lacks shared_import, which module.o needs; \
             the trimmed kernel would not export it",
        ])
    );
    let whole = "memcpy only_in_asm_0 only_in_asm_1 shared_import";
    assert_eq!(
        check(&format!("a.o\n{whole}")),
        fault(&["m.mod: has 1 complete lines instead of 2, so that part of it is not read"])
    );
    assert_eq!(
        check(&format!(" \n{whole}\n")),
        fault(&["m.mod: names no object"])
    );
}

/// A character that does not end a name for the kernel's scripts becomes a part of it.
#[test]
fn characters_that_no_name_has_are_refused_by_line() {
    let dir = module();
    let whole = "memcpy only_in_asm_0 only_in_asm_1 shared_import";
    for (text, line, character) in [
        (format!("a.o\r\n{whole}\n"), 1, "'\\r'"),
        (format!("a.o\n{whole}\r\n"), 2, "'\\r'"),
        (format!("a.o b\0.o\n{whole}\n"), 1, "'\\0'"),
        (format!("a.o\n{whole}\0\n"), 2, "'\\0'"),
        (format!("a.o\tb.o\n{whole}\n"), 1, "'\\t'"),
        (format!("a.o\u{a0}b.o\n{whole}\n"), 1, "'\\u{a0}'"),
    ] {
        dir.write("m.mod", &text);
        let expected = format!(
            "m.mod: line {line}: holds the character {character}, which would be read as part of a \
             name; remove the file and run make again"
        );
        let found = run(&dir, &["check", "m.mod", "--object", "module.o"]);
        assert_eq!(found, fault(&[&expected]), "{text:?}");
    }
    dir.write("m.mod", "fs/a.o\r\nfs/b.o\r\n");
    let message = "holds the character '\\r', which would be read as part of a name; remove the file \
                   and run make again";
    let lines = [1, 2].map(|line| format!("m.mod: line {line}: {message}"));
    assert_eq!(
        run(&dir, &["check", "m.mod", "--line-per-part"]),
        fault(&lines.each_ref().map(String::as_str))
    );
}

#[test]
fn forms_of_other_kernels_are_refused_by_line() {
    let dir = TestDir::new();
    let check = |text: &str, options: &[&str]| {
        dir.write("m.mod", text);
        run(&dir, &[&["check", "m.mod"], options].concat())
    };
    // Two objects, a line each: Linux 5.19.
    assert_eq!(
        check("fs/a.o\nfs/b.o\n", &[]),
        fault(&[
            "m.mod: line 2: fs/b.o is an object, and this line is for symbols; a line per object is the \
             form of Linux 5.19 and later, checked with --line-per-part"
        ])
    );
    // Module, then its objects: .tmp_versions before Linux 5.4.
    assert_eq!(
        check("fs/m.ko\nfs/a.o\n", &[]),
        fault(&[
            "m.mod: line 1: fs/m.ko is not an object (*.o); remove the file and run make again",
            "m.mod: line 2: fs/a.o is an object, and this line is for symbols; a line per object is the \
             form of Linux 5.19 and later, checked with --line-per-part",
        ])
    );
    // Objects in the first line, symbols in the second: before Linux 5.19.
    let line_per_part = ["--line-per-part"];
    assert_eq!(
        check("fs/a.o fs/b.o\n\n", &line_per_part),
        fault(&[
            "m.mod: line 1: has 2 names instead of one; two lines, of objects and of symbols, are the \
             form before Linux 5.19, checked without --line-per-part",
            "m.mod: line 2: has 0 names instead of one; two lines, of objects and of symbols, are the \
             form before Linux 5.19, checked without --line-per-part",
        ])
    );
    assert_eq!(
        check("fs/a.o\nkfree\n", &line_per_part),
        fault(&["m.mod: line 2: kfree is not an object (*.o); remove the file and run make again"])
    );
    assert_eq!(
        check("fs/a.o\nfs/b.o", &line_per_part),
        fault(&["m.mod: line 2: does not end; remove the file and run make again"])
    );
}

#[test]
fn what_cannot_be_read_or_written_ends_with_2() {
    let dir = module();
    for arguments in [
        &["-o", "m.mod", "--undefined", "missing.o", "--", "a.o"][..],
        &["-o", "missing/m.mod", "--", "a.o"],
        &["check", "missing.mod"],
        &["-o", "m.mod"],
        &["--", "a.o"],
        &["-o", "m.mod", "a.o"],
    ] {
        let (code, _, message) = run(&dir, arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(!message.is_empty());
    }
}

/// `.mod` files of Linux 5.19 and later, and their `.usyms`.
mod line_per_part {
    use mod_dedup::{Fault, check_parts, check_symbols, has_line_per_part, parts};
    use tool_io::Files;

    use super::module;

    #[test]
    fn the_form_is_told_by_the_lines() {
        for text in ["a.o\n", "fs/a.o\nfs/b.o\n"] {
            assert!(has_line_per_part(text), "{text}");
        }
        for text in ["", "\n", "a.o\n\n", "a.o b.o\n\n", "a.o\nkfree\n"] {
            assert!(!has_line_per_part(text), "{text}");
        }
        let names = ["fs/a.o", "fs/b.o"];
        assert_eq!(parts("fs/a.o fs/b.o\nkfree memcpy\n"), names);
        assert_eq!(parts("fs/a.o fs/b.o fs/a.o\n\n"), names);
        assert_eq!(parts("fs/a.o\nfs/b.o\n"), names);
    }

    #[test]
    fn a_part_that_is_there_twice_is_a_fault() {
        assert_eq!(check_parts("a.o\nb.o\n"), []);
        let repeated = Fault::RepeatedPart {
            object: "a.o".into(),
            times: 2,
        };
        assert_eq!(check_parts("a.o\nb.o\na.o\n"), [repeated]);
        assert_eq!(check_parts(""), [Fault::NoParts]);
    }

    #[test]
    fn used_symbols_are_those_of_the_object() {
        let dir = module();
        let files = Files::new();
        let object = files.object(&dir.join("module.o")).unwrap();
        let undefined = dir.run("llvm-nm", &["-u", "--just-symbol-name", "module.o"]);
        let check = |text: &str| check_symbols(text, &object).unwrap();
        let strong: String = undefined
            .lines()
            .filter(|name| *name != "weak_import")
            .flat_map(|name| [name, "\n"])
            .collect();
        assert!(strong.contains("memcpy\n"), "{strong}");
        assert_eq!(check(&strong), []);
        let [Fault::Missing { symbol, .. }] = &check(&strong.replace("memcpy\n", ""))[..] else {
            panic!("memcpy is not missed");
        };
        assert_eq!(symbol, "memcpy");
        let [Fault::Surplus { symbol, .. }] = &check(&(strong.clone() + "kfree\n"))[..] else {
            panic!("kfree is not seen");
        };
        assert_eq!(symbol, "kfree");
        let [Fault::Repeated { times: 2, .. }] = &check(&(strong.clone() + "memcpy\n"))[..] else {
            panic!("memcpy is not seen twice");
        };
        let messages = |text: &str| check(text).iter().map(Fault::to_string).collect::<Vec<_>>();
        let joined = strong.replacen('\n', " ", 1);
        assert!(messages(&joined)[0].starts_with("line 1: has 2 names instead of one"));
        let windows = strong.replacen('\n', "\r\n", 1);
        assert!(messages(&windows)[0].starts_with("line 1: holds the character '\\r'"));
        let object = format!("{strong}fs/a.o\n");
        let n_lines = object.lines().count();
        assert!(messages(&object)[0].starts_with(&format!("line {n_lines}: fs/a.o is an object")));
        assert_eq!(
            messages(strong.trim_end())[0],
            format!(
                "line {}: does not end; remove the file and run make again",
                n_lines - 1
            )
        );
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Every fault and every refusal, by its message.

use std::fs::File;
use std::process::Command;

use mcount_loc::{Error, plan, rewrite};
use object_model::Elf;
use test_support::TestDir;

use crate::support::{X86, entry_calls, fault, object, records, run, success};

const FLAGS: &[&str] = &["--target=x86_64-linux-gnu"];

/// Code with two entry calls in `.text` and one in `.exit.text`; the table follows.
const CODE: &str = "f: call __fentry__\n ret\n g: call __fentry__\n ret\n\
                    .section .exit.text,\"ax\",@progbits\n e: call __fentry__\n ret\n\
                    .section __mcount_loc,\"a\",@progbits\n";

/// Checks an object with this table, without and with `--check`, which must find the same and
/// leave it alone.
fn faults_of(table: &str) -> (Option<i32>, String) {
    let dir = TestDir::new();
    dir.asm("a.o", &[CODE, table].concat(), FLAGS);
    let bytes = dir.read("a.o");
    let found = run(&dir, &["--check", "a.o"]);
    assert_eq!(run(&dir, &["a.o"]), found);
    assert_eq!(dir.read("a.o"), bytes);
    found
}

#[test]
fn a_right_table_has_no_fault() {
    assert_eq!(faults_of(".quad f, g\n"), success());
    assert_eq!(faults_of(".quad g, f\n"), success());
}

#[test]
fn no_table_is_a_fault() {
    let dir = TestDir::new();
    object(&dir, "a.o", X86, &[], &[]);
    assert_eq!(
        run(&dir, &["--check", "a.o"]),
        fault(&["a.o: has no __mcount_loc for its 4 entry calls; run mcount-loc on it"])
    );
}

#[test]
fn a_call_without_record_is_a_fault() {
    assert_eq!(
        faults_of(".quad f\n"),
        fault(&[
            "a.o: the entry call of g at .text+0x6 is not in __mcount_loc; \
             link it again from objects without that section"
        ])
    );
    assert_eq!(faults_of("").1.lines().count(), 2);
}

#[test]
fn an_object_joined_of_parts_with_and_without_table_is_a_fault() {
    let dir = TestDir::new();
    dir.asm("a.o", "f: call __fentry__\n ret\n", FLAGS);
    dir.asm("b.o", ".globl g\n g: call __fentry__\n ret\n", FLAGS);
    run(&dir, &["a.o"]);
    dir.run("ld.lld", &["-r", "-o", "r.o", "a.o", "b.o"]);
    let (code, message) = run(&dir, &["r.o"]);
    assert_eq!(code, Some(1));
    assert!(
        message.contains("r.o: the entry call of g at .text+0x"),
        "{message}"
    );
}

#[test]
fn a_record_of_no_call_is_a_fault() {
    assert_eq!(
        faults_of(".quad f, g, g+1\n"),
        fault(&["a.o: __mcount_loc+0x10 refers to .text+0x7, expected an entry call there"])
    );
}

#[test]
fn a_second_record_of_a_call_is_a_fault() {
    assert_eq!(
        faults_of(".quad f, g, f\n"),
        fault(&["a.o: __mcount_loc+0x10 refers to .text+0x0, like an earlier entry"])
    );
}

#[test]
fn a_record_of_a_call_that_ftrace_must_not_patch_is_a_fault() {
    assert_eq!(
        faults_of(".quad f, e, g\n"),
        fault(&["a.o: __mcount_loc+0x8 refers to .exit.text+0x0, \
             and ftrace must not patch code of this section"])
    );
}

#[test]
fn what_is_no_record_is_a_fault() {
    let no_record = |table: &str, at: u64, reason: &str| {
        let line = format!("a.o: __mcount_loc+{at:#x} is no address of code: {reason}");
        assert_eq!(faults_of(table), fault(&[&line]), "{table}");
    };
    no_record(".quad f, g, 0\n", 16, "it has no relocation");
    no_record(".quad f, g\n .long 0\n", 16, "it has no relocation");
    no_record(
        ".quad f, g\n .reloc ., R_X86_64_64, f\n .long 0\n",
        16,
        "the table ends within it",
    );
    no_record(
        ".quad f, g, other\n",
        16,
        "it refers to other, defined elsewhere",
    );
    no_record(
        ".quad f, g\n .reloc ., R_X86_64_64, 7\n .quad 0\n",
        16,
        "it refers to no symbol, defined elsewhere",
    );
    no_record(
        ".quad f, g\n .long f\n .long 0\n",
        16,
        "its relocation has type 10 and is at 0x10",
    );
    no_record(
        ".quad f, g\n .reloc .+4, R_X86_64_64, f\n .quad 0\n",
        16,
        "its relocation has type 1 and is at 0x14",
    );
    no_record(
        ".quad f, g\n .reloc 8, R_X86_64_64, f\n",
        8,
        "a relocation before it is at the same entry",
    );
    no_record(
        ".quad f, g\n .reloc 16, R_X86_64_64, f\n",
        16,
        "it is beyond the end of the table",
    );
}

#[test]
fn a_call_through_the_offset_table_is_a_fault() {
    let dir = TestDir::new();
    let source = "f: call __fentry__\n ret\n g: call *__fentry__@GOTPCREL(%rip)\n ret\n";
    dir.asm("a.o", source, FLAGS);
    let bytes = dir.read("a.o");
    let expected = "a.o: .text+0x6 calls __fentry__ through the global offset table, and ftrace \
                    can patch direct calls only; compile it with -fno-pic, or -mcmodel=kernel";
    assert_eq!(run(&dir, &["a.o"]), fault(&[expected]));
    let no_table = "a.o: has no __mcount_loc for its 1 entry calls; run mcount-loc on it";
    assert_eq!(run(&dir, &["--check", "a.o"]), fault(&[expected, no_table]));
    assert_eq!(dir.read("a.o"), bytes);
}

#[test]
fn a_section_with_weak_symbols_only_is_a_fault() {
    let dir = TestDir::new();
    let source = ".section .text.w,\"ax\",@progbits\n.weak w\n w: call __fentry__\n ret\n\
                  .weak v\n v: call __fentry__\n ret\n";
    dir.asm("a.o", source, FLAGS);
    assert_eq!(
        run(&dir, &["a.o"]),
        fault(&[
            "a.o: section .text.w has entry calls and no symbol but weak ones, which another \
             definition may replace, so no record can refer to it; link the object with \
             ld.lld -r first, which gives each section a symbol"
        ])
    );
}

#[test]
fn faults_of_all_objects_are_told_and_the_others_are_written() {
    let dir = TestDir::new();
    for name in ["a.o", "c.o"] {
        dir.asm(name, &[CODE, ".quad f\n"].concat(), FLAGS);
    }
    object(&dir, "b.o", X86, &[], &[]);
    let (code, message) = run(&dir, &["a.o", "b.o", "c.o"]);
    assert_eq!(code, Some(1));
    assert_eq!(message.lines().count(), 2);
    assert!(message.contains("error: a.o: ") && message.contains("error: c.o: "));
    assert_eq!(records(&dir.read("b.o"), X86).len(), 4);
}

#[test]
fn what_is_no_object_of_a_known_machine_ends_with_2() {
    let dir = TestDir::new();
    let refused = |name: &str, text: &str| {
        for arguments in [&[name][..], &["--check", name]] {
            let expected = (Some(2), format!("mcount-loc: error: {name}: {text}\n"));
            assert_eq!(run(&dir, arguments), expected);
        }
    };
    let machine = |machine, bits| {
        format!(
            "is for ELF machine {machine} of {bits} bits; entry calls are known of 64-bit x86 \
             (machine 62) and 64-bit Arm (machine 183)"
        )
    };
    for (name, target, text) in [
        ("i386.o", "i386-linux-gnu", machine(3, 32)),
        ("x32.o", "x86_64-linux-gnux32", machine(62, 32)),
        ("riscv.o", "riscv64-linux-gnu", machine(243, 64)),
    ] {
        let target = format!("--target={target}");
        dir.c(name, "int f(void) { return 1; }", &["-pg", &target]);
        refused(name, &text);
    }
    dir.asm("a.o", ".globl _start\n _start: ret\n", FLAGS);
    dir.run("ld.lld", &["-o", "linked", "a.o"]);
    assert_eq!(
        run(&dir, &["linked"]),
        (
            Some(2),
            "mcount-loc: error: linked: is linked; a table can be made of relocatable objects \
             only, such as vmlinux.o\n"
                .into()
        )
    );
    dir.c(
        "bitcode.o",
        "int f(void) { return 1; }",
        &[FLAGS[0], "-flto"],
    );
    refused("bitcode.o", "is LLVM bitcode where native code is expected");
    dir.write("text.o", "text");
    refused(
        "text.o",
        "is neither ELF, LLVM bitcode nor an archive (begins with 74 65 78 74)",
    );
    refused(
        "none.o",
        "cannot be opened: No such file or directory (os error 2)",
    );
}

#[test]
fn a_relocation_beyond_its_section_ends_with_2() {
    let dir = TestDir::new();
    let source = "f: call __fentry__\n ret\n .reloc 0x100, R_X86_64_PLT32, __fentry__-4\n";
    dir.asm("a.o", source, FLAGS);
    assert_eq!(
        run(&dir, &["a.o"]),
        (
            Some(2),
            "mcount-loc: error: a.o: is an ELF file with a relocation in .rela.text at 0x100, \
             beyond the end of .text\n"
                .into()
        )
    );
}

#[test]
fn wrong_arguments_end_with_2() {
    let dir = TestDir::new();
    assert_eq!(run(&dir, &[]).0, Some(2));
    assert_eq!(run(&dir, &["--unknown"]).0, Some(2));
}

/// No new file can be made beside what `/proc` shows, even by root.
#[test]
fn an_output_that_cannot_be_written_ends_with_2_and_leaves_the_object() {
    let dir = TestDir::new();
    object(&dir, "a.o", X86, &[], &[]);
    let bytes = dir.read("a.o");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcount-loc"));
    command.stdin(File::open(dir.join("a.o")).unwrap());
    // Only /proc leads to the file that is open now.
    std::fs::remove_file(dir.join("a.o")).unwrap();
    dir.write("a.o", &bytes);
    let output = test_support::output(command.arg("/proc/self/fd/0"));
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("/proc/self/fd/0 cannot be written: "));
    assert_eq!(dir.read("a.o"), bytes);
}

#[test]
fn bytes_that_the_plan_was_not_made_of_are_refused() {
    let dir = TestDir::new();
    object(&dir, "a.o", X86, &[".exit.text"], &[]);
    let bytes = dir.read("a.o");
    let records = plan(&Elf::parse(&bytes).unwrap()).unwrap().unwrap();
    assert_eq!((records.records().len(), records.n_nops()), (4, 1));
    assert!(rewrite(&bytes, &records).is_ok());
    for other in [&bytes[..100], &bytes[..bytes.len() - 1], b"", b"text"] {
        let error = rewrite(other, &records).unwrap_err();
        assert!(matches!(error, Error::Changed));
        assert_eq!(
            error.to_string(),
            "has other contents than when its entry calls were looked for; run it again"
        );
    }
}

/// A driver may have a function of this name where the compiler calls another one.
#[test]
fn a_function_named_mcount_is_an_ordinary_one_where_entries_call_fentry() {
    let dir = TestDir::new();
    let source = "__attribute__((noinline)) int mcount(int x) { asm volatile(\"\"); return x + 1; }\n\
                  int user(int x) { return mcount(x) + 2; }\n";
    let flags = [&["-O2"], X86.flags].concat();
    dir.c("a.o", source, &flags);
    assert_eq!(run(&dir, &["a.o"]), success());
    let calls = entry_calls(&dir, "a.o", "__fentry__");
    assert_eq!(calls.len(), 2);
    let places: Vec<_> = calls.into_iter().map(|(_, place)| place).collect();
    assert_eq!(records(&dir.read("a.o"), X86), places);
    assert_eq!(run(&dir, &["--check", "a.o"]), success());
}

#[test]
fn an_object_that_cannot_be_read_does_not_hide_the_faults_of_others() {
    let dir = TestDir::new();
    for name in ["a.o", "c.o"] {
        dir.asm(name, &[CODE, ".quad f\n"].concat(), FLAGS);
    }
    dir.write("text.o", "text");
    for check in [&["--check"][..], &[]] {
        let arguments = [check, &["none.o", "a.o", "text.o", "c.o"]].concat();
        let (code, message) = run(&dir, &arguments);
        assert_eq!(code, Some(2), "{message}");
        let files: Vec<_> = message
            .lines()
            .map(|line| line.split(": ").nth(2).unwrap())
            .collect();
        assert_eq!(files, ["a.o", "c.o", "none.o", "text.o"], "{message}");
    }
}

#[test]
fn the_file_keeps_its_mode_and_a_link_to_it_stays_a_link() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    for mode in [0o640, 0o666, 0o755] {
        let dir = TestDir::new();
        object(&dir, "d/a.o", X86, &[], &[]);
        set_permissions(dir.join("d/a.o"), Permissions::from_mode(mode)).unwrap();
        symlink("d/a.o", dir.join("link.o")).unwrap();
        assert_eq!(run(&dir, &["link.o"]), success());
        assert!(dir.join("link.o").symlink_metadata().unwrap().is_symlink());
        assert_eq!(records(&dir.read("d/a.o"), X86).len(), 4);
        let metadata = dir.join("d/a.o").metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode);
    }
}

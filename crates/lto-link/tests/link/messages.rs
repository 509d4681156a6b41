// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Messages of ld.lld on inputs that make it fail, and what lto-link adds to them.

use std::process::Command;

use test_support::{ARM64, TestDir};

use crate::support::{LTO, fake_linker, ld_lld, run};

/// Runs `lto-link module` on `objects` with `linker`, which must fail. Returns standard error before and
/// behind the line that says so.
fn failed_link(dir: &TestDir, how: &[&str], objects: &[&str], linker: &[&str]) -> [String; 2] {
    let mut arguments = vec!["module", "-o", "m.o"];
    arguments.extend(how);
    arguments.push("--objs");
    arguments.extend(objects);
    arguments.push("--");
    arguments.extend(linker);
    let (code, stdout, stderr) = run(dir, &arguments);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    let at = stderr.find("lto-link: error: ").expect("an error");
    let (said, ours) = stderr.split_at(at);
    let (_, explained) = ours.split_once('\n').expect("a line");
    [said.to_owned(), explained.to_owned()]
}

/// Links with ld.lld. What ld.lld says must be unchanged: with the same objects, it says the same alone.
fn explained(dir: &TestDir, objects: &[&str]) -> String {
    let linker = ld_lld();
    let [said, explained] = failed_link(dir, &[], objects, &[&linker]);
    let mut alone = Command::new(&linker);
    alone.args(["-r", "-o", "alone.o", "--threads=1"]);
    let alone = alone.args(objects).current_dir(dir.path());
    let (_, _, of_linker) = test_support::texts(test_support::output(alone));
    assert_eq!(said, of_linker);
    assert!(!said.is_empty());
    explained
}

/// Compiles `source` to an object.
pub fn compile(dir: &TestDir, name: &str, lto: &str, source: &str) {
    dir.c(name, source, &[ARM64, "-O2", lto]);
}

/// Bitcode in which the address of a label refers to another function, which has no body. In the bitstream,
/// the record is code 21, three numbers, the type, the function and the block, in groups of six bits.
///
/// No clang writes such a file. It has the message that ld.lld 14 gives for the source in
/// <https://github.com/llvm/llvm-project/issues/52787>, which LLVM from 15 on reads.
fn with_wrong_label(bitcode: &[u8]) -> Vec<u8> {
    const GROUP: usize = 6;
    let bit = |at: usize| bitcode[at / 8] >> (at % 8) & 1;
    let number = |at: usize| (0..GROUP).fold(0, |number, n| number | bit(at + n) << n);
    let mut records = (0..bitcode.len() * 8 - 5 * GROUP)
        .filter(|at| [0, 1, 3, 4].map(|group| number(at + group * GROUP)) == [21, 3, 0, 1]);
    let record = records.next().expect("a record");
    assert_eq!(records.next(), None);
    assert_eq!(number(record + 3 * GROUP), 0);
    let mut changed = bitcode.to_owned();
    let function = record + 3 * GROUP;
    changed[function / 8] |= 1 << (function % 8);
    changed
}

/// An object with that bitcode, and one without a fault before it.
fn wrong_label(lto: &str) -> TestDir {
    let dir = TestDir::new();
    compile(&dir, "good.o", lto, "int good(void) { return 1; }");
    let source = "void other(long); void user(void) { label: other((long)&&label); }";
    compile(&dir, "fs/wrong.o", lto, source);
    let wrong = with_wrong_label(&dir.read("fs/wrong.o"));
    dir.write("fs/wrong.o", wrong);
    dir
}

/// LLVM names no object.
#[test]
fn an_address_of_a_label_that_llvm_cannot_read_is_explained() {
    for lto in LTO {
        let dir = wrong_label(lto);
        let expected = "lto-link: error: fs/wrong.o has the address of a label in a function that it does not \
             contain: the file is damaged, or the clang that wrote it has a fault; remove it and run make \
             again, and if that does not help keep it out of LTO (CFLAGS_wrong.o += -fno-lto)\n";
        assert_eq!(
            explained(&dir, &["good.o", "fs/wrong.o"]),
            expected,
            "{lto}"
        );
        // A separate run generates code, and its messages are shown when it has ended.
        dir.write("names", "good user\n");
        let how = ["--internalize", "--named-in", "names"];
        let linker = ld_lld();
        let [_, said] = failed_link(&dir, &how, &["good.o", "fs/wrong.o"], &[&linker]);
        assert!(
            said.contains("Never resolved function from blockaddress"),
            "{lto}: {said}"
        );
        assert!(said.ends_with(expected), "{lto}: {said}");
    }
}

/// A source that LLVM before 15 cannot read once it is bitcode for full LTO:
/// <https://github.com/llvm/llvm-project/issues/52787>.
#[test]
fn each_installed_llvm_reads_addresses_of_labels_or_the_failure_is_explained() {
    let source = "void other(long); __attribute__((noinline)) static void pass(long x) { other(x + 1); } \
                  void user(void) { pass(({ label: (long)&&label; })); }";
    for (version, bin) in test_support::installed_llvms() {
        let dir = TestDir::new();
        dir.write("user.c", source);
        let mut clang = Command::new(bin.join("clang"));
        clang.args([ARM64, "-O2", "-flto=full", "-c", "user.c"]);
        test_support::stdout(clang.current_dir(dir.path()));
        let linker = bin.join("ld.lld").display().to_string();
        let arguments = ["module", "-o", "m.o", "--objs", "user.o", "--", &linker];
        let (code, _, stderr) = run(&dir, &arguments);
        if version >= 15 {
            assert_eq!((code, stderr.as_str()), (Some(0), ""), "LLVM {version}");
        } else {
            let last = format!(
                "lto-link: error: user.o passes the address of a label to another function (as with \
                 _THIS_IP_), which LLVM {version} cannot read; build with LLVM 15 or later, or keep it out \
                 of LTO (CFLAGS_user.o += -fno-lto)"
            );
            assert_eq!(stderr.lines().last(), Some(last.as_str()), "{stderr}");
            assert_eq!(code, Some(1));
        }
    }
}

/// An object whose relocation refers to a symbol behind the end of the symbol table.
fn with_wrong_symbol(dir: &TestDir, name: &str) {
    let source = "int other(void); int user(void) { return other() + 1; }";
    dir.c(name, source, &[ARM64, "-O2"]);
    let mut bytes = dir.read(name);
    let elf = crate::support::elf(&bytes);
    let (section, _) = elf.shdr_relocs.first().expect("a relocation");
    let offset = elf.section_headers[*section].sh_offset;
    // `Elf64_Rela` has the offset, then the type, then the symbol.
    let symbol = usize::try_from(offset).expect("a small file") + 12;
    bytes[symbol..symbol + 4].copy_from_slice(&0x6d6d_u32.to_le_bytes());
    dir.write(name, bytes);
}

#[test]
fn a_relocation_without_symbol_is_explained() {
    let dir = TestDir::new();
    with_wrong_symbol(&dir, "asm/wrong.o");
    compile(&dir, "good.o", "-flto=thin", "int good(void) { return 1; }");
    let behind = "has a relocation for a symbol that is not in its symbol table: a program that wrote it after \
                  the compiler (strip, objcopy, objtool, recordmcount) has a fault or was stopped; remove it \
                  and run make again, and if that does not help look for that program with make V=1\n";
    let expected = format!("lto-link: error: asm/wrong.o {behind}");
    assert_eq!(explained(&dir, &["good.o", "asm/wrong.o"]), expected);
}

/// The limit lets ld.lld start, and is too low for the code.
#[test]
fn a_link_that_gets_no_more_memory_is_explained() {
    for (lto, advice) in [
        (
            "-flto=full",
            "full LTO needs the memory for all objects at once, LTO_CLANG_THIN_DIST the least\n",
        ),
        (
            "-flto=thin",
            "run make with a smaller -j, or choose LTO_CLANG_THIN_DIST, which needs the least memory\n",
        ),
    ] {
        let dir = TestDir::new();
        let source = "asm(\".data\\n.space 1000000000, 1\\n\"); int large(void) { return 1; }";
        compile(&dir, "large.o", lto, source);
        fake_linker(&dir, "ulimit -v 450000 || exit");
        let [said, explained] = failed_link(&dir, &[], &["large.o"], &["sh", "fake-ld"]);
        assert!(said.starts_with("LLVM ERROR: out of memory\n"), "{said}");
        let words = "lto-link: error: the program got no more memory from the system when it had ";
        let (used, rest) = explained
            .strip_prefix(words)
            .expect(&explained)
            .split_once(" MiB; ")
            .expect(&explained);
        let used: u64 = used.parse().expect("a number");
        assert!((1..450).contains(&used), "{used}");
        assert_eq!(rest, advice);
    }
}

#[test]
fn a_killed_linker_is_explained() {
    let dir = TestDir::new();
    compile(&dir, "a.o", "-flto=full", "int a(void) { return 1; }");
    dir.write("names", "a\n");
    let of_shell = "sh -c 'kill -9 $$'\nexit";
    for (what, how) in [
        ("kill -9 $$", &[][..]),
        ("kill -9 $$", &["--internalize", "--named-in", "names"]),
        (of_shell, &[]),
    ] {
        fake_linker(&dir, what);
        let [_, explained] = failed_link(&dir, how, &["a.o"], &["sh", "fake-ld"]);
        let explained = explained.lines().last().expect(&explained);
        let words = "lto-link: error: the program was killed, usually by Linux because memory ran out (dmesg says \
                     so) when it had ";
        assert!(explained.starts_with(words), "{what}: {explained}");
        assert!(
            explained.ends_with("LTO_CLANG_THIN_DIST the least"),
            "{what}: {explained}"
        );
    }
    // Another signal is no sign of it.
    fake_linker(&dir, "kill -15 $$");
    let [_, explained] = failed_link(&dir, &[], &["a.o"], &["sh", "fake-ld"]);
    assert_eq!(explained, "");
}

/// The compiler does not see where the branch leads; the assembler does, when code is generated.
pub const FAR: &str =
    "asm(\".text\\nfar: tbz x0, #0, 1f\\n.space 65536\\n1: ret\\n\"); int f(void) { return 1; }";

#[test]
fn a_branch_in_assembly_that_does_not_reach_is_explained() {
    for lto in LTO {
        let dir = TestDir::new();
        compile(
            &dir,
            "good.o",
            lto,
            "int good(long x) { asm(\"nop\"); return x; }",
        );
        compile(&dir, "kernel/far.o", lto, FAR);
        assert_eq!(
            explained(&dir, &["good.o", "kernel/far.o"]),
            "lto-link: error: the assembly of kernel/far.o has `far: tbz x0, #0, 1f`, which does not reach its \
             target; use an instruction that reaches farther, or keep it out of LTO (CFLAGS_far.o += -fno-lto)\n",
            "{lto}"
        );
    }
}

#[test]
fn symbols_that_are_defined_twice_are_explained_once_for_each_relation() {
    for lto in LTO {
        let dir = TestDir::new();
        let function = |n| format!("int fn{n}(void) {{ return {n}; }}");
        let functions = (0..9).map(function).collect::<Vec<_>>().join(" ");
        compile(&dir, "net/qrtr.o", lto, &functions);
        let linker = ld_lld();
        dir.run("ld.lld", &["-r", "-o", "net/qrtr.lto.o", "net/qrtr.o"]);
        compile(&dir, "net/ns.o", lto, "int fn7(void) { return 1; }");
        for (objects, expected) in [
            (
                ["net/qrtr.o", "net/qrtr.o"],
                "net/qrtr.o is linked twice, and so defines fn0, fn1 and 7 more twice; name it once in the lists of \
                 its Makefile",
            ),
            (
                ["net/qrtr.o", "net/qrtr.lto.o"],
                "net/qrtr.o and net/qrtr.lto.o are the bitcode and the native code of one object, and both are \
                 linked (fn0, fn1 and 7 more); take one of them out of the link (make V=1 shows the command)",
            ),
            (
                ["net/qrtr.o", "net/ns.o"],
                "net/qrtr.o and net/ns.o both define fn7; rename one, or make it static or weak",
            ),
        ] {
            assert_eq!(
                explained(&dir, &objects),
                format!("lto-link: error: {expected}\n"),
                "{lto} {linker}"
            );
        }
    }
}

/// With debug information, the linker names the source first.
#[test]
fn native_objects_with_debug_information_are_named_too() {
    let dir = TestDir::new();
    let source = "int twice(void) { return 1; }";
    for name in ["a.o", "b.o"] {
        dir.c(name, source, &[ARM64, "-g"]);
    }
    assert_eq!(
        explained(&dir, &["a.o", "b.o"]),
        "lto-link: error: a.o and b.o both define twice; rename one, or make it static or weak\n"
    );
}

/// Full LTO joins all assembly, so labels of two files meet.
#[test]
fn labels_that_meet_in_full_lto_are_explained() {
    let of_module = "asm(\"lab: nop\\n\"); int f%(void) { return 1; }";
    let of_function = "int f%(void) { asm volatile(\"lab: nop\"); return 1; }";
    for source in [of_module, of_function] {
        let dir = TestDir::new();
        for name in ["a", "b"] {
            compile(
                &dir,
                &format!("{name}.o"),
                "-flto=full",
                &source.replace('%', name),
            );
        }
        compile(&dir, "c.o", "-flto=full", "void c(void) { asm(\"nop\"); }");
        assert_eq!(
            explained(&dir, &["a.o", "b.o", "c.o"]),
            "lto-link: error: the assembly of a.o, b.o defines lab more than once in one unit of code generation, \
             because full LTO joins the assembly of all objects, or because a function was inlined; use a \
             local label (`1:`, or `%=` in its name), or keep all but one out of LTO (CFLAGS_foo.o += \
             -fno-lto)\n"
        );
    }
}

#[test]
fn big_endian_objects_are_refused_or_explained() {
    let flags = ["--target=aarch64_be-linux-gnu", "-O2"];
    let words = "big.o is for arm64, big-endian, and small.o";
    for lto in LTO {
        for form in [&[][..], &[lto]] {
            let dir = TestDir::new();
            compile(&dir, "small.o", lto, "int small(void) { return 1; }");
            dir.c(
                "big.o",
                "int big(void) { return 1; }",
                &[&flags[..], form].concat(),
            );
            assert_eq!(
                explained(&dir, &["small.o", "big.o"]),
                format!(
                    "lto-link: error: {words} for arm64; compile all objects with the kernel's flags (there is no LTO \
                     with CPU_BIG_ENDIAN), remove the object, and run make again\n"
                ),
                "{lto} {form:?}"
            );
            // Links that drop check their objects before the linker runs.
            dir.write("names", "small\n");
            let arguments = [
                "module",
                "-o",
                "m.o",
                "--internalize",
                "--named-in",
                "names",
            ];
            let arguments = [
                &arguments[..],
                &["--objs", "small.o", "big.o", "--", "false"],
            ]
            .concat();
            let (code, _, stderr) = run(&dir, &arguments);
            assert_eq!(code, Some(1));
            assert!(
                stderr.contains(&format!("{words} is for arm64\n")),
                "{stderr}"
            );
            // Links of vmlinux do so, too.
            let arguments = ["vmlinux", "-o", "vmlinux.o", "--objs", "small.o", "big.o"];
            let (code, _, stderr) = run(&dir, &[&arguments[..], &["--", "false"]].concat());
            assert_eq!(code, Some(1));
            assert!(
                stderr.contains("big.o: is for arm64, big-endian, and small.o is for arm64;"),
                "{stderr}"
            );
        }
    }
}

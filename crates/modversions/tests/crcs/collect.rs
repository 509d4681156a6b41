// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Collects `.symversions` files into the linker script.

use std::fs;

use modversions::{Collected, Fault};
use object_model::Faults;
use test_support::{FORMS, TestDir};
use tool_io::Files;

use crate::support::{BITCODE, exporting, lines, object, run, set_crcs};

/// Collects from the named objects and archives, all in `dir`.
fn collect(dir: &TestDir, names: &[&str]) -> Result<Collected, Faults<Fault>> {
    let files = Files::new();
    let paths: Vec<_> = names.iter().map(|name| dir.join(name)).collect();
    let inputs = files.link_order(&paths).unwrap();
    modversions::collect(&inputs, |path| fs::read_to_string(path))
}

/// Returns the faults of the named objects, with the directory taken out of their text.
fn faults(dir: &TestDir, names: &[&str]) -> Vec<String> {
    let prefix = format!("{}/", dir.path().display());
    let faults = collect(dir, names).expect_err("there is a fault");
    let text = |line: &str| line.replace(&prefix, "");
    faults.to_string().lines().map(text).collect()
}

fn missing(object: &str, symbol: &str) -> String {
    format!(
        "{object}: exported symbol {symbol} has no CRC: remove the object and run make again, and \
         if that does not help look for genksyms' message about it"
    )
}

fn zero(object: &str, symbol: &str) -> String {
    format!(
        "{object}: the CRC of exported symbol {symbol} is zero: does genksyms see its declaration \
         (for assembly: in asm/asm-prototypes.h)?"
    )
}

#[test]
fn lines_of_both_forms_are_collected_in_link_order() {
    for form in [0, 1] {
        let dir = TestDir::new();
        let line = |symbol, crc| lines(symbol, crc)[form].clone();
        object(&dir, "fs/b.o", &exporting(&["b1", "b2"]), FORMS[1]);
        dir.write(
            "fs/b.o.symversions",
            line("b2", 2) + &line("b1", 0xffff_ffff),
        );
        object(&dir, "fs/a.o", &exporting(&["a"]), FORMS[1]);
        dir.write("fs/a.o.symversions", line("a", 0x10));
        object(&dir, "none.o", "int none;", FORMS[2]);
        dir.archive("cDPrST", "fs/built-in.a", &["fs/b.o", "fs/a.o"]);
        object(&dir, "c.o", &exporting(&["c"]), FORMS[2]);
        dir.write("c.o.symversions", line("c", 0x0bad_cafe));
        let collected = collect(&dir, &["c.o", "none.o", "fs/built-in.a"]).unwrap();
        let expected =
            line("c", 0x0bad_cafe) + &line("b2", 2) + &line("b1", 0xffff_ffff) + &line("a", 0x10);
        assert_eq!(collected.linker_script(), expected);
        assert_eq!(collected.n_crcs(), 4);
    }
}

/// The script does to a native object what it will do to the link of bitcode.
#[test]
fn the_linker_takes_the_script_and_sets_every_crc() {
    for form in [0, 1] {
        let dir = TestDir::new();
        object(&dir, "a.o", &exporting(&["a1", "a2"]), BITCODE);
        let line = |symbol, crc| lines(symbol, crc)[form].clone();
        dir.write(
            "a.o.symversions",
            line("a1", 0x1234) + &line("a2", 0xfedc_ba98),
        );
        let script = collect(&dir, &["a.o"]).unwrap();
        set_crcs(&dir, "a.o", script.linker_script(), "linked.o");
        // Native objects are compared with their exports: this one is complete.
        let collected = collect(&dir, &["linked.o"]).unwrap();
        assert_eq!((collected.linker_script(), collected.n_crcs()), ("", 0));
    }
}

#[test]
fn files_that_lie_beside_native_code_are_not_read() {
    let dir = TestDir::new();
    object(&dir, "a.o", "int a;", FORMS[0]);
    dir.write("a.o.symversions", "not genksyms' output\n");
    object(&dir, "b.o", "int b;", BITCODE);
    dir.write(
        "b.o.symversions",
        "left over from before it stopped exporting\n",
    );
    assert_eq!(collect(&dir, &["a.o", "b.o"]).unwrap().n_crcs(), 0);
}

#[test]
fn a_symbol_without_a_line_has_no_crc() {
    let dir = TestDir::new();
    object(&dir, "a.o", &exporting(&["a"]), BITCODE);
    object(&dir, "b.o", &exporting(&["b1", "b2"]), BITCODE);
    dir.write("b.o.symversions", lines("b2", 5)[0].clone() + "\n");
    object(&dir, "c.o", &exporting(&["c"]), BITCODE);
    // An interrupted build leaves such a file.
    dir.write("c.o.symversions", "");
    assert_eq!(
        faults(&dir, &["a.o", "b.o", "c.o"]),
        [
            missing("a.o", "a"),
            missing("b.o", "b1"),
            missing("c.o", "c")
        ]
    );
}

#[test]
fn a_zero_crc_of_either_form_is_a_fault() {
    for form in [0, 1] {
        let dir = TestDir::new();
        object(&dir, "a.o", &exporting(&["a"]), BITCODE);
        dir.write("a.o.symversions", &lines("a", 0)[form]);
        assert_eq!(faults(&dir, &["a.o"]), [zero("a.o", "a")]);
    }
}

#[test]
fn a_native_export_must_have_been_linked_with_its_crc() {
    for form in [0, 1] {
        let dir = TestDir::new();
        // The reference to __crc_a is weak and stays undefined.
        object(&dir, "a.o", &exporting(&["a"]), FORMS[0]);
        assert_eq!(faults(&dir, &["a.o"]), [missing("a.o", "a")]);
        set_crcs(&dir, "a.o", &lines("a", 0x1)[form], "good.o");
        assert_eq!(collect(&dir, &["good.o"]).unwrap().n_crcs(), 0);
        set_crcs(&dir, "a.o", &lines("other", 0x1)[form], "other.o");
        assert_eq!(faults(&dir, &["other.o"]), [missing("other.o", "a")]);
    }
}

#[test]
fn a_native_export_with_a_zero_crc_is_a_fault() {
    for form in [0, 1] {
        let dir = TestDir::new();
        object(&dir, "a.o", &exporting(&["a"]), FORMS[0]);
        set_crcs(&dir, "a.o", &lines("a", 0)[form], "zero.o");
        assert_eq!(faults(&dir, &["zero.o"]), [zero("zero.o", "a")]);
    }
}

#[test]
fn a_native_export_that_refers_to_no_crc_at_all_is_a_fault() {
    let dir = TestDir::new();
    let source = "__ksymtab_a: .long 0\n";
    dir.asm("a.o", source, &["--target=aarch64-linux-gnu"]);
    assert_eq!(faults(&dir, &["a.o"]), [missing("a.o", "a")]);
}

#[test]
fn other_lines_are_shown_with_their_place() {
    let dir = TestDir::new();
    object(&dir, "a.o", &exporting(&["a"]), BITCODE);
    let text = lines("a", 7)[0].clone() + "\n__crc_a = 7;\n";
    dir.write("a.o.symversions", text + "sh: genksyms: not found");
    assert_eq!(
        faults(&dir, &["a.o"]),
        [
            "a.o.symversions:3: not a line that genksyms writes: __crc_a = 7;",
            "a.o.symversions:4: not a line that genksyms writes: sh: genksyms: not found"
        ]
    );
}

/// A file that was copied with its `.symversions`, or that no longer exports a symbol, leaves such
/// a line.
#[test]
fn a_line_of_a_symbol_that_another_object_exports_is_left_out() {
    for form in [0, 1] {
        let dir = TestDir::new();
        let line = |symbol, crc| lines(symbol, crc)[form].clone();
        object(&dir, "a.o", &exporting(&["a"]), BITCODE);
        dir.write("a.o.symversions", line("a", 1) + &line("b", 0xbad));
        object(&dir, "b.o", &exporting(&["b"]), BITCODE);
        dir.write("b.o.symversions", line("b", 2));
        for [first, second] in [["a", "b"], ["b", "a"]] {
            let names = [format!("{first}.o"), format!("{second}.o")];
            let collected = collect(&dir, &names.each_ref().map(String::as_str)).unwrap();
            let crc = |name| line(name, if name == "a" { 1 } else { 2 });
            assert_eq!(collected.linker_script(), crc(first) + &crc(second));
            assert_eq!(collected.n_crcs(), 2);
        }
    }
}

#[test]
fn two_crcs_of_a_symbol_in_a_file_are_a_fault() {
    for form in [0, 1] {
        let dir = TestDir::new();
        let line = |symbol, crc| lines(symbol, crc)[form].clone();
        object(&dir, "a.o", &exporting(&["a", "b"]), BITCODE);
        dir.write(
            "a.o.symversions",
            line("a", 1) + &line("b", 3) + &line("a", 2),
        );
        assert_eq!(
            faults(&dir, &["a.o"]),
            [
                "a.o.symversions:3: the CRC of a is 0x00000002 here and 0x00000001 in line 1; \
                 remove a.o and run make again"
            ]
        );
        // The same one twice is one.
        let twice = line("a", 1) + &line("b", 3);
        dir.write("a.o.symversions", twice.clone() + &line("a", 1));
        let collected = collect(&dir, &["a.o"]).unwrap();
        assert_eq!(collected.linker_script(), twice);
        assert_eq!(collected.n_crcs(), 2);
    }
}

#[test]
fn a_line_that_is_cut_off_anywhere_is_a_fault() {
    for form in [0, 1] {
        let dir = TestDir::new();
        object(&dir, "a.o", &exporting(&["a"]), BITCODE);
        let line = lines("a", 0x0123_4567)[form].clone();
        for end in 1..line.trim_end().len() {
            dir.write("a.o.symversions", &line[..end]);
            let expected = format!("not a line that genksyms writes: {}", &line[..end]);
            let faults = collect(&dir, &["a.o"]).expect_err(&line[..end]).to_string();
            assert!(faults.contains(expected.trim_end()), "{faults}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let dir = TestDir::new();
    object(&dir, "a.o", &exporting(&["a"]), BITCODE);
    dir.write("a.o.symversions/is-a-folder", "");
    object(&dir, "b.o", &exporting(&["b"]), BITCODE);
    dir.write("b.o.symversions", b"\xff\xfe");
    assert_eq!(
        faults(&dir, &["a.o", "b.o"]),
        [
            "a.o.symversions cannot be read: Is a directory (os error 21)",
            "b.o.symversions cannot be read: stream did not contain valid UTF-8"
        ]
    );
}

#[test]
fn a_member_of_a_regular_archive_has_no_place_for_crcs() {
    let dir = TestDir::new();
    object(&dir, "a.o", &exporting(&["a"]), BITCODE);
    object(&dir, "b.o", "int b;", BITCODE);
    dir.write("a.o.symversions", &lines("a", 7)[0]);
    dir.archive("cr", "lib.a", &["a.o", "b.o"]);
    assert_eq!(
        faults(&dir, &["lib.a"]),
        [
            "a.o in lib.a: exports a, but is a member of an archive, so it cannot have a .symversions file"
        ]
    );
}

#[test]
fn all_faults_are_told_at_once_and_nothing_is_written() {
    let dir = TestDir::new();
    object(&dir, "a.o", &exporting(&["a"]), BITCODE);
    object(&dir, "b.o", &exporting(&["b"]), BITCODE);
    dir.write("b.o.symversions", &lines("b", 0)[0]);
    object(&dir, "c.o", &exporting(&["c"]), FORMS[0]);
    let (code, stdout, stderr) = run(&dir, &["collect", "-o", "crcs.lds", "a.o", "b.o", "c.o"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let expected = [missing("a.o", "a"), zero("b.o", "b"), missing("c.o", "c")];
    let line = |fault| format!("modversions: error: {fault}\n");
    assert_eq!(stderr, expected.map(line).concat());
    assert!(!dir.join("crcs.lds").exists());
}

/// A list as long as that of the largest kernels, which no command line would hold.
#[test]
fn five_thousand_objects_are_collected_from_a_list() {
    const COUNT: u32 = 5000;
    let dir = TestDir::new();
    let object = object(&dir, "one.o", &exporting(&["api"]), BITCODE);
    let folder = "drivers/a-folder-with-a-name-of-some-length";
    fs::create_dir_all(dir.join(folder)).unwrap();
    let (mut list, mut expected) = (String::new(), String::new());
    for number in 1..=COUNT {
        let name = format!("{folder}/object-{number}.o");
        fs::hard_link(&object, dir.join(&name)).unwrap();
        let line = &lines("api", number)[0];
        fs::write(dir.join(format!("{name}.symversions")), line).unwrap();
        list += &name;
        list.push('\n');
        expected += line;
    }
    dir.write("objects", &list);
    let arguments = ["collect", "-o", "crcs.lds", "@objects"];
    assert_eq!(
        run(&dir, &arguments),
        (Some(0), String::new(), String::new())
    );
    assert_eq!(dir.read_text("crcs.lds"), expected);

    // make does not link again for a script that is the same.
    let script = fs::File::options().append(true).open(dir.join("crcs.lds"));
    script.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    run(&dir, &arguments);
    let modified = dir.join("crcs.lds").metadata().unwrap().modified().unwrap();
    assert_eq!(modified, std::time::UNIX_EPOCH);
}

#[test]
fn inputs_that_cannot_be_read_end_with_2() {
    let dir = TestDir::new();
    dir.write("a.o", "");
    assert_eq!(
        run(&dir, &["collect", "-o", "crcs.lds", "a.o", "b.a"]),
        (
            Some(2),
            String::new(),
            "modversions: error: a.o: is empty; remove it and build it again\n\
             modversions: error: b.a: cannot be opened: No such file or directory (os error 2)\n"
                .into()
        )
    );
    assert_eq!(run(&dir, &["collect", "-o", "crcs.lds"]).0, Some(2));
}

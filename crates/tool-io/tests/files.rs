// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Input files.

use std::fs;

use test_support::{ARM64, TestDir};
use tool_io::{Files, read_text};

#[test]
fn inputs_come_in_link_order_and_outlive_their_files_names() {
    let dir = TestDir::new();
    dir.c("a.o", "int a;", &[ARM64]);
    dir.c("d/b.o", "int b;", &[ARM64, "-flto"]);
    let archive = dir.archive("cDPrST", "d/built-in.a", &["d/b.o"]);
    let files = Files::new();
    let inputs = files
        .link_order(&[archive.clone(), dir.join("a.o")])
        .unwrap();
    fs::remove_dir_all(dir.join("d")).unwrap();
    assert_eq!(inputs.len(), 2);
    assert_eq!(
        inputs[0].name,
        format!("{} in {}", dir.join("d/b.o").display(), archive.display())
    );
    assert_eq!(inputs[0].path.as_deref(), Some(dir.join("d/b.o").as_path()));
    assert_eq!(inputs[1].name, dir.join("a.o").display().to_string());
    assert_eq!(inputs[1].data, dir.read("a.o"));
}

#[test]
fn one_object_is_asked_for_and_anything_else_is_an_error() {
    let dir = TestDir::new();
    let elf = dir.c("elf.o", "int a;", &[ARM64]);
    let bitcode = dir.c("bitcode.o", "int a;", &[ARM64, "-flto"]);
    let archive = dir.archive("cr", "lib.a", &["elf.o"]);
    let empty = dir.write("empty.o", "");
    let files = Files::new();
    assert!(files.object(&elf).is_ok());
    assert!(files.elf(&elf).is_ok());
    assert!(files.object(&bitcode).is_ok());
    let prefix = format!("{}/", dir.path().display());
    let message = |error: object_model::InputError| {
        object_model::WithCauses(&error)
            .to_string()
            .replace(&prefix, "")
    };
    assert_eq!(
        message(files.elf(&bitcode).unwrap_err()),
        "bitcode.o: is LLVM bitcode where native code is expected"
    );
    assert_eq!(
        message(files.object(&archive).unwrap_err()),
        "lib.a: is an archive where an object is expected"
    );
    assert_eq!(
        message(files.object(&empty).unwrap_err()),
        "empty.o: is empty; remove it and build it again"
    );
    assert_eq!(
        message(files.object(&dir.join("none.o")).unwrap_err()),
        "none.o: cannot be opened: No such file or directory (os error 2)"
    );
    // A directory opens, but has no bytes.
    assert!(message(files.object(dir.path()).unwrap_err()).contains("cannot be opened: "));
}

#[test]
fn text_is_read_or_the_file_is_named() {
    let dir = TestDir::new();
    let path = dir.write("text", "two\nlines\n");
    assert_eq!(read_text(&path).unwrap(), "two\nlines\n");
    let path = dir.write("binary", b"\xff");
    assert_eq!(
        read_text(&path).unwrap_err().to_string(),
        format!("{} cannot be read", path.display())
    );
    assert!(read_text(&dir.join("none")).is_err());
}

/// More files than a process may map (`/proc/sys/vm/max_map_count`, 65530 by default): the run was
/// aborted without a name.
#[test]
fn there_may_be_more_inputs_than_a_process_may_map() {
    // Smaller files are not mapped.
    const SIZE: usize = 4097;
    let dir = TestDir::new();
    let path = dir.write("a.o", vec![1; SIZE]);
    let files = Files::new();
    for _ in 0..66_000 {
        assert_eq!(files.bytes(&path).unwrap().len(), SIZE);
    }
}

/// The test below runs this in a separate process, whose end is the result.
#[test]
fn read_an_input_that_is_cut_short() {
    let Some(path) = std::env::var_os("CUT_SHORT") else {
        return;
    };
    let files = Files::new();
    let bytes = files.bytes(path.as_ref()).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(1).unwrap();
    let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
    println!("sum {sum}");
}

#[test]
fn an_input_that_is_cut_short_while_it_is_read_is_named() {
    let dir = TestDir::new();
    let path = dir.write("large.o", vec![1; 4 << 20]);
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "read_an_input_that_is_cut_short", "--nocapture"]);
    let output = command.env("CUT_SHORT", &path).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let expected = format!(
        ": error: {}: became shorter while it was read; run this again when nothing writes to it\n",
        path.display()
    );
    assert!(stderr.ends_with(&expected), "{stderr}");

    // A small one has been read as a whole before.
    let path = dir.write("small.o", vec![1; 4000]);
    let output = command.env("CUT_SHORT", &path).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("sum 4000"));
}

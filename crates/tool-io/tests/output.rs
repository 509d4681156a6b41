// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Output files are whole, keep their time stamps and have the usual access bits.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use object_model::WithCauses;
use test_support::TestDir;
use tool_io::{write_atomic, write_if_changed};

/// Returns names of everything in the directory.
fn names(dir: &TestDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
    let mut names: Vec<_> = entries.map(|entry| name(entry).unwrap()).collect();
    names.sort();
    names
}

/// Sets the time stamp back, so that the test sees when it is renewed.
fn age(path: &Path) -> SystemTime {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(long_ago).unwrap();
    long_ago
}

fn modified(path: &Path) -> SystemTime {
    path.metadata().unwrap().modified().unwrap()
}

#[test]
fn a_file_is_replaced_as_a_whole() {
    let dir = TestDir::new();
    let path = dir.write("out", "a longer text than the new one");
    let before = path.metadata().unwrap().ino();
    write_atomic(&path, b"new").unwrap();
    assert_eq!(dir.read("out"), b"new");
    assert_ne!(
        path.metadata().unwrap().ino(),
        before,
        "it was written in place"
    );
    assert_eq!(names(&dir), ["out"]);
}

#[test]
fn writing_always_renews_the_time_stamp() {
    let dir = TestDir::new();
    let path = dir.write("out", "same");
    let old = age(&path);
    write_atomic(&path, b"same").unwrap();
    assert!(modified(&path) > old);
}

#[test]
fn unchanged_content_keeps_its_time_stamp() {
    let dir = TestDir::new();
    let path = dir.join("out");
    assert!(write_if_changed(&path, b"same").unwrap());
    let old = age(&path);
    assert!(!write_if_changed(&path, b"same").unwrap());
    assert_eq!(modified(&path), old);
    assert!(write_if_changed(&path, b"other").unwrap());
    assert!(modified(&path) > old);
    assert_eq!(dir.read("out"), b"other");
}

#[test]
fn a_new_file_has_the_access_bits_of_any_new_file() {
    let dir = TestDir::new();
    let ours = dir.join("ours");
    write_atomic(&ours, b"x").unwrap();
    let plain = dir.write("plain", "x");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}

#[test]
fn what_is_no_regular_file_is_written_to_as_it_is() {
    write_atomic(Path::new("/dev/null"), b"x").unwrap();
    assert!(write_if_changed(Path::new("/dev/null"), b"").unwrap());
    assert!(!Path::new("/dev/null").metadata().unwrap().is_file());
}

#[test]
fn a_link_is_replaced_and_its_target_left_alone() {
    let dir = TestDir::new();
    let target = dir.write("target", "kept");
    symlink(&target, dir.join("link")).unwrap();
    write_atomic(&dir.join("link"), b"new").unwrap();
    assert_eq!(dir.read("target"), b"kept");
    assert_eq!(dir.read("link"), b"new");
}

#[test]
fn an_output_that_cannot_be_written_is_named_and_leaves_nothing() {
    let dir = TestDir::new();
    fs::create_dir(dir.join("directory")).unwrap();
    for path in [dir.join("none/out"), dir.join("directory")] {
        let error = write_atomic(&path, b"x").unwrap_err();
        let message = WithCauses(&error).to_string();
        assert!(
            message.starts_with(&format!("{} cannot be written: ", path.display())),
            "{message}"
        );
    }
    assert_eq!(names(&dir), ["directory"]);
}

#[test]
fn a_relative_name_is_written_to_the_working_directory() {
    // The working directory belongs to the whole process, so a process of its own is asked.
    if std::env::var_os("TEST_RELATIVE").is_some() {
        write_atomic(Path::new("relative"), b"x").unwrap();
        return;
    }
    let dir = TestDir::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "a_relative_name_is_written_to_the_working_directory",
        ])
        .env("TEST_RELATIVE", "1")
        .current_dir(dir.path());
    test_support::stdout(&mut command);
    assert_eq!(names(&dir), ["relative"]);
}

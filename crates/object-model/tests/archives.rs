// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Archives of every form, in link order.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use object_model::{
    Archive, FileKind, Input, Loader, MemberContent, WithCauses, link_order, visit_link_order,
};
use test_support::TestDir;

/// Reads files below a directory and keeps them for the rest of the test.
struct Loading<'a> {
    directory: &'a Path,
    loaded: RefCell<HashMap<PathBuf, &'static [u8]>>,
}

impl Loader<'static> for Loading<'_> {
    fn load(&self, path: &Path) -> io::Result<&'static [u8]> {
        if let Some(data) = self.loaded.borrow().get(path) {
            return Ok(data);
        }
        let data: &'static [u8] = fs::read(self.directory.join(path))?.leak();
        self.loaded.borrow_mut().insert(path.to_owned(), data);
        Ok(data)
    }
}

/// Returns the inputs of these files, or the text of the faults.
fn inputs(dir: &TestDir, names: &[&str]) -> Result<Vec<Input<'static>>, String> {
    let loading = Loading {
        directory: dir.path(),
        loaded: RefCell::default(),
    };
    link_order(&loading, names).map_err(|faults| faults.to_string())
}

/// Names and paths of the inputs.
fn order(dir: &TestDir, names: &[&str]) -> Vec<(String, Option<PathBuf>)> {
    let inputs = inputs(dir, names).unwrap();
    inputs
        .into_iter()
        .map(|input| (input.name, input.path))
        .collect()
}

/// Makes a directory with ELF and bitcode objects at these paths.
fn objects(names: &[&str]) -> TestDir {
    let dir = TestDir::new();
    for (number, name) in names.iter().enumerate() {
        let source = format!("int function_{number}(void) {{ return {number}; }}");
        let form = if number % 2 == 0 { "-O2" } else { "-flto=thin" };
        dir.c(name, &source, &["--target=aarch64-linux-gnu", form]);
    }
    dir
}

fn file(path: &str) -> (String, Option<PathBuf>) {
    (path.to_owned(), Some(path.into()))
}

fn thin(path: &str, archive: &str) -> (String, Option<PathBuf>) {
    (format!("{path} in {archive}"), Some(path.into()))
}

#[test]
fn thin_archives_name_their_members_from_where_they_are() {
    // As kernel builds do it: `ar cDPrST` from the top of the object tree, archives in archives.
    let dir = objects(&[
        "net/core/dev.o",
        "net/core/a_name_longer_than_fifteen.o",
        "net/socket.o",
    ]);
    let members = ["net/core/dev.o", "net/core/a_name_longer_than_fifteen.o"];
    dir.archive("cDPrST", "net/core/built-in.a", &members);
    dir.archive("cDPrST", "net/empty.a", &[]);
    let members = ["net/socket.o", "net/empty.a", "net/core/built-in.a"];
    dir.archive("cDPrST", "net/built-in.a", &members);
    let archive = "net/built-in.a";
    assert_eq!(
        order(&dir, &[archive]),
        [
            thin("net/socket.o", archive),
            thin("net/core/dev.o", archive),
            thin("net/core/a_name_longer_than_fifteen.o", archive),
        ]
    );
    let data = dir.read(archive);
    let archive = Archive::parse(&data).unwrap();
    assert_eq!(archive.kind(), FileKind::ThinArchive);
    assert_eq!(archive.members()[1].name, "core/dev.o");
    assert_eq!(archive.members()[1].content, MemberContent::External);
}

#[test]
fn thin_archives_reach_out_of_their_directory() {
    let dir = objects(&["a.o", "d/b.o"]);
    dir.archive("cDPrST", "d/built-in.a", &["a.o", "d/b.o"]);
    assert_eq!(
        order(&dir, &["d/built-in.a"]),
        [
            thin("d/../a.o", "d/built-in.a"),
            thin("d/b.o", "d/built-in.a")
        ]
    );
}

#[test]
fn thin_archives_of_gnu_ar_and_absolute_paths_are_read() {
    let dir = objects(&["a.o", "d/b.o"]);
    let absolute = dir.join("d/b.o").display().to_string();
    dir.archive("cDPrST", "thin.a", &["a.o", &absolute]);
    let inputs = order(&dir, &["thin.a"]);
    assert_eq!(inputs[0], thin("a.o", "thin.a"));
    assert_eq!(inputs.len(), 2);
}

#[test]
fn regular_archives_of_every_format_hold_their_members() {
    let names = [
        "a.o",
        "d/a_name_longer_than_fifteen.o",
        "d/e/another_long_name.o",
    ];
    let dir = objects(&names);
    for format in ["gnu", "bsd", "darwin"] {
        let format = format!("--format={format}");
        let arguments = [&[format.as_str(), "cr", "lib.a"][..], &names[..]].concat();
        dir.run("llvm-ar", &arguments);
        let inputs = inputs(&dir, &["lib.a"]).unwrap();
        for (input, name) in inputs.iter().zip(names) {
            let base = Path::new(name).file_name().unwrap().to_str().unwrap();
            assert_eq!(input.name, format!("{base} in lib.a"));
            assert_eq!(input.path, None);
            // BSD pads members, for alignment.
            assert!(input.data.starts_with(&dir.read(name)), "{format}");
        }
        assert_eq!(inputs.len(), names.len(), "{format}");
        fs::remove_file(dir.join("lib.a")).unwrap();
    }
}

#[test]
fn archives_within_archives_are_opened_in_their_place() {
    let dir = objects(&["a.o", "b.o", "c.o", "d.o"]);
    dir.archive("cr", "inner.a", &["b.o"]);
    dir.archive("cr", "outer.a", &["a.o", "inner.a"]);
    dir.archive("cDPrST", "thin.a", &["outer.a", "c.o"]);
    assert_eq!(
        order(&dir, &["thin.a", "d.o"]),
        [
            ("a.o in outer.a in thin.a".to_owned(), None),
            ("b.o in inner.a in outer.a in thin.a".to_owned(), None),
            thin("c.o", "thin.a"),
            file("d.o"),
        ]
    );
}

#[test]
fn files_stay_in_the_order_in_which_they_are_given() {
    let dir = objects(&["b.o", "a.o", "c.o"]);
    dir.archive("cDPrST", "built-in.a", &["c.o", "b.o"]);
    assert_eq!(
        order(&dir, &["b.o", "built-in.a", "a.o"]),
        [
            file("b.o"),
            thin("c.o", "built-in.a"),
            thin("b.o", "built-in.a"),
            file("a.o")
        ]
    );
    assert_eq!(order(&dir, &[]), []);
}

#[test]
fn every_member_that_cannot_be_read_is_named() {
    let dir = objects(&["d/good.o", "d/gone.o", "d/short.o", "d/text.o"]);
    dir.archive(
        "cDPrST",
        "d/built-in.a",
        &["d/good.o", "d/gone.o", "d/short.o", "d/text.o"],
    );
    dir.archive("cr", "d/lib.a", &["d/good.o", "d/short.o"]);
    let archive = dir.read("d/lib.a");
    dir.write("d/cut.a", &archive[..archive.len() - 10]);
    fs::remove_file(dir.join("d/gone.o")).unwrap();
    let short = dir.read("d/short.o");
    dir.write("d/short.o", &short[..200]);
    dir.write("d/text.o", "text");
    let faults = inputs(&dir, &["d/built-in.a", "d/cut.a", "d/none.o"]).unwrap_err();
    let lines: Vec<_> = faults.lines().collect();
    assert_eq!(
        lines,
        [
            "d/gone.o in d/built-in.a: cannot be opened: No such file or directory (os error 2)",
            "d/short.o in d/built-in.a: is a damaged ELF file: the section table: \
             Invalid ELF section header offset/size/alignment",
            "d/text.o in d/built-in.a: is neither ELF, LLVM bitcode nor an archive \
             (begins with 74 65 78 74)",
            "d/cut.a: is a damaged archive: the bytes of short.o: Archive member size is too large",
            "d/none.o: cannot be opened: No such file or directory (os error 2)",
        ]
    );
}

#[test]
fn an_archive_in_itself_is_an_error() {
    let dir = objects(&["member.o"]);
    // The same length, so that the header of the name table stays true.
    dir.archive("cDPrST", "circle.a", &["member.o"]);
    let text = dir.read_text("circle.a").replace("member.o/", "circle.a/");
    dir.write("circle.a", text);
    let faults = inputs(&dir, &["circle.a"]).unwrap_err();
    assert!(
        faults.ends_with("is an archive within 8 others; is it a member of itself?"),
        "{faults}"
    );
}

#[test]
fn member_names_that_are_not_utf8_are_an_error() {
    let dir = objects(&["abcdefghijklmnopqrst.o"]);
    dir.archive("cDPrST", "thin.a", &["abcdefghijklmnopqrst.o"]);
    let mut data = dir.read("thin.a");
    let at = data.windows(4).position(|bytes| bytes == b"abcd").unwrap();
    data[at] = 0xff;
    let error = Archive::parse(&data).unwrap_err();
    assert_eq!(
        WithCauses(&error).to_string(),
        "is an archive with the member name \"\\xffbcdefghijklmnopqrst.o\", which is not UTF-8"
    );
}

#[test]
fn what_is_no_archive_is_an_error() {
    let error = Archive::parse(b"!<arch>").unwrap_err();
    assert_eq!(error.to_string(), "is an archive with no archive magic");
    assert!(Archive::parse(b"!<arch>\nx").is_err());
}

#[test]
fn what_can_be_read_is_visited_though_something_else_cannot() {
    let dir = objects(&["a.o", "b.o"]);
    dir.write("text.o", "text");
    let loading = Loading {
        directory: dir.path(),
        loaded: RefCell::default(),
    };
    let mut visited = Vec::new();
    let result = visit_link_order(&loading, &["a.o", "text.o", "b.o"], |input| {
        visited.push(input.name);
    });
    assert_eq!(visited, ["a.o", "b.o"]);
    assert_eq!(result.unwrap_err().iter().count(), 1);
}

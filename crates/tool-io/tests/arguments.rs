// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Arguments from files.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use object_model::WithCauses;
use proptest::prelude::*;
use test_support::TestDir;
use tool_io::{argument_file, expand_arguments};

/// Returns the arguments that a file with this content stands for.
fn expanded(content: &[u8]) -> Result<Vec<OsString>, String> {
    let dir = TestDir::new();
    let mut argument = OsString::from("@");
    argument.push(dir.write("arguments", content));
    let prefix = format!("{}/", dir.path().display());
    expand_arguments([argument])
        .map_err(|error| WithCauses(&error).to_string().replace(&prefix, ""))
}

#[test]
fn files_stand_for_their_arguments_in_their_place() {
    let dir = TestDir::new();
    let file = dir.write("list", "b.o\n\tc.o \r\n\n d.o");
    let arguments = [
        "a.o".into(),
        format!("@{}", file.display()),
        "e.o".into(),
        "@".into(),
    ];
    let arguments = arguments.map(OsString::from);
    assert_eq!(
        expand_arguments(arguments).unwrap(),
        ["a.o", "b.o", "c.o", "d.o", "e.o", "@"]
    );
}

#[test]
fn quotation_marks_and_backslashes_are_those_of_gnu_tools() {
    let cases: [(&str, &[&str]); 10] = [
        ("", &[]),
        (" \n ", &[]),
        ("'a b' \"c d\"", &["a b", "c d"]),
        ("a'b c'd", &["ab cd"]),
        ("'' \"\"", &["", ""]),
        (r"a\ b \'c", &["a b", "'c"]),
        (r#"-D"KBUILD_STR(s)=\"s\"""#, &[r#"-DKBUILD_STR(s)="s""#]),
        (r"'a\'b'", &["a'b"]),
        ("'\"' \"'\"", &["\"", "'"]),
        ("a\\", &["a\\"]),
    ];
    for (content, expected) in cases {
        assert_eq!(expanded(content.as_bytes()).unwrap(), expected, "{content}");
    }
}

#[test]
fn errors_name_the_file() {
    assert_eq!(
        expanded(b"a 'b c"),
        Err("argument file arguments: a ' is not closed".into())
    );
    assert_eq!(
        expanded(b"a \"b c"),
        Err("argument file arguments: a \" is not closed".into())
    );
    assert_eq!(
        expanded(b"a @more"),
        Err("argument file arguments names the argument file more; \
             write its arguments into the first"
            .into())
    );
    let error = expand_arguments(["@/nonexistent/list".into()]).unwrap_err();
    assert_eq!(
        WithCauses(&error).to_string(),
        "argument file /nonexistent/list cannot be read: No such file or directory (os error 2)"
    );
}

proptest! {
    /// Any arguments, written with a backslash before each byte, come back as they were.
    #[test]
    fn quoted_arguments_come_back(
        arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..5),
    ) {
        let arguments: Vec<_> = arguments.into_iter().map(OsString::from_vec).collect();
        prop_assume!(!arguments.iter().any(|a| a.len() > 1 && a.as_bytes().starts_with(b"@")));
        let mut content = Vec::new();
        for argument in &arguments {
            content.extend(argument.as_bytes().iter().flat_map(|&byte| [b'\\', byte]));
            content.push(b'\n');
        }
        prop_assert_eq!(expanded(&content).unwrap(), arguments);
    }

    /// Any arguments, written by the tools themselves, come back as they were.
    #[test]
    fn written_arguments_come_back(
        arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5),
    ) {
        let arguments: Vec<_> = arguments.into_iter().map(OsString::from_vec).collect();
        prop_assume!(!arguments.iter().any(|a| a.len() > 1 && a.as_bytes().starts_with(b"@")));
        prop_assert_eq!(expanded(&argument_file(&arguments)).unwrap(), arguments);
    }

    #[test]
    fn any_content_gives_arguments_or_an_error(content in any::<Vec<u8>>()) {
        let _ = expanded(&content);
    }
}

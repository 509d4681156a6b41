// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Code generations as actions: their inputs are exact, and nothing of this machine is in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use test_support::{TestDir, texts};

use crate::codegen::{clang, compile, kbuild, make};
use crate::support::{link, run};

/// Functions that other objects import, and variables; `c` imports from two objects, `a` from none.
pub const SOURCES: [(&str, &str); 4] = [
    ("a", "int a(int x) { return x * 3; }"),
    ("m/b", "int a(int); int b(int x) { return a(x) + 1; }"),
    (
        "m/c",
        "int a(int); int b(int); int c(int x) { return a(x) * b(x); }",
    ),
    ("other", "int other(void) { return 1; }"),
];

/// Makes a link of several objects and generates their code.
pub fn linked(flags: &str) -> TestDir {
    let dir = kbuild();
    fs::create_dir(dir.join("m")).expect("a new directory");
    for (name, source) in SOURCES {
        compile(&dir, name, flags, source);
        // kbuild's file of the command stands beside the object.
        let path = Path::new(name);
        if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
            let file = path.file_name().expect("a name").display();
            let from = dir.join(format!(".{name}.o.cmd"));
            fs::rename(from, dir.join(folder).join(format!(".{file}.o.cmd"))).expect("moved");
        }
    }
    let mut arguments = vec!["thin-link", "-o", "all.o", "--objs"];
    let objects = SOURCES.map(|(name, _)| format!("{name}.o"));
    arguments.extend(objects.iter().map(String::as_str));
    link(&dir, &arguments);
    assert_eq!(make(&dir), (Some(0), String::new()));
    dir
}

fn listed(dir: &TestDir) -> Value {
    let (code, stdout, stderr) = run(dir, &["actions", "-o", "all.o", "--format", "json"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&stdout).expect("JSON")
}

fn strings(value: &Value) -> Vec<String> {
    let all = value.as_array().expect("a list").iter();
    all.map(|text| text.as_str().expect("text").to_owned())
        .collect()
}

/// Runs an action with all of its inputs but `without` in a new directory. Returns the bytes of its output and
/// clang's messages.
fn run_in_new_directory(dir: &TestDir, action: &Value, without: Option<&str>) -> (Vec<u8>, String) {
    let place = TestDir::new();
    for directory in strings(&action["directories"]) {
        fs::create_dir_all(place.join(directory)).expect("made");
    }
    let command = &action["command"];
    let [output] = &strings(&command["output_files"])[..] else {
        panic!("one output: {command}")
    };
    let parent = Path::new(output).parent().expect("a parent");
    fs::create_dir_all(place.join(parent)).expect("made");
    for input in action["inputs"].as_array().expect("inputs") {
        let path = input["path"].as_str().expect("a path");
        let content = dir.read(path);
        assert_eq!(input["digest"]["size_bytes"], content.len());
        if Some(path) != without {
            place.write(path, content);
        }
    }
    let mut run = Command::new(clang());
    run.env_clear().current_dir(place.path());
    run.args(&strings(&command["arguments"])[1..]);
    let (_, _, stderr) = texts(test_support::output(&mut run));
    (fs::read(place.join(output)).unwrap_or_default(), stderr)
}

#[test]
fn exactly_the_inputs_of_an_action_give_the_code_of_make() {
    let dir = linked("");
    let listed = listed(&dir);
    let actions = listed["actions"].as_array().expect("actions");
    let mut n_imports = Vec::new();
    for (action, (name, _)) in actions.iter().zip(SOURCES) {
        let native = format!("{name}.native.o");
        assert_eq!(
            strings(&action["command"]["output_files"]),
            [native.as_str()]
        );
        let (code, stderr) = run_in_new_directory(&dir, action, None);
        assert_eq!(
            (code == dir.read(&native), stderr.as_str()),
            (true, ""),
            "{name}"
        );
        let inputs = action["inputs"].as_array().expect("inputs");
        for input in inputs {
            let path = input["path"].as_str().expect("a path");
            let (code, stderr) = run_in_new_directory(&dir, action, Some(path));
            assert!(
                code.is_empty() && stderr.contains(path),
                "{name} {path}: {stderr}"
            );
        }
        n_imports.push(inputs.len() - 2);
    }
    assert_eq!(n_imports, [0, 1, 2, 0]);
    // The tool's own trial says the same.
    let (code, stdout, stderr) = run(&dir, &["actions", "-o", "all.o", "--check"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let said = "all.o: 4 of 4 actions give the code that make generated; 11 inputs were left out, one at a \
                time, and missed\n";
    assert_eq!(stdout, said);
    assert!(!dir.join(".tmp_all.o.actions").exists());
}

#[test]
fn a_trial_tells_code_that_is_not_that_of_make() {
    let dir = linked("");
    dir.write("a.native.o", dir.read("other.native.o"));
    fs::remove_file(dir.join("m/b.native.o")).expect("generated");
    let (code, stdout, stderr) = run(&dir, &["actions", "-o", "all.o", "--check"]);
    assert_eq!(code, Some(1));
    assert!(stdout.starts_with("all.o: 2 of 4 actions"), "{stdout}");
    for said in [
        "a.native.o: the action gives other code than make did",
        "m/b.native.o: cannot be read",
    ] {
        assert!(stderr.contains(said), "{stderr}");
    }
}

/// The same sources in two directories give the same actions, so one can use the results of the other.
#[test]
fn actions_do_not_depend_on_the_directory() {
    let [one, two] = ["first", "second"].map(|name| {
        let dir = linked("-isystem /usr/include -I/usr/include -DNAME -fmacro-prefix-map=/usr=");
        dir.write(name, "");
        (listed(&dir), dir)
    });
    assert_eq!(one.0, two.0);
    let text = one.0["actions"].to_string();
    assert!(!text.contains("/usr") && !text.contains("/tmp"), "{text}");
    let digests = one.0["actions"].as_array().expect("actions").iter();
    let digests: BTreeSet<_> = digests.map(|action| action["digest"].to_string()).collect();
    assert_eq!(digests.len(), SOURCES.len());
}

/// A profile may be anywhere on this machine; an action has it in its root.
#[test]
fn a_profile_is_an_input() {
    let profiles = TestDir::new();
    profiles.write("p.txt", ":ir\na\n146835647075900052\n1\n7\n");
    profiles.run("llvm-profdata", &["merge", "-o", "p.profdata", "p.txt"]);
    let profile = profiles.join("p.profdata");
    let flags = format!(
        "-Wno-profile-instr-unprofiled -fprofile-use={}",
        profile.display()
    );
    let dir = linked(&flags);
    let first = listed(&dir);
    for action in first["actions"].as_array().expect("actions") {
        let arguments = strings(&action["command"]["arguments"]);
        let place = ".lto-outside/p.profdata";
        assert!(arguments.contains(&format!("-fprofile-use={place}")));
        let inputs = action["inputs"].as_array().expect("inputs");
        let last = inputs.last().expect("inputs");
        assert_eq!(
            (&last["path"], &last["role"]),
            (&place.into(), &"option".into())
        );
    }
    let (code, stdout, stderr) = run(&dir, &["actions", "-o", "all.o", "--check"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("15 inputs were left out"), "{stdout}");
    // Another profile gives other actions.
    profiles.write("p.txt", ":ir\na\n146835647075900052\n1\n8\n");
    profiles.run("llvm-profdata", &["merge", "-o", "p.profdata", "p.txt"]);
    assert_ne!(listed(&dir), first);
}

#[test]
fn a_command_with_a_path_of_this_machine_is_refused() {
    let dir = linked("-resource-dir /usr/lib");
    let (code, stdout, stderr) = run(&dir, &["actions", "-o", "all.o"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(stderr.lines().count(), SOURCES.len());
    let said = "m/b.o: the argument `/usr/lib` of its code generation has an absolute path";
    assert!(stderr.contains(said), "{stderr}");
}

#[test]
fn inputs_that_are_missing_are_all_named() {
    let dir = linked("");
    fs::remove_file(dir.join("a.o")).expect("compiled");
    fs::remove_file(dir.join("other.o.imports")).expect("written");
    let (code, _, stderr) = run(&dir, &["actions", "-o", "all.o"]);
    assert_eq!(code, Some(1));
    for said in [
        "a.o: a.o, whose code is generated, cannot be read",
        "m/b.o: a.o, from which code is imported, cannot be read",
        "m/c.o: a.o, from which code is imported, cannot be read",
        "other.o: other.o.imports, the list of the objects from which it imports, cannot be read",
    ] {
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
    let (code, _, stderr) = run(&dir, &["actions", "-o", "no.o"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("has the thin link of no.o run?"),
        "{stderr}"
    );
}

/// Before code was generated, make has saved no command.
#[test]
fn the_compiler_can_be_named() {
    let dir = linked("");
    let (_, saved, _) = run(&dir, &["actions", "-o", "all.o"]);
    for (name, _) in SOURCES {
        fs::remove_file(dir.join(format!("{name}.native.o"))).expect("generated");
    }
    fs::remove_file(dir.join(".a.native.o.cmd")).expect("saved");
    let (code, _, stderr) = run(&dir, &["actions", "-o", "all.o"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("name the compiler and the flags"),
        "{stderr}"
    );
    let clang = clang();
    let (code, named, stderr) = run(&dir, &["actions", "-o", "all.o", "--", &clang]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(named, saved);
    assert!(named.contains("      2 "), "{named}");
    assert!(named.contains("4 actions, 3 imports, "), "{named}");
    // Flags of code generation are a part of the action.
    let flag = ["-mllvm", "-enable-merge-functions"];
    let arguments = [&["actions", "-o", "all.o", "--", &clang][..], &flag].concat();
    let (_, other, _) = run(&dir, &arguments);
    assert_ne!(other, named);
}

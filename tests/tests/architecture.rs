// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks the repository against the rules of `docs/architecture.md`.
//!
//! Each rule is a function that returns its breaches as texts. It is used twice: on the repository,
//! where it must find none, and on an example that breaks the rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kernel_tests::imports;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use toml::{Table, Value};

/// The crates that are not plugins, and the crates of the workspace that each may depend on.
const FOUNDATION: [(&str, &[&str]); 19] = [
    ("object-model", &[]),
    ("debug-info", &["object-model"]),
    ("tool-io", &["object-model"]),
    ("kernel-facts", &[]),
    ("kernel-tree", &["kernel-facts"]),
    ("plugin-table", &["kernel-tree", "lto-disable"]),
    (
        "object-tree",
        &[
            "object-model",
            "tool-io",
            "kernel-facts",
            "lto-disable",
            "lto-link",
            "mod-dedup",
        ],
    ),
    (
        "kernel-checks",
        &[
            "debug-info",
            "kernel-facts",
            "object-model",
            "tool-io",
            "object-tree",
            "initcall-order",
            "lto-disable",
            "lto-link",
            "mcount-loc",
            "mod-dedup",
            "modversions",
            "prel32-fix",
            "section-merge",
        ],
    ),
    (
        "kernel-mutations",
        &["kernel-checks", "object-model", "tool-io"],
    ),
    (
        "size-report",
        &[
            "object-model",
            "tool-io",
            "object-tree",
            "lto-link",
            "profile",
        ],
    ),
    ("kernel-lab", &["object-model", "tool-io", "object-tree"]),
    (
        "kernel-bench",
        &[
            "installer",
            "kernel-checks",
            "kernel-facts",
            "kernel-lab",
            "link-lab",
            "lto-lab",
            "lto-link",
            "mcount-loc",
            "object-model",
            "profile",
            "size-report",
            "tool-io",
        ],
    ),
    (
        "installer",
        &["kernel-lab", "kernel-tree", "object-model", "plugin-table"],
    ),
    ("lto-lab", &["installer", "kernel-lab", "kernel-tree"]),
    (
        "random-config",
        &[
            "kernel-checks",
            "kernel-facts",
            "kernel-lab",
            "lto-lab",
            "tool-io",
        ],
    ),
    ("farm", &["kernel-lab"]),
    ("link-lab", &[]),
    ("running-kernel", &["object-model", "tool-io"]),
    ("test-support", &[]),
];

/// The crates that a plugin may depend on.
const KNOWN_TO_PLUGINS: [&str; 3] = ["object-model", "tool-io", "kernel-facts"];

/// The plugin that may depend on other plugins.
const COMPOSER: &str = "lto-link";

/// The crates that tests may depend on, whatever the crate itself may know. xtask's commands run
/// the labs too.
const FOR_TESTS: [&str; 3] = ["test-support", "link-lab", "kernel-lab"];

/// Names that no library uses: options are plain structs, and results are returned.
const IN_NO_LIBRARY: [&str; 6] = ["clap", "print", "println", "eprint", "eprintln", "dbg"];

/// Names that only tool-io uses, because the command ends the process. tool-io makes the exit code,
/// and ends a process whose input file was shortened while it was read.
const ENDS_THE_PROCESS: [&str; 3] = ["exit", "_exit", "abort"];

/// Names that some libraries do not use, because of their invariants.
const IN_SOME_LIBRARY: [(&str, &[&str]); 14] = [
    ("object-model", &["fs", "env", "net", "process", "Command"]),
    ("tool-io", &["Command"]),
    ("kernel-facts", &["File", "OpenOptions", "Command"]),
    ("kernel-tree", &["Command"]),
    ("initcall-order", &["fs", "Command"]),
    ("modversions", &["fs", "Command"]),
    ("section-merge", &["fs", "Command"]),
    ("mod-dedup", &["fs", "Command"]),
    ("prel32-fix", &["fs", "Command"]),
    ("lto-disable", &["object_model", "Command"]),
    ("object-tree", &["Command"]),
    ("kernel-checks", &["Command"]),
    ("kernel-mutations", &["Command"]),
    ("size-report", &["Command"]),
];

/// Files that cannot contain a licence line, and the reason.
const WITHOUT_LICENCE_LINE: [(&str, &str); 4] = [
    ("Cargo.lock", "cargo writes it"),
    ("tests/fuzz/Cargo.lock", "cargo writes it"),
    ("LICENSE-GPL-2.0", "is the licence"),
    ("LICENSE-MIT", "is the licence"),
];

/// Inputs of fuzz targets, which are any bytes.
const ANY_BYTES: &str = "tests/fuzz/corpus/";

/// Hosts of package registries, in two parts, so that this file does not contain their names.
const REGISTRIES: [(&str, &str); 12] = [
    ("apt.llvm", "org"),
    ("crates", "io"),
    ("debian", "org"),
    ("docker", "io"),
    ("ghcr", "io"),
    ("golang", "org"),
    ("npmjs", "com"),
    ("npmjs", "org"),
    ("pypi", "org"),
    ("quay", "io"),
    ("rubygems", "org"),
    ("ubuntu", "com"),
];

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the workspace of this package").to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns every file of the repository, relative to it.
fn committed_files() -> Vec<String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z"]).current_dir(root());
    let output = test_support::stdout(&mut git);
    let files = output.split('\0').filter(|file| !file.is_empty());
    files.map(str::to_owned).collect()
}

/// Returns the committed files whose path begins and ends with these texts.
fn files_in(begin: &str, end: &str) -> Vec<String> {
    let mut files = committed_files();
    files.retain(|file| file.starts_with(begin) && file.ends_with(end));
    assert!(!files.is_empty(), "no {begin}*{end} in the repository");
    files
}

/// Returns the folders in `crates/`.
fn crates() -> BTreeSet<String> {
    let manifests = files_in("crates/", "/Cargo.toml");
    let names = manifests.iter().filter_map(|path| path.split('/').nth(1));
    names.map(str::to_owned).collect()
}

fn plugins() -> BTreeSet<String> {
    let mut plugins = crates();
    for (name, _) in FOUNDATION {
        assert!(plugins.remove(name), "crates/{name} is not there");
    }
    plugins
}

/// Returns the sources of a crate's library: all but its command line, which may have a file for each command in
/// `src/command`, and its tests.
fn library_sources(name: &str) -> Vec<String> {
    let mut files = files_in(&format!("crates/{name}/src/"), ".rs");
    let others = ["/src/command/", "/src/tests/"];
    files.retain(|file| {
        !file.ends_with("/main.rs") && !others.iter().any(|other| file.contains(other))
    });
    files
}

/// The largest number of lines of a source file, without its tests and tables of data.
const MOST_LINES: usize = 500;

/// The largest number of lines of a command of xtask.
const MOST_LINES_OF_COMMAND: usize = 120;

/// The largest number of lines of xtask's sources.
const MOST_LINES_OF_XTASK: usize = 3500;

#[test]
fn sources_are_short() {
    let mut faults = Vec::new();
    let mut sources = files_in("crates/", ".rs");
    sources.extend(files_in("tests/src/", ".rs"));
    let is_code = |file: &String| file.contains("/src/") && !file.contains("/table/");
    for file in sources.into_iter().filter(is_code) {
        let is_of_tests = file.starts_with("tests/src/kernels/")
            || (file.starts_with("crates/") && file.contains("/tests/"));
        if !is_of_tests && !file.ends_with("tests.rs") {
            faults.extend(too_long(&file, &read(&file), MOST_LINES));
        }
    }
    let mut all = String::new();
    for file in files_in("xtask/src/", ".rs") {
        let text = read(&file);
        faults.extend(too_long(&file, &text, MOST_LINES_OF_COMMAND));
        all.push_str(&text);
    }
    faults.extend(too_long("xtask", &all, MOST_LINES_OF_XTASK));
    assert_eq!(faults, [""; 0]);
}

/// Returns the fault of a file that has more lines than `most` before its tests.
fn too_long(file: &str, text: &str, most: usize) -> Option<String> {
    let n_lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    let n_lines = n_lines.count();
    (n_lines > most).then(|| format!("{file}: {n_lines} lines, {most} at most"))
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(too_long("a", "x\ny\n#[cfg(test)]\nz\n", 2), None);
    assert!(too_long("a", "x\ny\nz\n#[cfg(test)]\n", 2).is_some());
}

#[test]
fn imports_are_in_one_order() {
    let mut faults = Vec::new();
    for file in files_in("", ".rs") {
        let code = read(&file);
        let fault = unordered_import(&code);
        faults.extend(fault.map(|line| format!("{file}: {line}")));
    }
    assert_eq!(faults, [""; 0]);
}

/// Returns the first import at the beginning of a file that is out of order: the standard library, other
/// crates, and the crate's own modules are three groups with an empty line between.
fn unordered_import(code: &str) -> Option<&str> {
    let own_modules: BTreeSet<&str> = code
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let group = |import: &str| match import.split(['.', ':', ';']).next().unwrap_or_default() {
        "std" | "core" | "alloc" => 0,
        "crate" | "self" | "super" => 2,
        name if own_modules.contains(name) => 2,
        _ => 1,
    };
    let mut last = None;
    let mut is_new_group = true;
    for line in code.lines() {
        if line.is_empty() {
            is_new_group = true;
        } else if let Some(import) = line.strip_prefix("use ") {
            let group = group(import);
            let is_good = match last {
                None => true,
                Some(last) if is_new_group => group > last,
                Some(last) => group == last,
            };
            if !is_good {
                return Some(line);
            }
            (last, is_new_group) = (Some(group), false);
        } else if !line.starts_with(['/', '#', ' ', '}', ')', ']', 'm', 'p']) {
            // The code begins.
            break;
        }
    }
    None
}

#[test]
fn an_import_out_of_order_is_found() {
    for good in [
        "use std::fs;\nuse std::io;\n\nuse anyhow::Context;\n\nuse crate::a;\nuse super::b;\n",
        "mod support;\n\nuse clap::Parser;\n\nuse support::object;\n",
        "use std::{\n    fs,\n};\n\nuse crate::a;\n\nfn f() {}\n\nuse std::io;\n",
    ] {
        assert_eq!(unordered_import(good), None, "{good}");
    }
    for (bad, line) in [
        ("use clap::Parser;\nuse std::fs;\n", "use std::fs;"),
        ("use clap::Parser;\n\nuse std::fs;\n", "use std::fs;"),
        ("use std::fs;\n\nuse std::io;\n", "use std::io;"),
        ("use crate::a;\n\nuse clap::Parser;\n", "use clap::Parser;"),
    ] {
        assert_eq!(unordered_import(bad), Some(line));
    }
}

#[test]
fn crates_depend_only_on_what_they_may_know() {
    let crates = crates();
    let mut faults = Vec::new();
    for name in &crates {
        let manifest = read(format!("crates/{name}/Cargo.toml"));
        faults.extend(dependency_faults(name, &manifest, &crates));
    }
    let manifest = read("xtask/Cargo.toml");
    faults.extend(dependency_faults("xtask", &manifest, &crates));
    assert_eq!(faults, [""; 0]);
}

/// Returns the forbidden dependencies of the crate `name` within the workspace.
fn dependency_faults(name: &str, manifest: &str, crates: &BTreeSet<String>) -> Vec<String> {
    let manifest: Table = manifest.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
    let foundation = FOUNDATION.iter().find(|(known, _)| *known == name);
    let is_foundation = |other: &str| FOUNDATION.iter().any(|(known, _)| *known == other);
    let may_know = |other: &str| match foundation {
        Some((_, allowed)) => allowed.contains(&other),
        None if name == "xtask" => other != "test-support",
        None if name == COMPOSER && !is_foundation(other) => other != "xtask",
        None => KNOWN_TO_PLUGINS.contains(&other),
    };
    let ours = |other: &str| crates.contains(other) || ["xtask", "kernel-tests"].contains(&other);
    let mut faults = Vec::new();
    for (kind, other) in dependencies(&manifest) {
        let for_tests = kind == "dev-dependencies" && FOR_TESTS.contains(&other.as_str());
        if ours(&other) && !for_tests && !may_know(&other) {
            faults.push(format!("{name} has {other} in its {kind}"));
        }
    }
    faults
}

/// Returns kind and package of every dependency, including those of single targets.
fn dependencies(manifest: &Table) -> Vec<(&'static str, String)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let of_targets = targets.into_iter().flat_map(Table::values);
    let tables = of_targets.filter_map(Value::as_table);
    let mut found = Vec::new();
    for table in tables.chain([manifest]) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let section = table.get(kind).and_then(Value::as_table);
            for (name, dependency) in section.into_iter().flatten() {
                let package = dependency.get("package").and_then(Value::as_str);
                found.push((kind, package.unwrap_or(name).to_owned()));
            }
        }
    }
    found
}

#[test]
fn a_forbidden_dependency_is_found() {
    let crates = crates();
    let faults = |name, manifest| dependency_faults(name, manifest, &crates);
    for (name, manifest) in [
        ("object-model", "[dependencies]\ntool-io.workspace = true\n"),
        (
            "object-model",
            "[dev-dependencies]\ntool-io.workspace = true\n",
        ),
        ("tool-io", "[dependencies]\nkernel-tree.workspace = true\n"),
        (
            "kernel-tree",
            "[dependencies]\nlto-disable.workspace = true\n",
        ),
        (
            "kernel-tree",
            "[dependencies]\nxtask = { path = \"../../xtask\" }\n",
        ),
        (
            "lto-disable",
            "[dependencies]\nkernel-tree.workspace = true\n",
        ),
        (
            "mod-dedup",
            "[dependencies]\nmodversions.workspace = true\n",
        ),
        (
            "mod-dedup",
            "[build-dependencies]\nother = { package = \"lto-link\", path = \"../lto-link\" }\n",
        ),
        (
            "mod-dedup",
            "[target.'cfg(unix)'.dependencies]\nlto-link.workspace = true\n",
        ),
        (
            "lto-link",
            "[dependencies]\ntest-support.workspace = true\n",
        ),
        ("lto-link", "[dependencies]\nlink-lab.workspace = true\n"),
        (
            "lto-link",
            "[dependencies]\nxtask = { path = \"../../xtask\" }\n",
        ),
        ("xtask", "[dependencies]\ntest-support.workspace = true\n"),
        (
            "a-new-plugin",
            "[dependencies]\nlto-link.workspace = true\n",
        ),
    ] {
        assert_eq!(faults(name, manifest).len(), 1, "{name}: {manifest}");
    }
    let composer = "[dependencies]\nmodversions.workspace = true\ntool-io.workspace = true\n\
                    clap.workspace = true\n[dev-dependencies]\ntest-support.workspace = true\n";
    assert_eq!(faults("lto-link", composer), [""; 0]);
}

#[test]
fn libraries_name_nothing_that_they_must_not_know() {
    let mut faults = Vec::new();
    for name in crates() {
        let of_crate = IN_SOME_LIBRARY.iter().find(|(known, _)| *known == name);
        let mut forbidden: Vec<&str> = IN_NO_LIBRARY.to_vec();
        forbidden.extend(of_crate.map_or(&[][..], |(_, words)| *words));
        if name != "tool-io" {
            forbidden.extend(ENDS_THE_PROCESS);
        }
        for file in library_sources(&name) {
            let found = forbidden_words(&read(&file), &forbidden);
            faults.extend(found.iter().map(|word| format!("{file}: names {word}")));
        }
    }
    assert_eq!(faults, [""; 0]);
}

/// Returns those of `forbidden` that are identifiers in `code`; comments, texts and test modules do
/// not count.
fn forbidden_words<'word>(code: &str, forbidden: &[&'word str]) -> Vec<&'word str> {
    let tokens: TokenStream = code.parse().unwrap_or_else(|e| panic!("{e} in:\n{code}"));
    let mut identifiers = BTreeSet::new();
    collect_identifiers(tokens, &mut identifiers);
    let found = forbidden.iter().filter(|word| identifiers.contains(**word));
    found.copied().collect()
}

fn collect_identifiers(tokens: TokenStream, identifiers: &mut BTreeSet<String>) {
    let mut for_tests = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                let attribute = group.stream().to_string().replace(' ', "");
                for_tests |= attribute == "cfg(test)";
                collect_identifiers(group.stream(), identifiers);
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && for_tests => {
                for_tests = false;
            }
            TokenTree::Group(group) => collect_identifiers(group.stream(), identifiers),
            TokenTree::Punct(punct) if punct.as_char() == ';' => for_tests = false,
            TokenTree::Ident(identifier) => {
                identifiers.insert(identifier.to_string());
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[test]
fn a_forbidden_word_is_found() {
    let words = ["fs", "File", "println"];
    let found = |code| forbidden_words(code, &words);
    assert_eq!(found("use std::fs::File;"), ["fs", "File"]);
    assert_eq!(found("use std::{fmt, fs as files};"), ["fs"]);
    assert_eq!(found("fn f() { if x { println!(\"{y}\") } }"), ["println"]);
    assert_eq!(found("#[cfg(test)] mod a; use std::fs;"), ["fs"]);
    assert_eq!(found("#[cfg(test)] mod a { } use std::fs;"), ["fs"]);
    let good = "//! fs\n/// File\nfn f() { g(\"println\") } // fs\n\
                #[cfg(test)]\nmod tests { use std::fs; fn f() { println!() } }";
    assert_eq!(found(good), [""; 0]);
}

#[test]
fn no_two_files_of_a_crate_import_each_other() {
    let mut sources: BTreeMap<String, Vec<String>> = crates()
        .into_iter()
        .map(|name| (format!("crates/{name}"), library_sources(&name)))
        .collect();
    sources.insert("xtask".to_owned(), files_in("xtask/src/", ".rs"));
    let mut faults = Vec::new();
    for (folder, files) in sources {
        let source = format!("{folder}/src/");
        let texts = files
            .iter()
            .map(|file| (file.trim_start_matches(&source).to_owned(), read(file)));
        for circle in imports::circles(&texts.collect()) {
            faults.push(format!("{folder}: {}", circle.join(", ")));
        }
    }
    assert_eq!(faults, [""; 0]);
}

#[test]
fn every_dependency_is_used() {
    let workspace: Table = read("Cargo.toml").parse().expect("the workspace");
    let listed = workspace["workspace"]["dependencies"].as_table();
    let mut unused: BTreeSet<&str> = listed
        .expect("dependencies of the workspace")
        .keys()
        .map(String::as_str)
        .collect();
    let mut faults = Vec::new();
    let folders = crates().into_iter().map(|name| format!("crates/{name}/"));
    for folder in folders.chain(["xtask/", "tests/"].map(str::to_owned)) {
        let manifest: Table = read(format!("{folder}Cargo.toml")).parse().expect(&folder);
        let mut words = BTreeSet::new();
        for file in files_in(&folder, ".rs") {
            let text = read(&file);
            let found = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.extend(found.map(str::to_owned));
        }
        for (kind, name) in dependencies(&manifest) {
            unused.remove(name.as_str());
            if !words.contains(&name.replace('-', "_")) {
                faults.push(format!("{folder}: no source names {name} of its {kind}"));
            }
        }
    }
    assert_eq!(faults, [""; 0]);
    assert!(
        unused.is_empty(),
        "no crate has {unused:?} of the workspace"
    );
}

#[test]
fn libraries_document_all_that_is_public() {
    let without = crates().into_iter().filter(|name| {
        !read(format!("crates/{name}/src/lib.rs")).contains("\n#![warn(missing_docs)]\n")
    });
    assert_eq!(without.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_plugin_has_all_its_parts() {
    let committed: BTreeSet<_> = committed_files().into_iter().collect();
    let mut expected: Vec<String> = Vec::new();
    for name in plugins() {
        expected.extend(["lib.rs", "main.rs"].map(|file| format!("crates/{name}/src/{file}")));
        expected.push(format!("kconfig/{name}/edits.toml"));
        expected.push(format!("docs/plugins/{name}.md"));
    }
    expected.extend(
        crates()
            .iter()
            .map(|name| format!("crates/{name}/README.md")),
    );
    expected.retain(|file| !committed.contains(file));
    assert_eq!(expected, [""; 0], "these files are missing");
}

#[test]
fn every_folder_of_glue_belongs_to_a_plugin() {
    let mut allowed = plugins();
    allowed.insert("hooks".to_owned());
    let mut files = files_in("kconfig/", "");
    files.retain(|file| {
        let folder = file.split('/').nth(1).unwrap_or_default();
        !allowed.contains(folder)
    });
    assert_eq!(files, [""; 0]);
}

#[test]
fn the_one_table_has_every_plugin() {
    let table = plugin_table::table().unwrap_or_else(|error| panic!("{error}"));
    let listed = table.plugins().map(|plugin| plugin.name.to_owned());
    assert_eq!(listed.collect::<BTreeSet<_>>(), plugins());
    // No other source embeds these files; a tool may embed only its own data.
    let sources = files_in("crates/", ".rs").into_iter();
    let mut second: Vec<_> = sources.chain(files_in("xtask/", ".rs")).collect();
    second.retain(|file| !file.contains("/tests/") && read(file).contains("../kconfig"));
    let second = second
        .iter()
        .filter(|file| !READS_KCONFIG.contains(&file.as_str()));
    assert_eq!(second.collect::<Vec<_>>(), [&""; 0]);
}

/// The sources that embed files of `kconfig/`.
const READS_KCONFIG: [&str; 3] = [
    "crates/plugin-table/build.rs",
    "crates/plugin-table/src/lib.rs",
    "crates/lto-disable/src/list.rs",
];

#[test]
fn every_invariant_stands_in_the_page() {
    let mut of_crates = BTreeMap::new();
    for name in crates() {
        if let Some(text) = invariant_of_library(&read(format!("crates/{name}/src/lib.rs"))) {
            of_crates.insert(name, text);
        }
    }
    let of_page = invariants_of_page(&read("docs/architecture.md"));
    let mut faults = Vec::new();
    for name in crates() {
        let (library, page) = (of_crates.get(&name), of_page.get(&name));
        if library.is_none() || library != page {
            faults.push(format!(
                "{name}\n  lib.rs:          {library:?}\n  architecture.md: {page:?}"
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let crates = crates();
    let gone: Vec<_> = of_page
        .keys()
        .filter(|name| !crates.contains(*name))
        .collect();
    assert!(
        gone.is_empty(),
        "in architecture.md, but no crates: {gone:?}"
    );
}

const INVARIANT: &str = "**Invariant:** ";

/// Returns the paragraph of a crate's documentation that begins with the mark.
fn invariant_of_library(text: &str) -> Option<String> {
    let lines = text.lines().map_while(|line| line.strip_prefix("//"));
    let lines = lines
        .filter_map(|line| line.strip_prefix('!'))
        .map(str::trim);
    let mut paragraph = lines.skip_while(|line| !line.starts_with(INVARIANT));
    let first = paragraph.next()?.strip_prefix(INVARIANT)?;
    let rest = paragraph.take_while(|line| !line.is_empty());
    Some(plain([first].into_iter().chain(rest)))
}

/// Returns crate and invariant of every list item that begins with the folder of a crate.
fn invariants_of_page(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for item in text.split("\n- `crates/").skip(1) {
        let end = item.find("\n- ").into_iter().chain(item.find("\n\n")).min();
        let item = item.get(..end.unwrap_or(item.len())).unwrap_or_default();
        if let Some((name, rest)) = item.split_once('`')
            && let Some((_, invariant)) = rest.split_once(INVARIANT)
        {
            found.insert(name.to_owned(), plain(invariant.lines()));
        }
    }
    found
}

/// Joins lines into one text, without the brackets of links.
fn plain<'line>(lines: impl Iterator<Item = &'line str>) -> String {
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ").replace(['[', ']'], "")
}

#[test]
fn invariants_are_read_from_libraries_and_page() {
    let library =
        "// SPDX\n//! What.\n//!\n//! **Invariant:** knows [`A`]\n//! and b.\n//!\n//! More.\n";
    let page = "# Crates\n- `crates/a`: what. **Invariant:** knows `A`\n  and b.\n\
                - `crates/b`: has none.\n- `crates/c`: **Invariant:** c.\n\nMore.\n";
    assert_eq!(invariant_of_library(library).unwrap(), "knows `A` and b.");
    assert_eq!(invariant_of_library("//! What.\n//! **Other:** a\n"), None);
    let of_page = invariants_of_page(page);
    assert_eq!(of_page["a"], "knows `A` and b.");
    assert_eq!(of_page["c"], "c.");
    assert_eq!(of_page.len(), 2);
}

#[test]
fn every_file_has_its_licence_line() {
    let files = committed_files();
    let faults: Vec<_> = files
        .iter()
        .filter_map(|file| licence_fault(file))
        .collect();
    assert_eq!(faults, [""; 0]);
    for (file, reason) in WITHOUT_LICENCE_LINE {
        assert!(
            files.contains(&file.to_owned()),
            "{file} ({reason}) is gone"
        );
    }
}

fn licence_fault(file: &str) -> Option<String> {
    let is_known = WITHOUT_LICENCE_LINE.iter().any(|(known, _)| *known == file);
    if is_known || file.starts_with(ANY_BYTES) {
        return None;
    }
    let bytes = fs::read(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    licence_line_fault(file, &String::from_utf8_lossy(&bytes))
}

/// Checks that one of the first three lines is the licence line; files for kernel trees are GPL-2.0-only.
fn licence_line_fault(file: &str, text: &str) -> Option<String> {
    let expected = if file.starts_with("kconfig/") {
        "GPL-2.0-only"
    } else {
        "GPL-2.0-only OR MIT"
    };
    let mut first = text.lines().take(3);
    let line = first.find_map(|line| line.split_once("SPDX-License-Identifier: "));
    let Some((_, licence)) = line else {
        return Some(format!("{file}: no licence line"));
    };
    let licence = ["-->", "*/"]
        .iter()
        .fold(licence, |text, end| text.trim_end_matches(end));
    let licence = licence.trim();
    (licence != expected).then(|| format!("{file}: {licence} instead of {expected}"))
}

#[test]
fn a_wrong_licence_line_is_found() {
    let key = "SPDX-License-Identifier: ";
    for (file, line, good) in [
        ("a.rs", format!("// {key}GPL-2.0-only OR MIT\n"), true),
        ("a.md", format!("<!-- {key}GPL-2.0-only OR MIT -->\n"), true),
        (
            "a.sh",
            format!("#!/bin/sh\n# {key}GPL-2.0-only OR MIT\n"),
            true,
        ),
        ("kconfig/a.h", format!("/* {key}GPL-2.0-only */\n"), true),
        (
            "kconfig/a.h",
            format!("/* {key}GPL-2.0-only OR MIT */\n"),
            false,
        ),
        ("a.rs", format!("// {key}GPL-2.0-only\n"), false),
        (
            "a.rs",
            format!("\n\n\n// {key}GPL-2.0-only OR MIT\n"),
            false,
        ),
        ("a.rs", "fn main() {}\n".to_owned(), false),
    ] {
        assert_eq!(
            licence_line_fault(file, &line).is_none(),
            good,
            "{file}: {line}"
        );
    }
}

#[test]
fn no_file_names_the_host_of_a_registry() {
    let mut files = committed_files();
    files.retain(|file| !file.ends_with("Cargo.lock"));
    let mut faults = Vec::new();
    for file in files {
        let bytes = fs::read(root().join(&file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let hosts = registry_hosts(&String::from_utf8_lossy(&bytes));
        faults.extend(hosts.iter().map(|host| format!("{file}: {host}")));
    }
    assert_eq!(faults, [""; 0]);
}

fn registry_hosts(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let hosts = REGISTRIES.map(|(name, domain)| format!("{name}.{domain}"));
    hosts
        .into_iter()
        .filter(|host| text.contains(host))
        .collect()
}

#[test]
fn the_host_of_a_registry_is_found() {
    for (name, domain) in REGISTRIES {
        let text = format!("see HTTPS://mirror.{name}.{domain}/pool");
        assert_eq!(registry_hosts(&text), [format!("{name}.{domain}")]);
    }
    assert_eq!(registry_hosts("a@example.org, crates/io.rs"), [""; 0]);
}

#[test]
fn every_help_has_examples() {
    let mut mains = files_in("crates/", "/src/main.rs");
    mains.push("xtask/src/main.rs".to_owned());
    let commands = files_in("xtask/src/", ".rs");
    let commands = commands.into_iter().filter(|file| {
        let text = read(file);
        // A command has `Args`; one that only groups others shows their list.
        text.contains("pub struct Args") && !text.contains("#[command(subcommand)]")
    });
    let mut without: Vec<String> = mains.into_iter().chain(commands).collect();
    without.retain(|file| !has_examples(&read(file)));
    assert_eq!(without, [""; 0]);
}

fn has_examples(text: &str) -> bool {
    text.contains("after_help = ")
        && (text.contains("Examples:\n  ") || text.contains("Example:\n  "))
}

#[test]
fn a_help_without_examples_is_found() {
    assert!(has_examples(
        "#[command(after_help = \"Examples:\n  tool -o x\")]"
    ));
    assert!(!has_examples("#[command(after_help = \"Exit code: 0.\")]"));
    assert!(!has_examples("// Examples:\n  x"));
}

#[test]
fn the_page_names_only_files_that_are_there() {
    let page = read("docs/architecture.md");
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).collect();
    let folders = ["crates/", "docs/", "kconfig/", "tests/", "xtask/"];
    let ours = |text: &&&str| folders.iter().any(|folder| text.starts_with(folder));
    let named: Vec<&str> = named.iter().filter(ours).copied().collect();
    assert!(
        named.len() > 30,
        "the page names {} files only",
        named.len()
    );
    let gone = named
        .iter()
        .filter(|path| !path.contains('<') && !root().join(path).exists());
    assert_eq!(gone.collect::<Vec<_>>(), [&""; 0]);
}

#[test]
fn the_index_has_every_page() {
    let index = read("docs/README.md");
    let mut pages = files_in("docs/", ".md");
    // Commands write the results, and one page describes them.
    pages.retain(|page| page == "docs/results/README.md" || !page.starts_with("docs/results/"));
    pages.retain(|page| page != "docs/README.md");
    pages.retain(|page| !index.contains(&format!("]({})", page.trim_start_matches("docs/"))));
    assert_eq!(pages, [""; 0], "docs/README.md does not name these");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut faults = Vec::new();
    for file in files_in("", ".md") {
        let folder = root()
            .join(&file)
            .parent()
            .map(Path::to_owned)
            .unwrap_or_default();
        for target in links(&read(&file)) {
            if !folder.join(&target).exists() {
                faults.push(format!("{file}: {target}"));
            }
        }
    }
    assert_eq!(faults, [""; 0]);
}

/// Returns the targets of links to files, without fragments.
fn links(text: &str) -> Vec<String> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let files = targets.filter_map(|target| target.split('#').next());
    let files = files.filter(|file| !file.is_empty() && !file.contains("://"));
    files.map(str::to_owned).collect()
}

#[test]
fn links_are_taken_from_text() {
    let text = "[a](b.md), [c](d/e.md#f), [g](#h) and [i](https://example.org/j)";
    assert_eq!(links(text), ["b.md", "d/e.md"]);
}

#[test]
fn every_message_of_troubleshooting_is_one_that_is_printed() {
    let mut printed = String::new();
    let places = [("crates/", ".rs"), ("xtask/src/", ".rs"), ("kconfig/", "")];
    for file in places.iter().flat_map(|(begin, end)| files_in(begin, end)) {
        if !file.contains("/tests/") && !file.ends_with("/tests.rs") {
            printed.push_str(&as_printed(&read(&file)));
        }
    }
    let page = read("docs/troubleshooting.md");
    let messages = messages(&page);
    assert!(messages.len() > 20, "only {} messages", messages.len());
    let unknown = messages
        .iter()
        .filter(|message| !is_printed(message, &printed));
    assert_eq!(unknown.collect::<Vec<_>>(), [&""; 0]);
}

/// Returns the headings that are messages: a code span, with `…` for a value.
fn messages(page: &str) -> Vec<&str> {
    let headings = page.lines().filter_map(|line| line.strip_prefix("### `"));
    headings
        .map(|heading| heading.trim_matches(['`', ' ']))
        .collect()
}

/// Returns source text with continued texts joined, and quotation marks as printed.
fn as_printed(source: &str) -> String {
    let mut lines = source.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let joined = lines.fold(first, |text, line| text + line.trim_start());
    joined.replace("\\\"", "\"")
}

/// Returns whether the sources contain all parts of a message.
fn is_printed(message: &str, printed: &str) -> bool {
    let mut parts = message
        .split('…')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts.all(|part| printed.contains(part))
}

#[test]
fn a_message_that_nobody_prints_is_found() {
    let source = "#[error(\"{object}: symbol {symbol} has \\\n         no \\\"CRC\\\"\")]";
    let printed = as_printed(source);
    let page = "### `…: symbol … has no \"CRC\"`\n### ``: sym`bol``\n### Not a message\n";
    let messages = messages(page);
    assert_eq!(messages, ["…: symbol … has no \"CRC\"", ": sym`bol"]);
    assert!(is_printed(messages[0], &printed));
    assert!(!is_printed(messages[1], &printed));
}

/// make compares each variable that Kconfig has expanded with its current value, before it reads
/// the plugins' Makefile text. A variable of this text would differ, and make would synchronize the
/// configuration without end.
#[test]
fn kconfig_expands_no_variable_that_make_sets_later() {
    let fragments = files_in("kconfig/", "");
    let fragments: Vec<String> = fragments
        .into_iter()
        .filter(|file| file.contains("/Kconfig"))
        .collect();
    assert!(fragments.len() > 5, "{fragments:?}");
    let set_later: Vec<String> = fragments
        .into_iter()
        .filter(|file| read(file).contains("$(LTO_"))
        .collect();
    assert_eq!(set_later, [""; 0]);
}

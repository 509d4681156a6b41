// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! lld's cache of generated code.

use test_support::{ARM64, TestDir};

use crate::support::{elf, files, ld_lld, link, logged, logging_linker, lto_link};

const CACHED: [&str; 10] = [
    "module",
    "-o",
    "m.o",
    "--cache",
    "deep/cache",
    "--cache-policy",
    "cache_size_bytes=1g:prune_after=168h",
    "--objs",
    "a.o",
    "b.o",
];

fn objects() -> TestDir {
    let dir = TestDir::new();
    let flags = [ARM64, "-O2", "-flto=thin"];
    dir.c("a.o", "int a(int x) { return x + 1; }", &flags);
    dir.c("b.o", "int b(int x) { return x + 2; }", &flags);
    dir
}

/// Returns the generated code in the cache, with its bytes.
fn entries(dir: &TestDir) -> Vec<(String, Vec<u8>)> {
    let names = files(&dir.join("deep/cache"));
    let entries = names
        .into_iter()
        .filter(|name| name.starts_with("llvmcache-"));
    entries
        .map(|name| (name.clone(), dir.read(format!("deep/cache/{name}"))))
        .collect()
}

#[test]
fn code_is_generated_once() {
    let dir = objects();
    link(&dir, &CACHED);
    let (first, cached) = (dir.read("m.o"), entries(&dir));
    assert_eq!(cached.len(), 2, "one entry per object");

    std::fs::remove_file(dir.join("m.o")).unwrap();
    link(&dir, &CACHED);
    assert_eq!(dir.read("m.o"), first);
    assert_eq!(entries(&dir), cached, "nothing was generated anew");

    // A change in one object makes one new entry.
    let flags = [ARM64, "-O2", "-flto=thin"];
    dir.c("b.o", "int b(int x) { return x + 3; }", &flags);
    link(&dir, &CACHED);
    assert_ne!(dir.read("m.o"), first);
    assert_eq!(entries(&dir).len(), 3);
}

/// The test puts other code into the cache under the same key, to see the second link take it.
#[test]
fn the_second_link_takes_code_from_the_cache() {
    let dir = objects();
    link(&dir, &CACHED);
    let defines_a = |bytes: &[u8]| {
        let elf = elf(bytes);
        let mut names = elf.syms.iter().map(|symbol| symbol.st_name);
        names.any(|name| elf.strtab.get_at(name) == Some("a"))
    };
    let (name, _) = entries(&dir)
        .into_iter()
        .find(|(_, bytes)| defines_a(bytes))
        .expect("the code of a.o is in the cache");
    let other = dir.c(
        "other.o",
        "int a(int x) { return x + 4711; }",
        &[ARM64, "-O2"],
    );
    std::fs::copy(other, dir.join(format!("deep/cache/{name}"))).unwrap();
    link(&dir, &CACHED);
    let listing = dir.run("llvm-objdump", &["-d", "m.o"]);
    assert!(listing.contains("0x1267"), "{listing}");
}

/// The keys of LLVM 14 do not have these options: code of other options would be taken.
#[test]
fn code_of_other_options_is_not_taken() {
    let dir = objects();
    link(&dir, &CACHED);
    let first = entries(&dir);
    let linker = ld_lld();
    let options = ["--", &linker, "-mllvm", "-align-all-functions=7"];
    let with_options = [&CACHED[..], &options].concat();
    test_support::stdout(&mut lto_link(&dir, &with_options));
    let second = entries(&dir);
    assert_eq!(second.len(), 2);
    assert!(first.iter().all(|entry| !second.contains(entry)));
    // Links with the same options, such as those of modules, leave each other's entries.
    test_support::stdout(&mut lto_link(&dir, &with_options));
    assert_eq!(entries(&dir), second);
}

#[test]
fn policy_and_place_of_the_cache_are_lld_s() {
    let dir = objects();
    logging_linker(&dir);
    let arguments = [&CACHED[..], &["--", "sh", "fake-ld"]].concat();
    test_support::stdout(&mut lto_link(&dir, &arguments));
    assert_eq!(logged(&dir, "--thinlto-cache-dir"), ["deep/cache"]);
    assert_eq!(
        logged(&dir, "--thinlto-cache-policy"),
        ["cache_size_bytes=1g:prune_after=168h"]
    );
}

#[test]
fn without_a_cache_none_is_made() {
    let dir = objects();
    logging_linker(&dir);
    let arguments = [
        "module", "-o", "m.o", "--objs", "a.o", "--", "sh", "fake-ld",
    ];
    test_support::stdout(&mut lto_link(&dir, &arguments));
    assert_eq!(logged(&dir, "--thinlto-cache-dir"), [""; 0]);
    assert!(!dir.join("deep").exists());
}

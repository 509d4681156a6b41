// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares statements about kernel trees with the sources of one.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use kernel_facts::KnownLto;
use lto_disable::{DisabledEntry, LIST, List, parse_fragment};
use walkdir::WalkDir;

/// The variable with the source tree of a Linux 5.10.
const TREE_VARIABLE: &str = "KBUILD_LTO_TREE_5_10";

fn tree() -> PathBuf {
    let tree = env::var_os(TREE_VARIABLE).unwrap_or_else(|| {
        panic!("this test needs the sources of Linux 5.10: set {TREE_VARIABLE}")
    });
    let tree = PathBuf::from(tree);
    assert!(
        tree.join("kernel/configs.c").exists(),
        "{TREE_VARIABLE} is {}, which has no kernel/configs.c",
        tree.display()
    );
    tree
}

/// Returns the C files of the kernel that include another file's content, relative to the tree.
fn including(tree: &Path) -> Vec<PathBuf> {
    let files = WalkDir::new(tree).sort_by_file_name().into_iter();
    let sources = files
        .filter_entry(|entry| entry.depth() != 1 || entry.file_name() != "tools")
        .map(|entry| entry.expect("the tree can be read").into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .filter(|path| {
            let text = fs::read(path).expect("the source can be read");
            String::from_utf8_lossy(&text).contains(".incbin")
        });
    sources
        .map(|path| path.strip_prefix(tree).expect("below the tree").to_owned())
        .collect()
}

/// lld's cache key does not cover the content of an included file.
#[test]
fn every_c_file_that_includes_another_s_content_is_native_code() {
    let tree = tree();
    let list = List::parse(LIST).unwrap();
    let entries = list.resolve(&tree, &KnownLto::None).unwrap();
    let disabled = parse_fragment(&DisabledEntry::fragment(&entries));
    let sources = including(&tree);
    assert!(
        sources.contains(&PathBuf::from("kernel/configs.c")),
        "{sources:?}"
    );
    let bitcode: Vec<_> = sources
        .iter()
        .map(|source| source.with_extension("o").display().to_string())
        .filter(|object| !disabled.is_disabled(object))
        .collect();
    assert_eq!(bitcode, [""; 0]);
}

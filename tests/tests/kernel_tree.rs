// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares statements about kernel trees with the sources of one, and plans installs into it.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kernel_facts::KnownLto;
use kernel_tree::{Author, Division, Plan, Plugin, Table, Tree};
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

/// Returns every set of plugins that has all that its members require, except the empty one.
fn subsets<'a>(plugins: &[&'a Plugin]) -> Vec<BTreeSet<&'a str>> {
    let mut subsets = vec![BTreeSet::new()];
    // Required plugins precede those that require them.
    for plugin in plugins {
        let mut larger = subsets.clone();
        larger.retain(|subset: &BTreeSet<&str>| {
            let mut requires = plugin.requires.iter();
            requires.all(|name| subset.contains(name.as_str()))
        });
        for subset in &mut larger {
            subset.insert(plugin.name);
        }
        subsets.extend(larger);
    }
    subsets.retain(|subset| !subset.is_empty());
    subsets
}

/// Returns a copy of the files of the tree that an install of all plugins edits or looks at, in which plans are
/// quick, because lto-disable has few objects to list.
fn small_tree(tree: &Tree, table: &Table) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan::new(tree, &table.all(), "1.0").unwrap();
    let edited = plan.edited.keys().map(String::as_str);
    for path in edited.chain(["Kconfig", "include/asm-generic/rwonce.h"]) {
        let text = tree
            .read(path)
            .unwrap()
            .unwrap_or_else(|| panic!("no {path}"));
        write(dir.path(), path, &text);
    }
    let small = Tree::open(dir.path()).unwrap();
    let same = Plan::new(&small, &table.all(), "1.0").unwrap();
    assert_eq!(same.edited, plan.edited);
    let made = |plan: &Plan| plan.created.keys().cloned().collect::<Vec<_>>();
    assert_eq!(made(&same), made(&plan));
    dir
}

/// Writes a file, and makes its directories.
fn write(dir: &Path, path: &str, text: &[u8]) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Returns the files of the install that a text of the tree reads: by make, Kconfig or the compiler.
fn read_files(text: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in text.lines().map(str::trim_start) {
        let path = if let Some(path) = line.strip_prefix("include $(srctree)/") {
            path
        } else if let Some(rest) = line.strip_prefix("source \"") {
            rest.trim_end_matches('"')
        } else if let Some(path) = line.strip_prefix("include-y\t\t\t+= ") {
            path
        } else if let Some(rest) = line.strip_prefix("#include <linux/lto_") {
            files.push(format!("include/linux/lto_{}", rest.trim_end_matches('>')));
            continue;
        } else {
            continue;
        };
        if path.starts_with("scripts/lto/") {
            files.push(path.to_owned());
        }
    }
    files
}

/// Each subset is planned without a refusal, reads only files that it has, and offers LTO only if it has
/// every plugin that LTO needs.
#[test]
fn every_subset_that_requires_allows_can_be_installed() {
    let table = plugin_table::table().unwrap();
    let plugins: Vec<&Plugin> = table.plugins().collect();
    let small = small_tree(&Tree::open(&tree()).unwrap(), &table);
    let tree = Tree::open(small.path()).unwrap();
    let subsets = subsets(&plugins);
    assert_eq!(subsets.len(), 203);
    let needed = plugin_table::needed_for_lto();
    let mut faults = Vec::new();
    for subset in &subsets {
        let names: Vec<&str> = subset.iter().copied().collect();
        let plan = match Plan::new(&tree, &table.select(&names).unwrap(), "1.0") {
            Ok(plan) => plan,
            Err(error) => {
                faults.push(format!("{subset:?}: {error}"));
                continue;
            }
        };
        assert_eq!(plan.plugins.len(), subset.len());
        let edited = plan.edited.values().map(|file| &file.text);
        let texts: Vec<_> = edited
            .chain(plan.created.values().map(|file| &file.text))
            .map(|text| String::from_utf8_lossy(text))
            .collect();
        let read = texts.iter().flat_map(|text| read_files(text));
        let missing: BTreeSet<_> = read
            .filter(|path| !plan.created.contains_key(path))
            .collect();
        if !missing.is_empty() {
            faults.push(format!(
                "{subset:?}: reads {missing:?}, which it does not have"
            ));
        }
        let kconfig = plan.created.get("scripts/lto/Kconfig");
        let kconfig = kconfig.map(|file| String::from_utf8_lossy(&file.text));
        let kconfig = kconfig.as_deref().unwrap_or_default();
        let has = |option: &str| kconfig.contains(&format!("config {option}\n"));
        let symbol = |plugin: &str| {
            let name = plugin.to_uppercase().replace('-', "_");
            format!("LTO_PLUGIN_{name}")
        };
        let offers = has("HAS_LTO_CLANG")
            && needed.iter().all(|needed| {
                // The plugin of the option itself has no symbol.
                needed.plugin == "lto-link" || has(&symbol(&needed.plugin))
            });
        let is_whole = needed
            .iter()
            .all(|needed| subset.contains(needed.plugin.as_str()));
        if offers != is_whole {
            faults.push(format!("{subset:?}: Kconfig offers LTO: {offers}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_that_a_text_reads_are_found() {
    let text = "include $(srctree)/scripts/lto/Makefile.build\n\tsource \"scripts/lto/Kconfig\"\n\
                include-y\t\t\t+= scripts/lto/Makefile.top\n#include <linux/lto_prel32.h>\n\
                #include <linux/init.h>\ninclude $(srctree)/scripts/Makefile.lib\n";
    let found = [
        "scripts/lto/Makefile.build",
        "scripts/lto/Kconfig",
        "scripts/lto/Makefile.top",
        "include/linux/lto_prel32.h",
    ];
    assert_eq!(read_files(text), found);
}

/// Runs git in `dir`, without the configuration of the user.
fn git(dir: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=T", "-c", "user.email=t@example.org"])
        .args(["-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    test_support::stdout(&mut git);
}

/// The patches of a series by maintainer apply in order to the files that they edit, and the last ones are
/// those of the architectures.
#[test]
fn a_series_by_maintainer_applies_step_by_step() {
    let tree = Tree::open(&tree()).unwrap();
    let table = plugin_table::table().unwrap();
    let author = Author {
        name_and_mail: "A Tester <tester@example.org>".into(),
        date: "Fri, 2 Jan 2026 03:04:05 +0000".into(),
    };
    let division = Division::Maintainers(plugin_table::maintained_trees().unwrap());
    let prose = plugin_table::prose();
    let series =
        kernel_tree::series(&tree, &table.all(), "1.0", prose, &division, &author).unwrap();
    let plan = Plan::new(&tree, &table.all(), "1.0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (path, file) in &plan.edited {
        write(dir.path(), path, &file.pristine);
    }
    for path in ["MAINTAINERS", "Documentation/kbuild/index.rst"] {
        write(dir.path(), path, &tree.read(path).unwrap().unwrap());
    }
    git(dir.path(), &["init", "-q"]);
    git(dir.path(), &["add", "-A"]);
    git(dir.path(), &["commit", "-q", "-m", "pristine"]);
    let mail = tempfile::tempdir().unwrap();
    let patches: Vec<_> = series
        .patches
        .iter()
        .filter(|patch| !patch.is_cover_letter())
        .collect();
    for patch in &patches {
        let path = mail.path().join(&patch.file_name);
        fs::write(&path, &patch.text).unwrap();
        git(dir.path(), &["am", "-q", &path.display().to_string()]);
    }
    let edited = plan.edited.iter().map(|(path, file)| (path, &file.text));
    let created = plan.created.iter().map(|(path, file)| (path, &file.text));
    for (path, text) in edited.chain(created) {
        assert_eq!(&fs::read(dir.path().join(path)).unwrap(), text, "{path}");
    }
    let names: Vec<_> = patches
        .iter()
        .map(|patch| patch.file_name.as_str())
        .collect();
    let of_arch = |name: &&&str| name.contains("-arm64-lto-") || name.contains("-x86-lto-");
    // Both architectures offer LTO, and x86 keeps counters out of its early code.
    assert_eq!(
        names.iter().rev().take_while(of_arch).count(),
        3,
        "{names:?}"
    );
    assert_eq!(names.iter().filter(of_arch).count(), 3, "{names:?}");
    for tree in ["asm-generic", "compiler", "kbuild", "PCI", "objtool"] {
        let start = format!("-{tree}-lto-");
        assert!(
            names.iter().any(|name| name.contains(&start)),
            "{tree}: {names:?}"
        );
    }
}

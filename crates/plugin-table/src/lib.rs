// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The table of all plugins, made of the folders of `kconfig/`.
//!
//! A plugin describes itself in its folder. `build.rs` embeds every file of every folder, so that a
//! new plugin needs no entry here, unless it computes a file from the facts of a tree.
//!
//! **Invariant:** knows no plugin by name, except those that compute files. The plugins'
//! libraries compute the files; kernel-tree applies them.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

use kernel_tree::{
    Folder, Generate, GenerateResult, Generated, GlueFile, MaintainedTrees, Prose, Table, Tree,
};
use lto_disable::{DisabledEntry, LIST, List};

include!(concat!(env!("OUT_DIR"), "/kconfig.rs"));

/// The version of all plugins, which their tools print for `--version`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folder with the places where plugins meet.
const HOOKS: &str = "hooks";

/// The plugins that compute files.
const COMPUTING: [(&str, Generate); 1] = [("lto-disable", disabled_objects)];

/// Returns all plugins, in the order in which they are installed.
///
/// # Errors
/// The texts in `kconfig/` contradict each other; tests rule this out.
pub fn table() -> kernel_tree::Result<Table> {
    let mut hooks = "";
    let mut folders = Vec::new();
    for &(name, files) in FOLDERS {
        if name == HOOKS {
            let edits = files.iter().find(|file| file.name == "edits.toml");
            hooks = edits.map_or("", |file| file.text);
            continue;
        }
        let computing = COMPUTING.iter().find(|(plugin, _)| *plugin == name);
        folders.push(Folder {
            name,
            files,
            generate: computing.map(|(_, generate)| *generate),
        });
    }
    Table::new(hooks, folders)
}

/// A plugin that Kconfig requires for LTO, in a tree without its own LTO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its name.
    pub plugin: String,
    /// The option that makes it necessary; `None` if it always is.
    pub with: Option<String>,
}

/// Returns the plugins that Kconfig requires for LTO: lto-link, and those in its `HAS_LTO_CLANG`.
pub fn needed_for_lto() -> Vec<Needed> {
    let files = FOLDERS.iter().filter(|(folder, _)| *folder == OFFERS_LTO);
    let files = files.flat_map(|(_, files)| *files);
    let mut kconfig = files.filter(|file| file.name == "Kconfig");
    let text = kconfig.next().map_or("", |file| file.text);
    let entry = text.split("config HAS_LTO_CLANG\n").nth(1);
    let entry = entry.and_then(|rest| rest.split("\n\n").next());
    let depends = entry.unwrap_or_default().lines();
    let needed = depends.filter_map(|line| {
        let symbol = line.trim().strip_prefix("depends on LTO_PLUGIN_")?;
        let (symbol, with) = match symbol.split_once(" || !") {
            Some((symbol, option)) => (symbol, Some(option.to_owned())),
            None => (symbol, None),
        };
        let plugin = symbol.to_lowercase().replace('_', "-");
        Some(Needed { plugin, with })
    });
    let plugin = OFFERS_LTO.to_owned();
    std::iter::once(Needed { plugin, with: None })
        .chain(needed)
        .collect()
}

/// Returns the names of all plugins, sorted. Reads none of their texts.
pub fn names() -> impl Iterator<Item = &'static str> {
    let folders = FOLDERS.iter().map(|(folder, _)| *folder);
    folders.filter(|folder| *folder != HOOKS)
}

/// Returns the texts of a series that are not of one plugin. A test rules out that they are missing.
pub fn prose() -> Prose {
    // The first line is that of the licence.
    let cover = of_hooks("cover-letter.txt").split_once('\n');
    Prose {
        cover: cover.map_or("", |(_, text)| text),
        page: of_hooks("llvm-lto.rst"),
    }
}

/// Returns the maintainers' trees that a series is split by.
///
/// # Errors
/// `kconfig/hooks/trees.toml` is wrong; a test rules this out.
pub fn maintained_trees() -> kernel_tree::Result<MaintainedTrees> {
    MaintainedTrees::parse(of_hooks("trees.toml"))
}

/// Returns a text of the folder of the hooks.
fn of_hooks(name: &str) -> &'static str {
    let hooks = FOLDERS.iter().filter(|(folder, _)| *folder == HOOKS);
    let mut files = hooks.flat_map(|(_, files)| *files);
    let file = files.find(|file| file.name == name);
    file.map_or("", |file| file.text)
}

/// The plugin that has the option for LTO.
const OFFERS_LTO: &str = "lto-link";

/// Resolves the list of lto-disable for the tree; a pattern that matches nothing gives a note.
fn disabled_objects(tree: &Tree) -> GenerateResult {
    let entries = List::parse(LIST)?.resolve(tree.dir(), &tree.known_lto()?)?;
    let unmatched = entries.iter().filter(|entry| entry.objects.is_empty());
    let notes = unmatched
        .map(|entry| format!("{}: nothing in this tree ({})", entry.pattern, entry.reason))
        .collect();
    let text = DisabledEntry::fragment(&entries);
    let path = "scripts/lto/lto-disabled.mk".to_owned();
    Ok(vec![Generated { path, text, notes }])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::error::Error as _;
    use std::fs;
    use std::path::Path;

    use test_support::TestDir;

    use super::*;

    #[test]
    fn the_table_makes_sense() {
        let table = table().unwrap_or_else(|error| panic!("{error}: {:?}", error.source()));
        assert!(table.plugins().count() >= 8);
    }

    #[test]
    fn every_plugin_says_what_it_stands_for() {
        for plugin in table().expect("a table").plugins() {
            assert!(
                !plugin.title.is_empty() && !plugin.title.ends_with('.') && !plugin.body.is_empty(),
                "{}",
                plugin.name
            );
            assert!(!plugin.upstream.is_empty(), "{}", plugin.name);
        }
    }

    #[test]
    fn every_part_for_a_maintainer_has_its_subject() {
        let (table, trees) = (table().unwrap(), maintained_trees().unwrap());
        let mut parts = 0;
        for plugin in table.plugins() {
            let files = table.files_of(plugin.name);
            let in_trees: BTreeSet<_> = files.map(|file| trees.name(file)).collect();
            let others = in_trees.iter().filter(|name| **name != "kbuild");
            let named = plugin.parts.iter().map(|part| part.tree.as_str());
            let named: BTreeSet<_> = named.collect();
            assert_eq!(
                others.copied().collect::<BTreeSet<_>>(),
                named,
                "{}",
                plugin.name
            );
            parts += named.len();
        }
        assert!(parts >= 7, "{parts}");
    }

    #[test]
    fn the_documentation_names_options_that_kconfig_has() {
        let files = FOLDERS.iter().flat_map(|(_, files)| *files);
        let kconfig: String = files
            .filter(|file| file.name.starts_with("Kconfig"))
            .map(|file| file.text)
            .collect();
        let Prose { cover, page } = prose();
        assert!(!cover.is_empty() && !cover.contains("SPDX"));
        let options = page
            .lines()
            .filter_map(|line| line.strip_prefix("``CONFIG_")?.strip_suffix("``"));
        let options: Vec<_> = options.collect();
        assert!(options.len() >= 5, "{options:?}");
        for option in options {
            assert!(kconfig.contains(&format!("config {option}\n")), "{option}");
        }
    }

    #[test]
    fn what_lto_needs_is_what_kconfig_says() {
        let needed = needed_for_lto();
        let expected = [
            ("lto-link", None),
            ("initcall-order", None),
            ("lto-disable", None),
            ("section-merge", None),
            ("prel32-fix", Some("HAVE_ARCH_PREL32_RELOCATIONS")),
            ("modversions", Some("MODVERSIONS")),
            ("mod-dedup", Some("TRIM_UNUSED_KSYMS")),
        ];
        let found = needed
            .iter()
            .map(|needed| (needed.plugin.as_str(), needed.with.as_deref()));
        assert!(found.eq(expected), "{needed:?}");
        let table = table().expect("a table");
        let names: BTreeSet<_> = table.plugins().map(|plugin| plugin.name).collect();
        assert!(expected.iter().all(|(name, _)| names.contains(name)));
    }

    #[test]
    fn every_plugin_that_computes_files_is_one() {
        let table = table().expect("a table");
        let names: BTreeSet<_> = table.plugins().map(|plugin| plugin.name).collect();
        let computing = COMPUTING.map(|(name, _)| name);
        assert!(computing.iter().all(|name| names.contains(name)));
    }

    #[test]
    fn every_text_is_embedded_as_it_is_and_in_order() {
        let kconfig = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kconfig");
        let mut names = Vec::new();
        for (folder, files) in FOLDERS {
            for file in *files {
                let name = format!("{folder}/{}", file.name);
                let text = fs::read_to_string(kconfig.join(&name)).expect(&name);
                assert_eq!(file.text, text, "{name}");
                names.push((*folder, file.name));
            }
        }
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.contains(&("lto-link", "native/Makefile.build")));
    }

    #[test]
    fn the_list_of_native_objects_is_computed_from_the_tree() {
        let dir = TestDir::new();
        dir.write("Makefile", "VERSION = 5\nPATCHLEVEL = 10\n");
        for file in ["Kconfig", "arch/Kconfig", "scripts/Makefile.build"] {
            dir.write(file, "");
        }
        dir.write("kernel/configs.c", "");
        let tree = Tree::open(dir.path()).unwrap();
        let files = disabled_objects(&tree).unwrap();
        let [Generated { path, text, notes }] = &files[..] else {
            panic!("{} files", files.len());
        };
        assert_eq!(path, "scripts/lto/lto-disabled.mk");
        assert!(
            text.contains("\nlto-disabled-objs += kernel/configs.o\n"),
            "{text}"
        );
        assert!(
            notes
                .iter()
                .any(|note| note.contains(": nothing in this tree (")),
            "{notes:?}"
        );
        assert!(
            !notes
                .iter()
                .any(|note| note.starts_with("kernel/configs.c:"))
        );
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A plugin and small trees for the tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use kernel_lab::progress::{self, Listener, Running};
use kernel_tree::{Folder, GlueFile, Plan, Preview, Table, Tool};

use crate::install::{Installed, Options, install_with, previewed_with};

const PLUGIN: Folder = Folder {
    name: "sample",
    files: &[GlueFile {
        name: "edits.toml",
        text: "[plugin]\ntitle = 'Be a sample'\ntools = ['sample-tool']\n\
               [[edit]]\nfile = 'Kconfig'\nanchor = 'a'\nreplace = 'b'\nreason = 'r'\n\
               [[edit]]\nfile = 'Kconfig'\nanchor = 'x'\nreplace = 'y'\nreason = 'r'\n\
               when = [{ exists = 'no' }]\n",
    }],
    generate: None,
};

/// Returns a table with one plugin.
pub(crate) fn table() -> Table {
    Table::new("", vec![PLUGIN]).expect("a table")
}

/// Returns a table with two of the plugins that LTO needs.
pub(crate) fn parts_of_lto() -> Table {
    let part = |name| Folder {
        name,
        files: &[GlueFile {
            name: "edits.toml",
            text: "[plugin]\ntitle = 'Be a part'\n",
        }],
        generate: None,
    };
    Table::new("", vec![part("lto-link"), part("section-merge")]).expect("a table")
}

/// Returns a tree without LTO.
pub(crate) fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().expect("a temporary directory");
    for dir in ["arch", "scripts"] {
        fs::create_dir(tree.path().join(dir)).expect(dir);
    }
    for (path, text) in [
        ("Makefile", "VERSION = 5\nPATCHLEVEL = 10\n"),
        ("Kconfig", "a"),
        ("scripts/Makefile.build", ""),
    ] {
        fs::write(tree.path().join(path), text).expect(path);
    }
    tree
}

/// Returns a tree whose own build knows LTO.
pub(crate) fn native_tree() -> tempfile::TempDir {
    let tree = tree();
    for (path, text) in [
        ("arch/Kconfig", "\nconfig LTO_CLANG\n\tbool\n"),
        (
            "scripts/Makefile.vmlinux_o",
            "generate_initcall_order.pl\ndefine rule_ld_vmlinux.o\n",
        ),
    ] {
        fs::write(tree.path().join(path), text).expect(path);
    }
    tree
}

/// Returns the options of an install of all plugins.
pub(crate) fn options(tree: &tempfile::TempDir) -> Options<'_> {
    Options::new(tree.path(), &[])
}

/// Installs the plugin, with a tool that is not built.
pub(crate) fn installed(options: &Options<'_>) -> Installed {
    install_with(&table(), options, |tools| Ok(binaries(tools))).expect("an install")
}

/// Returns the plan and what it would change.
pub(crate) fn previewed(options: &Options<'_>) -> (Plan, Preview) {
    previewed_with(&table(), options, |tools| Ok(binaries(tools))).expect("a preview")
}

/// The notes of all tests.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Collecting;

impl Listener for Collecting {
    fn start(&self, _: &str) -> Box<dyn Running> {
        Box::new(Self)
    }

    fn note(&self, text: &str) {
        NOTES.lock().expect("no panic").push(text.to_owned());
    }
}

impl Running for Collecting {
    fn at(&self, _: &str) {}
    fn finish(self: Box<Self>, _: &str) {}
}

/// Begins to collect the notes that are reported.
pub(crate) fn collect_notes() {
    progress::listen(Box::new(Collecting));
}

/// Returns the collected notes about a directory.
pub(crate) fn notes_about(dir: &Path) -> Vec<String> {
    let start = format!("{}: ", dir.display());
    let notes = NOTES.lock().expect("no panic");
    let about = notes.iter().filter(|note| note.starts_with(&start));
    about.cloned().collect()
}

fn binaries(tools: &[Tool]) -> BTreeMap<String, Vec<u8>> {
    let binary = |tool: &Tool| (tool.name.clone(), b"binary".to_vec());
    tools.iter().map(binary).collect()
}

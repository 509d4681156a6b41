// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Files that a link or an install leaves, and that a later command reads. The first byte chooses the file.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use kernel_tree::{OnChange, Tree};
use libfuzzer_sys::fuzz_target;
use lto_link::{ActionOptions, CodeCache, Compiler, LinkPaths};
use tempfile::TempDir;

/// A tree in which every input begins with the same files.
static TREE: LazyLock<TempDir> = LazyLock::new(|| {
    // Recovery waits until its changes are on the disk, which memory does not take long for.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        TempDir::new_in(memory)
    } else {
        TempDir::new()
    };
    let dir = dir.expect("a temporary directory");
    fs::create_dir_all(dir.path().join("arch/arm64")).expect("a folder");
    fs::create_dir_all(dir.path().join("scripts")).expect("a folder");
    for (path, text) in [
        ("arch/arm64/Makefile", "\n"),
        ("Makefile", "VERSION = 5\nPATCHLEVEL = 10\n"),
        ("Kconfig", "config A\n"),
        ("scripts/Makefile.build", "\n"),
        ("a.o", "BC"),
        ("a.o.thinlto.bc", "BC"),
    ] {
        fs::write(dir.path().join(path), text).expect("a file");
    }
    dir
});

/// Any program will do: nothing is compiled.
static COMPILER: LazyLock<Compiler> =
    LazyLock::new(|| Compiler::read(&["/bin/true".to_owned()]).expect("a program"));

const LIST: &str = "lto-bitcode :=\nlto-shared :=\nlto-bitcode += a.o\nlto-flags-of-a.o = -O2\n";

fuzz_target!(|data: &[u8]| {
    let Some((file, data)) = data.split_first() else {
        return;
    };
    let dir = TREE.path();
    let output = dir.join("vmlinux.o");
    match file % 8 {
        0 => {
            write(&lto_link::inputs_path(&output), data);
            let _ = lto_link::read_record(&lto_link::inputs_path(&output));
        }
        1 => {
            write(&lto_link::usage_path(&output), data);
            let _ = lto_link::read_usage(&lto_link::usage_path(&output));
        }
        2 => {
            write(&lto_link::names_path(&output), data);
            let _ = lto_link::read_names(&lto_link::names_path(&output));
        }
        3 => {
            write(&LinkPaths::new(&output).codegen_list(), data);
            list_actions(dir, &output);
        }
        4 => {
            write(&LinkPaths::new(&output).codegen_list(), LIST.as_bytes());
            write(&dir.join("a.o.imports"), data);
            list_actions(dir, &output);
        }
        5 => {
            write(&dir.join("cache/state"), data);
            let _ = CodeCache::new(dir.join("cache"), None).status();
        }
        6 => {
            let record = dir.join("scripts/lto/.install/manifest.json");
            write(&record, data);
            if let Ok(tree) = Tree::open(dir) {
                let _ = kernel_tree::status(&tree);
                let _ = kernel_tree::check_uninstall(&tree, OnChange::Refuse);
            }
            fs::remove_file(&record).expect("removed");
        }
        _ => {
            let journal = dir.join("scripts/lto/.install/journal");
            write(&journal, data);
            let _ = kernel_tree::recover(dir);
            // Nothing beside the journal may be gone, whatever the journal says.
            assert!(dir.join("Makefile").is_file() && dir.join("a.o").is_file());
            let _ = fs::remove_file(&journal);
        }
    }
});

fn write(path: &Path, data: &[u8]) {
    let folder = path.parent().expect("a folder");
    fs::create_dir_all(folder).expect("a folder");
    fs::write(path, data).expect("a record");
}

fn list_actions(dir: &Path, output: &Path) {
    let options = ActionOptions {
        output: output.to_owned(),
        root: dir.to_owned(),
        flags: Vec::new(),
        native_suffix: lto_link::NATIVE_SUFFIX.to_owned(),
    };
    let _ = lto_link::actions(&options, &COMPILER);
}

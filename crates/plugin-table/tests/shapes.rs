// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Small trees of every known shape, with only those lines of a kernel's build that the plugins look at or edit.
//!
//! A file `shapes/NAME.tree` holds a tree: a comment that says which kernels have the shape, then each file below
//! a line `=== PATH`. `shapes/NAME.plan` says which plugins are offered, which files they edit and make, which of
//! their entries are passed over, and what the plugins do not do there. All offered plugins are installed and
//! taken out again.
//!
//! `RENEW_SHAPES=1 cargo test -p plugin-table --test shapes` writes the plans anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kernel_tree::{Author, Division, OnChange, Plan, Prose, Tree, install, series, uninstall};
use test_support::TestDir;

/// The longest line of a message without a warning of the kernel's `scripts/checkpatch.pl`.
const COLUMNS: usize = 75;

/// Returns the shapes: the name of each, and its files.
fn shapes() -> BTreeMap<String, BTreeMap<String, String>> {
    let entries = fs::read_dir(folder()).expect("tests/shapes");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let trees = paths.filter(|path| path.extension().is_some_and(|kind| kind == "tree"));
    trees
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a shape");
            let files = text.split("\n=== ").skip(1).map(|file| {
                let (path, content) = file.split_once('\n').expect("a path");
                (
                    path.to_owned(),
                    format!("{}\n", content.trim_end_matches('\n')),
                )
            });
            let name = path.file_stem().expect("a name").to_string_lossy();
            (name.into_owned(), files.collect())
        })
        .collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shapes")
}

/// Makes the tree of a shape.
fn made(files: &BTreeMap<String, String>) -> TestDir {
    let dir = TestDir::new();
    for (path, content) in files {
        dir.write(path, content);
    }
    dir
}

/// Makes the tree of a shape, and plans an install of one plugin.
fn planned(shape: &str, plugin: &str) -> (TestDir, Plan) {
    let dir = made(&shapes()[shape]);
    let tree = Tree::open(dir.path()).expect("a kernel tree");
    let table = plugin_table::table().expect("the table");
    let selection = table.choose(&tree, &[plugin]).expect("a selection");
    let plan = Plan::new(&tree, &selection, "1.0").expect("a plan");
    (dir, plan)
}

/// Returns the files of a tree, with their content.
fn content(dir: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("below the tree");
                let text = fs::read_to_string(&path).expect("a text");
                files.insert(name.display().to_string(), text);
            }
        }
    }
    files
}

/// Returns the plan as text.
fn told(tree: &Tree, plan: &Plan) -> String {
    let table = plugin_table::table().expect("the table");
    let mut text = "# SPDX-License-Identifier: GPL-2.0-only OR MIT\n".to_owned();
    // Writing to a String does not fail.
    for offer in table.offers(tree).expect("offers") {
        let name = offer.plugin.name;
        let _ = match (offer.refused, offer.does) {
            (Some(reason), _) => writeln!(text, "not offered: {name}: {reason}"),
            (None, does) => writeln!(text, "offered: {name}: {}", does.unwrap_or_default()),
        };
    }
    for (path, file) in &plan.edited {
        for (plugin, reason) in &file.reasons {
            let _ = writeln!(text, "edited: {path}: {plugin}: {reason}");
        }
    }
    for (path, file) in &plan.created {
        let _ = writeln!(text, "new: {path}: {}", file.plugins.join(", "));
    }
    for note in &plan.notes {
        if note.text.starts_with("passed over") {
            let (what, _) = note.text.split_once(" (only when").expect("a condition");
            let _ = writeln!(text, "{what}: {}", note.plugin);
        }
    }
    for note in &plan.withheld {
        let _ = writeln!(text, "{}: {}", note.plugin, note.text);
    }
    text
}

#[test]
fn every_shape_gets_what_its_facts_give() {
    let table = plugin_table::table().expect("the table");
    let mut wrong = Vec::new();
    for (name, files) in shapes() {
        let dir = made(&files);
        let tree = Tree::open(dir.path()).expect("a kernel tree");
        let selection = table.choose::<&str>(&tree, &[]).expect("a selection");
        let plan = Plan::new(&tree, &selection, "1.0").unwrap_or_else(|error| {
            panic!("{name}: {error}");
        });
        let expected = folder().join(format!("{name}.plan"));
        let told = told(&tree, &plan);
        if std::env::var_os("RENEW_SHAPES").is_some() {
            fs::write(&expected, &told).expect("a plan");
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        if told != expected {
            wrong.push(format!("{name}.plan should be:\n{told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_shape_is_given_back() {
    let table = plugin_table::table().expect("the table");
    for (name, files) in shapes() {
        let dir = made(&files);
        let before = content(dir.path());
        let tree = Tree::open(dir.path()).expect("a kernel tree");
        let selection = table.choose::<&str>(&tree, &[]).expect("a selection");
        let plan = Plan::new(&tree, &selection, "1.0").expect("a plan");
        let tools = plan.tools.iter();
        let binaries = tools.map(|tool| (tool.name.clone(), b"binary".to_vec()));
        let binaries = binaries.collect();
        install(&tree, &plan, &binaries, OnChange::Refuse).expect("an install");
        let with_plugins = content(dir.path());
        assert!(with_plugins.contains_key("scripts/lto/VERSION"), "{name}");
        assert_ne!(
            with_plugins.get("Makefile"),
            before.get("Makefile"),
            "{name}"
        );
        let tree = Tree::open(dir.path()).expect("a tree with plugins");
        uninstall(&tree, OnChange::Refuse).expect("an uninstall");
        assert_eq!(content(dir.path()), before, "{name}");
    }
}

/// A folder of patches for several plugins: each applies to the tree with those before it, in the order of the
/// names, and all together are the install.
#[test]
fn patches_in_order_apply_one_after_the_other() {
    let table = plugin_table::table().expect("the table");
    let author = Author {
        name_and_mail: "A Tester <tester@example.org>".into(),
        date: "Fri, 2 Jan 2026 03:04:05 +0000".into(),
    };
    for (shape, files) in shapes() {
        let dir = made(&files);
        let tree = Tree::open(dir.path()).expect("a kernel tree");
        let selection = table.choose::<&str>(&tree, &[]).expect("a selection");
        let plan = Plan::new(&tree, &selection, "1.0").expect("a plan");
        let (prose, division) = (Prose::default(), Division::InOrder);
        let series = series(&tree, &selection, "1.0", prose, &division, &author);
        let mut patches = series.expect("a series").patches;
        assert!(patches.len() > 1, "{shape}");
        patches.sort_by(|one, other| one.file_name.cmp(&other.file_name));
        let mails = TestDir::new();
        for patch in patches {
            let text = String::from_utf8_lossy(&patch.text).into_owned();
            mails.write(&patch.file_name, &text);
            let (_, message) = text.split_once("\n\n").expect("a message");
            let (message, _) = message.split_once("\n---\n").expect("a diff");
            let long = message.lines().find(|line| line.len() > COLUMNS);
            assert_eq!(long, None, "{shape}: {}", patch.file_name);
            let mut apply = Command::new("git");
            apply
                .args(["apply", "--whitespace=nowarn"])
                .arg(mails.path().join(&patch.file_name))
                .current_dir(dir.path())
                .env("GIT_CEILING_DIRECTORIES", std::env::temp_dir());
            test_support::stdout(&mut apply);
        }
        let patched = content(dir.path());
        let edited = plan.edited.iter().map(|(path, file)| (path, &file.text));
        let created = plan.created.iter().map(|(path, file)| (path, &file.text));
        for (path, text) in edited.chain(created) {
            let text = String::from_utf8_lossy(text);
            assert_eq!(patched[path], text, "{shape}: {path}");
        }
    }
}

/// modpost runs, its command is saved, and its result is checked, whether kbuild has `cmd_and_savecmd` or not.
#[test]
fn modpost_runs_before_its_result_is_checked() {
    const KBUILD: &str = "output-symdump := Module.symvers
CONFIG_MODVERSIONS := y
LTO_TOOLS := .
cmd = @set -e; $(cmd_$(1))
make-cmd = $(cmd_$(1))
dot-target = .$@
if_changed_rule = $(rule_$(1))
cmd_modpost = echo symbol > $@
";
    const SAVES: &str =
        "cmd_and_savecmd = $(cmd); echo 'savedcmd_$@ := $(make-cmd)' > $(dot-target).cmd\n";
    let (dir, plan) = planned("link-vmlinux-objtool", "modversions");
    let modpost = &plan.edited["scripts/Makefile.modpost"].text;
    let modpost = String::from_utf8_lossy(modpost);
    dir.write("modversions", "#!/bin/sh\n[ -s $2 ] && echo checked $2\n");
    let mut chmod = Command::new("chmod");
    test_support::stdout(chmod.arg("+x").arg(dir.join("modversions")));
    for (saves, variable) in [("", "cmd"), (SAVES, "savedcmd")] {
        dir.write(
            "Makefile.test",
            format!("{KBUILD}{saves}{modpost}\nFORCE:\n"),
        );
        let mut make = Command::new("make");
        make.args(["-s", "-f", "Makefile.test", "Module.symvers"]);
        let said = test_support::stdout(make.current_dir(dir.path()));
        assert_eq!(said, "checked Module.symvers\n", "{variable}");
        let saved = dir.read_text(".Module.symvers.cmd");
        assert_eq!(
            saved,
            format!("{variable}_Module.symvers := echo symbol > Module.symvers\n")
        );
        fs::remove_file(dir.join("Module.symvers")).expect("the result");
    }
}

/// The first second of a build without tools says what to do, in a tree with an install and in a patched one.
#[test]
fn a_build_without_tools_says_where_they_come_from() {
    let (dir, plan) = planned("vmlinux-o", "modversions");
    let text = |path: &str| String::from_utf8_lossy(&plan.created[path].text).into_owned();
    for path in ["scripts/lto/Makefile.top", "scripts/lto/VERSION"] {
        dir.write(path, text(path));
    }
    let said = || {
        let output = Command::new("make")
            .args(["-f", "scripts/lto/Makefile.top", "lto-tools-check"])
            .args(["srctree=.", "CONFIG_MODVERSIONS=y", "CONFIG_LTO_CLANG=y"])
            .current_dir(dir.path())
            .env_remove("LTO_TOOLS")
            .output()
            .expect("this test needs make");
        assert!(!output.status.success(), "the build goes on");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let patched = said();
    assert!(
        patched.contains("expects modversions 1.0 in ./scripts/lto/bin")
            && patched.contains("make LTO_TOOLS=DIR"),
        "{patched}"
    );
    assert!(!patched.contains("xtask install"), "{patched}");
    dir.write("scripts/lto/.install/manifest.json", "{}");
    let installed = said();
    assert!(
        installed.contains("cargo xtask install --tree "),
        "{installed}"
    );
}

/// A command that the plugins would replace was changed in the tree: what depends on it is withheld, and named.
#[test]
fn unknown_commands_are_kept_and_named() {
    let (_, plan) = planned("unknown-links", "lto-link");
    let withheld: Vec<&str> = plan
        .withheld
        .iter()
        .map(|note| note.text.as_str())
        .collect();
    let [dropping, distributed] = withheld[..] else {
        panic!("{withheld:?}");
    };
    for (text, option) in [
        (dropping, "LTO_CLANG_INTERNALIZE"),
        (distributed, "LTO_CLANG_THIN_DIST"),
    ] {
        assert!(
            text.contains(option) && text.contains("its cmd_cc_o_c"),
            "{text}"
        );
    }
    assert!(
        !plan.created.contains_key("scripts/lto/Kconfig"),
        "the option is there"
    );
    assert!(
        plan.created.contains_key("scripts/lto/Makefile.vmlinux_o"),
        "no check"
    );
}

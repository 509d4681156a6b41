// SPDX-License-Identifier: GPL-2.0-only OR MIT
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::hash::sha256;
use crate::plugin::{Folder, GlueFile};
use crate::sample::{
    ALL, CORE, HOOKS, SampleTree, assert_says, binaries, install_of, plan_of, table,
};
use crate::status::status;
use crate::table::Table;

/// The error of planning and installing all plugins.
fn refused(sample: &SampleTree) -> String {
    let tree = sample.open();
    let result =
        plan_of(&tree, &ALL).and_then(|plan| install(&tree, &plan, &binaries(), OnChange::Refuse));
    let error = result.expect_err("the tree was not refused");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn an_install_edits_and_makes_what_the_plugins_say() {
    let sample = SampleTree::new();
    let report = install_of(&sample, &ALL);
    assert_eq!(
        report.made,
        [
            "include/lto/core.h",
            "scripts/lto/Kconfig",
            "scripts/lto/Makefile.build",
            "scripts/lto/VERSION",
            "scripts/lto/bin/core-tool",
            "scripts/lto/bin/solo",
            "scripts/lto/extra.list",
        ]
    );
    assert_eq!(
        report.changed,
        [
            "arch/Kconfig",
            "include/linux/init.h",
            "scripts/Makefile.build",
            "scripts/link-vmlinux.sh",
        ]
    );
    assert_eq!(
        sample.read("arch/Kconfig"),
        "config A\n\tbool\n\nsource \"scripts/lto/Kconfig\"\n\nconfig B\n\tbool\n"
    );
    assert_says(
        &sample.read("include/linux/init.h"),
        &["/* extra */\n#define initcall(fn) core(fn)\n#define console"],
    );
    assert_eq!(
        sample.read("scripts/link-vmlinux.sh"),
        "#!/bin/sh\nsolo()\n{\n\tld -r\n}\nsolo\nsolo\n"
    );
    assert_eq!(
        sample.read("scripts/lto/Makefile.build"),
        "# SPDX-License-Identifier: GPL-2.0-only\n\
         # Made by `cargo xtask install` of kbuild-lto from the parts of its plugins.\n\n\
         # plugin: core\ncore := y\n\n# plugin: extra\nextra := y\n"
    );
    assert_eq!(sample.read("scripts/lto/VERSION"), "1.0\n");
    assert_eq!(sample.read("scripts/lto/extra.list"), "a.o\n");
    let mode = |path: &str| {
        fs::metadata(sample.path(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(mode("scripts/lto/bin/solo"), 0o755);
    assert_eq!(mode("scripts/lto/Kconfig"), 0o644);
    // An edited file keeps its permissions.
    assert_eq!(mode("scripts/Makefile.build"), 0o444);
    assert_eq!(mode("scripts/link-vmlinux.sh"), 0o755);
}

#[test]
fn a_hook_that_no_plugin_uses_is_not_edited() {
    let sample = SampleTree::new();
    let makefile = sample.read("Makefile");
    install_of(&sample, &ALL);
    assert_eq!(sample.read("Makefile"), makefile);

    let alone = SampleTree::new();
    let kconfig = alone.read("arch/Kconfig");
    install_of(&alone, &["solo"]);
    assert_eq!(alone.read("arch/Kconfig"), kconfig);
}

#[test]
fn an_uninstall_gives_the_tree_back_with_modes_and_times() {
    for names in [&ALL[..], &["core"], &["solo"], &["core", "solo"]] {
        let sample = SampleTree::new();
        let pristine = sample.snapshot();
        install_of(&sample, names);
        assert_ne!(sample.snapshot(), pristine);
        uninstall(&sample.open(), OnChange::Refuse).unwrap();
        sample
            .snapshot()
            .assert_eq(&pristine, "after the uninstall");
        // And it can be installed again.
        assert!(!install_of(&sample, names).is_unchanged());
    }
}

#[test]
fn a_second_install_touches_nothing() {
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    let installed = sample.snapshot();
    let report = install_of(&sample, &ALL);
    assert!(report.is_unchanged(), "{report:?}");
    sample.snapshot().assert_eq(&installed, "after the second");
}

#[test]
fn another_choice_is_planned_from_the_pristine_tree() {
    let choices = [&ALL[..], &["core"], &["solo"], &["core", "extra"]];
    for first in choices {
        for second in choices {
            let sample = SampleTree::new();
            let pristine = sample.snapshot();
            install_of(&sample, first);
            install_of(&sample, second);

            let fresh = SampleTree::new();
            install_of(&fresh, second);
            let tree = |sample: &SampleTree| sample.snapshot().without_record().without_times();
            tree(&sample).assert_eq(&tree(&fresh), "after the second choice");

            uninstall(&sample.open(), OnChange::Refuse).unwrap();
            sample
                .snapshot()
                .assert_eq(&pristine, "after the uninstall");
        }
    }
}

#[test]
fn a_file_given_back_by_another_choice_is_new_to_make() {
    let sample = SampleTree::new();
    let path = "scripts/link-vmlinux.sh";
    let time = |sample: &SampleTree| fs::metadata(sample.path(path)).unwrap().modified().unwrap();
    let before = time(&sample);
    install_of(&sample, &ALL);
    install_of(&sample, &["core"]);
    assert!(time(&sample) > before, "objects built from it would stay");
}

#[test]
fn a_new_version_replaces_what_changed_and_nothing_else() {
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    let tree = sample.open();
    let plan = Plan::new(&tree, &table().all(), "1.1").unwrap();
    let mut built = binaries();
    built.insert("solo".into(), b"another".to_vec());
    let report = install(&tree, &plan, &built, OnChange::Refuse).unwrap();
    assert_eq!(
        report.changed,
        ["scripts/lto/VERSION", "scripts/lto/bin/solo"]
    );
    assert!(report.made.is_empty() && report.removed.is_empty());
    assert_eq!(sample.read("scripts/lto/bin/solo"), "another");
}

#[test]
fn facts_are_those_of_the_pristine_tree() {
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    let tree = sample.open();
    assert!(!tree.has("scripts/lto").unwrap());
    assert!(!tree.has("include/lto/core.h").unwrap());
    assert!(tree.has("include/linux/init.h").unwrap());
    assert!(!tree.contains("include/linux/init.h", "core(fn)").unwrap());
    assert!(
        tree.contains("include/linux/init.h", "initcall(fn) fn")
            .unwrap()
    );
    assert_eq!(tree.read("include/lto/core.h").unwrap(), None);
    assert_eq!(tree.version().to_string(), "5.10.262");
}

#[test]
fn entries_passed_over_and_notes_of_plugins_are_told() {
    let sample = SampleTree::new();
    let plan = plan_of(&sample.open(), &ALL).unwrap();
    let notes: Vec<_> = plan
        .notes
        .iter()
        .map(|note| format!("{}: {}", note.plugin, note.text))
        .collect();
    assert_eq!(
        notes,
        [
            "core: passed over: include/linux/never.h (only when arch/riscv is there)",
            "extra: b.c matched nothing",
        ]
    );
}

#[test]
fn a_preview_shows_the_difference_and_writes_nothing() {
    let sample = SampleTree::new();
    let pristine = sample.snapshot();
    let tree = sample.open();
    let plan = plan_of(&tree, &ALL).unwrap();
    let shown = preview(&tree, &plan, &binaries()).unwrap();
    sample.snapshot().assert_eq(&pristine, "after the preview");
    assert!(shown.drift);
    let text = String::from_utf8_lossy(&shown.diff).into_owned();
    assert_says(
        &text,
        &[
            "--- a/scripts/Makefile.build\n+++ b/scripts/Makefile.build\n",
            "+include $(srctree)/scripts/lto/Makefile.build\n",
            "--- /dev/null\n+++ b/scripts/lto/VERSION\n",
        ],
    );
    assert!(!text.contains(".install"), "{text}");
    assert!(
        shown
            .report
            .made
            .contains(&"scripts/lto/bin/solo".to_owned())
    );

    install_of(&sample, &ALL);
    let tree = sample.open();
    let plan = plan_of(&tree, &ALL).unwrap();
    let shown = preview(&tree, &plan, &binaries()).unwrap();
    assert_eq!(shown, Preview::default());
}

#[test]
fn drift_is_seen_of_every_kind() {
    let drifts = |change: &dyn Fn(&SampleTree)| {
        let sample = SampleTree::new();
        install_of(&sample, &ALL);
        change(&sample);
        let tree = sample.open();
        preview(&tree, &plan_of(&tree, &ALL).unwrap(), &binaries())
            .unwrap()
            .drift
    };
    assert!(!drifts(&|_| {}));
    assert!(drifts(&|sample| sample.append("arch/Kconfig", "\n")));
    assert!(drifts(&|sample| sample.remove("scripts/lto/VERSION")));
    assert!(drifts(&|sample| sample.append("scripts/lto/bin/solo", "x")));
    assert!(drifts(&|sample| sample.remove("scripts/lto/bin/solo")));
    assert!(drifts(&|sample| sample.write("scripts/lto/Kconfig", b"")));
    // What other plugins of the same version would leave is drift, too.
    let sample = SampleTree::new();
    install_of(&sample, &["core"]);
    let tree = sample.open();
    assert!(
        preview(&tree, &plan_of(&tree, &ALL).unwrap(), &binaries())
            .unwrap()
            .drift
    );
}

#[test]
fn the_status_tells_changed_reverted_missing_and_foreign_files() {
    let sample = SampleTree::new();
    let before = status(&sample.open()).unwrap();
    assert_eq!(before.installed, None);
    assert_eq!(before.kernel, "5.10.262");
    let pristine = fs::read(sample.path("arch/Kconfig")).unwrap();
    install_of(&sample, &ALL);
    let intact = status(&sample.open()).unwrap().installed.unwrap();
    assert_eq!(intact.n_different(), 0);
    assert_eq!(intact.plugins, ALL);
    assert_eq!(intact.edited.len(), 4);
    assert_eq!(intact.created.len(), 7);

    sample.replace("include/linux/init.h", "core(fn)", "mine(fn)");
    sample.replace("scripts/Makefile.build", "# rules", "# new rules");
    sample.write("arch/Kconfig", &pristine);
    sample.remove("scripts/lto/bin/solo");
    sample.write("scripts/lto/notes/mine", b"");
    let status = status(&sample.open()).unwrap();
    let installed = status.installed.unwrap();
    assert_eq!(installed.changed, ["include/linux/init.h"]);
    assert_eq!(installed.updated, ["scripts/Makefile.build"]);
    assert_eq!(installed.reverted, ["arch/Kconfig"]);
    assert_eq!(installed.missing, ["scripts/lto/bin/solo"]);
    assert_ne!(installed.n_different(), 0);
    assert_eq!(status.foreign, ["scripts/lto/notes/mine"]);
}

#[test]
fn what_is_missing_or_reverted_is_installed_again() {
    let sample = SampleTree::new();
    let pristine = fs::read(sample.path("arch/Kconfig")).unwrap();
    install_of(&sample, &ALL);
    let installed = sample.snapshot().without_times();
    sample.remove("scripts/lto/bin/solo");
    sample.remove("scripts/lto/Kconfig");
    sample.remove("include/linux/init.h");
    sample.write("arch/Kconfig", &pristine);
    install_of(&sample, &ALL);
    let again = sample.snapshot().without_times();
    again.assert_eq(&installed, "after the second install");
}

#[test]
fn an_uninstall_brings_back_what_is_missing() {
    let sample = SampleTree::new();
    let pristine = sample.snapshot();
    install_of(&sample, &ALL);
    sample.remove("scripts/lto/bin/solo");
    sample.remove("include/linux/init.h");
    fs::remove_dir_all(sample.path("scripts/lto/bin")).unwrap();
    uninstall(&sample.open(), OnChange::Refuse).unwrap();
    sample
        .snapshot()
        .assert_eq(&pristine, "after the uninstall");
}

#[test]
fn a_directory_that_is_no_kernel_tree_is_refused_with_what_it_lacks() {
    for (missing, named) in [
        ("Makefile", "Makefile with VERSION"),
        ("Kconfig", "Kconfig"),
        ("scripts/Makefile.build", "scripts/Makefile.build"),
    ] {
        let sample = SampleTree::new();
        sample.remove(missing);
        let error = Tree::open(sample.dir()).unwrap_err().to_string();
        assert_says(&error, &["is not a kernel tree", named]);
    }
    let sample = SampleTree::new();
    fs::remove_dir_all(sample.path("arch")).unwrap();
    sample.write("Makefile", b"all:\n\techo PATCHLEVEL = 1\n");
    let error = Tree::open(sample.dir()).unwrap_err().to_string();
    assert_says(&error, &["no Makefile with VERSION", "no arch"]);
    let error = Tree::open(&sample.path("nowhere")).unwrap_err();
    assert_says(&error.to_string(), &["there is no such directory"]);
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    sample.remove("Makefile");
    let error = Tree::open(sample.dir()).unwrap_err().to_string();
    assert_says(
        &error,
        &["no Makefile", "plugins are installed", "bring back"],
    );
}

#[test]
fn all_anchors_that_fail_are_told_at_once() {
    let sample = SampleTree::new();
    let pristine = sample.snapshot();
    sample.write("arch/Kconfig", b"config A\n\tbool\n\nconfig BB\n");
    sample.write(
        "scripts/Makefile.build",
        b"targets := $(targets)\ntargets := $(targets)\n",
    );
    sample.remove("scripts/link-vmlinux.sh");
    let changed = sample.snapshot();
    assert_ne!(changed, pristine);
    assert_says(
        &refused(&sample),
        &[
            "core: arch/Kconfig: the text that begins `config B` is not there; nearest is line 4, \
             which has `config BB` where `config B` should be",
            "core: scripts/Makefile.build: the text that begins `targets := $(targets)` is there \
             2 times (lines 1, 2), not 1",
            "solo: scripts/link-vmlinux.sh: the file to be edited is not there",
        ],
    );
    sample.snapshot().assert_eq(&changed, "after the refusal");
}

#[test]
fn a_new_file_does_not_replace_one_that_is_there() {
    let sample = SampleTree::new();
    sample.write("include/lto/core.h", b"theirs");
    assert_says(
        &refused(&sample),
        &["core: include/lto/core.h", "already there"],
    );
    assert_eq!(sample.read("include/lto/core.h"), "theirs");
}

#[test]
fn two_plugins_do_not_make_the_same_file() {
    const SAME: Folder = Folder {
        name: "same",
        files: &[
            GlueFile {
                name: "edits.toml",
                text: "[plugin]\ntitle = 'Do the same'\n\
                       [[file]]\nsource='core.h'\ndest='include/lto/core.h'\n",
            },
            GlueFile {
                name: "core.h",
                text: "",
            },
        ],
        ..CORE
    };
    let sample = SampleTree::new();
    let table = Table::new(HOOKS, vec![CORE, SAME]).unwrap();
    let error = Plan::new(&sample.open(), &table.all(), "1").unwrap_err();
    assert_says(
        &error.to_string(),
        &["same: include/lto/core.h: another plugin"],
    );
}

#[test]
fn links_are_not_edited_through() {
    let sample = SampleTree::new();
    fs::rename(sample.path("arch/Kconfig"), sample.path("elsewhere")).unwrap();
    symlink("../elsewhere", sample.path("arch/Kconfig")).unwrap();
    assert_says(&refused(&sample), &["arch/Kconfig is a symbolic link"]);

    let sample = SampleTree::new();
    fs::rename(sample.path("include"), sample.path("elsewhere")).unwrap();
    symlink("elsewhere", sample.path("include")).unwrap();
    assert_says(
        &refused(&sample),
        &["include/linux/init.h: include is a symbolic link"],
    );
}

#[test]
fn a_scripts_lto_of_others_is_refused() {
    let sample = SampleTree::new();
    sample.write("scripts/lto/Makefile", b"theirs");
    assert_says(
        &refused(&sample),
        &["scripts/lto exists", "scripts/lto/Makefile"],
    );
}

#[test]
fn an_install_whose_record_is_gone_is_told_from_a_missing_anchor() {
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    fs::remove_dir_all(sample.path("scripts/lto")).unwrap();
    let error = refused(&sample);
    assert_says(
        &error,
        &[
            "arch/Kconfig refers to scripts/lto",
            "scripts/lto/.install, is gone",
        ],
    );
    assert!(!error.contains("is not there; nearest"), "{error}");
    let error = uninstall(&sample.open(), OnChange::Refuse).unwrap_err();
    assert!(matches!(error, Error::NotInstalled { .. }), "{error}");
}

#[test]
fn a_tree_with_lto_is_refused_with_the_facts() {
    let sample = SampleTree::new();
    sample.append("arch/Kconfig", "\nconfig LTO_CLANG\n\tbool\n");
    assert_says(
        &refused(&sample),
        &["arch/Kconfig has `config LTO_CLANG`", "patched by hand"],
    );
    sample.write("scripts/Makefile.vmlinux_o", b"");
    assert_says(&refused(&sample), &["chosen for another kind of tree"]);
    // A part that was ported back is not LTO.
    let part = SampleTree::new();
    part.append("Makefile", "CC_FLAGS_LTO :=\n");
    assert!(plan_of(&part.open(), &ALL).is_ok());
}

#[test]
fn foreign_files_stay_and_are_told() {
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    sample.write("scripts/lto/mine", b"mine");
    sample.write("include/lto/mine.h", b"mine");
    let report = uninstall(&sample.open(), OnChange::Refuse).unwrap();
    assert_eq!(report.foreign, ["scripts/lto/mine"]);
    assert_eq!(sample.read("scripts/lto/mine"), "mine");
    assert_eq!(sample.read("include/lto/mine.h"), "mine");
    assert!(!sample.path("scripts/lto/bin").exists());
    assert!(!sample.path("scripts/lto/.install").exists());
}

#[test]
fn two_commands_at_once_are_refused() {
    let sample = SampleTree::new();
    let tree = sample.open();
    let plan = plan_of(&tree, &ALL).unwrap();
    let held = lock(sample.dir()).unwrap();
    let error = install(&tree, &plan, &binaries(), OnChange::Refuse).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(held);
    install(&tree, &plan, &binaries(), OnChange::Refuse).unwrap();
    // What was read before that install is no ground for another one.
    let error = install(&tree, &plan, &binaries(), OnChange::Refuse).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
}

/// Sets the permissions of all directories of a tree.
fn set_directories(sample: &SampleTree, mode: u32) {
    for entry in walkdir::WalkDir::new(sample.dir()).contents_first(true) {
        let entry = entry.unwrap();
        if entry.file_type().is_dir() {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// Does something as a user whom permissions hold back; they do not hold back root.
fn unprivileged<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                let nobody = rustix::fs::Uid::from_raw(65534);
                // Of this thread, which ends.
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            act()
        });
        thread.join().unwrap()
    })
}

/// Makes a tree that every user may read.
fn readable_sample() -> SampleTree {
    let sample = SampleTree::new();
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(sample.dir().parent().unwrap(), 0o755);
    for file in ["arch/Kconfig", "arch/arm64/Kconfig"] {
        set(&sample.path(file), 0o644);
    }
    sample
}

#[test]
fn a_tree_that_may_not_be_written_is_refused_with_its_directories() {
    let sample = readable_sample();
    // Only there may something be written: it is not named.
    let before = || {
        set_directories(&sample, 0o555);
        fs::set_permissions(
            sample.path("include/linux"),
            fs::Permissions::from_mode(0o777),
        )
    };
    before().unwrap();
    let pristine = sample.snapshot();
    let error = unprivileged(|| refused(&sample));
    let scripts = sample.path("scripts").display().to_string();
    assert_says(
        &error,
        &[&format!("{scripts} cannot be written (Permission denied")],
    );
    assert!(!error.contains("include/linux"), "{error}");
    sample.snapshot().assert_eq(&pristine, "after the refusal");

    // The same for an uninstall.
    set_directories(&sample, 0o755);
    install_of(&sample, &ALL);
    before().unwrap();
    let installed = sample.snapshot();
    let error = unprivileged(|| {
        uninstall(&sample.open(), OnChange::Refuse)
            .unwrap_err()
            .to_string()
    });
    assert_says(
        &error,
        &[&format!("{scripts} cannot be written (Permission denied")],
    );
    sample.snapshot().assert_eq(&installed, "after the refusal");
    // What is to be read only can be read.
    let found = unprivileged(|| status(&sample.open()).unwrap());
    assert_eq!(found.installed.unwrap().n_different(), 0);
    set_directories(&sample, 0o755);
}

#[test]
fn a_damaged_record_is_named() {
    let damaged = |path: &str, content: &[u8]| {
        let sample = SampleTree::new();
        install_of(&sample, &ALL);
        sample.write(path, content);
        let result = Tree::open(sample.dir()).and_then(|tree| uninstall(&tree, OnChange::Refuse));
        result.unwrap_err().to_string()
    };
    let manifest = "scripts/lto/.install/manifest.json";
    assert_says(
        &damaged(manifest, b"{"),
        &[manifest, "EOF", "uninstall --by-text"],
    );
    assert_says(
        &damaged(manifest, br#"{"format": 9}"#),
        &[manifest, "form 9"],
    );

    let sample = SampleTree::new();
    let kconfig = fs::read(sample.path("arch/Kconfig")).unwrap();
    let original = crate::paths::original_path(&sha256(&kconfig));
    assert_says(
        &damaged(&original, b"x"),
        &[&original, "was changed", "bring the record back"],
    );
}

#[test]
fn new_files_have_the_modes_of_their_neighbours() {
    for (directory, text, tool) in [
        (0o2775, 0o664, 0o775),
        (0o750, 0o640, 0o750),
        (0o700, 0o600, 0o700),
    ] {
        let sample = SampleTree::new();
        let scripts = fs::Permissions::from_mode(directory);
        fs::set_permissions(sample.path("scripts"), scripts).unwrap();
        install_of(&sample, &ALL);
        let mode = |path: &str| {
            let metadata = fs::metadata(sample.path(path)).unwrap();
            metadata.permissions().mode() & 0o7777
        };
        for folder in [
            "scripts/lto",
            "scripts/lto/bin",
            "scripts/lto/.install/originals",
        ] {
            assert_eq!(mode(folder), directory, "{folder}");
        }
        assert_eq!(mode("scripts/lto/Kconfig"), text);
        assert_eq!(mode("scripts/lto/.install/manifest.json"), text);
        assert_eq!(mode("scripts/lto/bin/solo"), tool);
        assert_eq!(mode("include/lto"), 0o755);
        assert!(install_of(&sample, &ALL).is_unchanged());
    }
}

#[test]
fn a_preview_is_refused_where_the_install_is() {
    let previewed = |sample: &SampleTree| {
        let tree = sample.open();
        let plan = plan_of(&tree, &ALL).unwrap();
        let shown = preview(&tree, &plan, &binaries()).unwrap();
        let refused = install(&tree, &plan, &binaries(), OnChange::Refuse).unwrap_err();
        let Error::Refused { refusals, .. } = refused else {
            panic!("{refused}");
        };
        assert_eq!(shown.refusals, refusals);
        refusals.len()
    };
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    sample.append("scripts/lto/bin/solo", "x");
    sample.append("scripts/lto/Kconfig", "mine");
    sample.replace("include/linux/init.h", "core(fn)", "mine(fn)");
    assert_eq!(previewed(&sample), 3);

    // A tree that may not be written.
    let sample = readable_sample();
    set_directories(&sample, 0o555);
    assert!(unprivileged(|| previewed(&sample)) > 0);
    set_directories(&sample, 0o755);
}

#[test]
fn the_status_and_the_preview_see_tools_links_and_the_record() {
    let changed = |change: &dyn Fn(&SampleTree)| {
        let sample = SampleTree::new();
        install_of(&sample, &ALL);
        change(&sample);
        let found = status(&sample.open()).unwrap().installed.unwrap();
        assert_ne!(found.n_different(), 0);
        (found.changed, found.damaged)
    };
    let tool = "scripts/lto/bin/solo".to_owned();
    let no_x_bit = |sample: &SampleTree| sample.set("scripts/lto/bin/solo", 0o644, 5);
    assert_eq!(changed(&no_x_bit), (vec![tool], Vec::new()));
    let link = |sample: &SampleTree| {
        fs::rename(sample.path("arch/Kconfig"), sample.path("elsewhere")).unwrap();
        symlink("../elsewhere", sample.path("arch/Kconfig")).unwrap();
    };
    assert_eq!(
        changed(&link),
        (vec!["arch/Kconfig".to_owned()], Vec::new())
    );
    let kconfig = fs::read(SampleTree::new().path("arch/Kconfig")).unwrap();
    let kept = crate::paths::original_path(&sha256(&kconfig));
    let lost = |sample: &SampleTree| sample.remove(&kept);
    assert_eq!(changed(&lost), (Vec::new(), vec![kept.clone()]));

    // An install is refused, and so is what looks at it first.
    let refused = |change: &dyn Fn(&SampleTree)| {
        let sample = SampleTree::new();
        install_of(&sample, &ALL);
        change(&sample);
        plan_of(&sample.open(), &ALL).unwrap_err().to_string()
    };
    assert_says(&refused(&link), &["arch/Kconfig is a symbolic link"]);
    assert_says(&refused(&lost), &[&kept, "this kept content is gone"]);

    // A tool that was built again, with the same version.
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    let tree = sample.open();
    let plan = plan_of(&tree, &ALL).unwrap();
    let mut built = binaries();
    built.insert("solo".into(), b"built again".to_vec());
    let shown = preview(&tree, &plan, &built).unwrap();
    assert_eq!(shown.report.changed, ["scripts/lto/bin/solo"]);
    no_x_bit(&sample);
    let shown = preview(&tree, &plan, &binaries()).unwrap();
    assert_eq!(shown.report.changed, ["scripts/lto/bin/solo"]);
}

#[test]
fn shared_files_and_extended_attributes_are_kept_or_told() {
    let sample = SampleTree::new();
    let kconfig = sample.path("arch/Kconfig");
    let value = b"note";
    let flags = rustix::fs::XattrFlags::empty();
    // Not every file system has such attributes.
    let has_attributes = rustix::fs::setxattr(&kconfig, c"user.note", value, flags).is_ok();
    fs::hard_link(
        sample.path("scripts/link-vmlinux.sh"),
        sample.path("shared.sh"),
    )
    .unwrap();
    let shared = sample.read("shared.sh");
    let report = install_of(&sample, &ALL);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert_says(
        &report.notes[0],
        &["scripts/link-vmlinux.sh: ", "1 other names"],
    );
    assert_eq!(sample.read("shared.sh"), shared);
    let mut buffer = [0; 16];
    let found = rustix::fs::getxattr(&kconfig, c"user.note", &mut buffer);
    assert_eq!(found.is_ok(), has_attributes);
    assert!(found.is_err() || buffer.starts_with(value));
}

mod random {
    use proptest::prelude::*;

    use super::*;

    /// Lines that no anchor is among, and that are no UTF-8 at times.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(0_u8..=255, 0..200).prop_map(|mut bytes| {
            bytes.retain(|&byte| byte != b'@');
            bytes
        })
    }

    #[derive(Debug, Clone)]
    struct RandomFile {
        before: Vec<u8>,
        after: Vec<u8>,
        mode: u32,
        seconds: i64,
        /// 0: replace, 1: before, 2: after.
        kind: usize,
        inserted: String,
    }

    fn file() -> impl Strategy<Value = RandomFile> {
        let mode = proptest::sample::select(vec![0o600, 0o640, 0o444, 0o644, 0o755, 0o4755]);
        let inserted = "[ -~]{1,40}";
        (
            text(),
            text(),
            mode,
            -5_000_000_i64..5_000_000_000,
            0..3_usize,
            inserted,
        )
            .prop_map(
                |(before, after, mode, seconds, kind, inserted)| RandomFile {
                    before,
                    after,
                    mode,
                    seconds,
                    kind,
                    inserted,
                },
            )
    }

    fn leaked(text: String) -> &'static str {
        Box::leak(text.into_boxed_str())
    }

    /// A plugin with one edit per file, at the anchor `@ANCHOR@`.
    fn plugin(files: &[RandomFile]) -> Folder {
        let edits: Vec<String> = files
            .iter()
            .enumerate()
            .map(|(index, file)| {
                let kind = ["replace", "before", "after"][file.kind];
                format!(
                    "[[edit]]\nfile = 'random/{index}'\nanchor = '@ANCHOR@'\nreason = 'r'\n\
                     {kind} = {}\n",
                    toml::Value::from(file.inserted.clone())
                )
            })
            .collect();
        let glue = vec![GlueFile {
            name: "edits.toml",
            text: leaked(format!("[plugin]\ntitle = 'Edit'\n{}", edits.concat())),
        }];
        Folder {
            files: Vec::leak(glue),
            ..CORE
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_tree_comes_back(files in proptest::collection::vec(file(), 1..6)) {
            let sample = SampleTree::new();
            for (index, file) in files.iter().enumerate() {
                let path = format!("random/{index}");
                let content = [&file.before[..], b"@ANCHOR@", &file.after].concat();
                sample.write(&path, &content);
                sample.set(&path, file.mode, file.seconds);
            }
            let pristine = sample.snapshot();
            let table = Table::new(HOOKS, vec![plugin(&files)]).unwrap();
            let tree = sample.open();
            let plan = Plan::new(&tree, &table.all(), "1").unwrap();
            install(&tree, &plan, &BTreeMap::new(), OnChange::Refuse).unwrap();
            for (index, file) in files.iter().enumerate() {
                let inserted = file.inserted.as_bytes();
                let middle = match file.kind {
                    0 => inserted.to_vec(),
                    1 => [inserted, b"@ANCHOR@"].concat(),
                    _ => [b"@ANCHOR@", inserted].concat(),
                };
                let expected = [&file.before[..], &middle, &file.after].concat();
                let found = fs::read(sample.path(&format!("random/{index}"))).unwrap();
                prop_assert_eq!(found, expected);
            }
            let installed = sample.snapshot();
            let tree = sample.open();
            let plan = Plan::new(&tree, &table.all(), "1").unwrap();
            install(&tree, &plan, &BTreeMap::new(), OnChange::Refuse).unwrap();
            sample.snapshot().assert_eq(&installed, "after the second install");
            uninstall(&sample.open(), OnChange::Refuse).unwrap();
            sample.snapshot().assert_eq(&pristine, "after the uninstall");
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Installed trees that are changed afterwards.
use super::*;
use crate::sample::{ALL, SampleTree, Snapshot, assert_says, binaries, install_of, plan_of};
use crate::status::status;

/// A tree that was updated without plugins.
fn updated() -> SampleTree {
    let sample = SampleTree::new();
    sample.update();
    sample
}

/// The files of a tree without the record, whose originals have other times.
fn tree(sample: &SampleTree) -> Snapshot {
    sample.snapshot().without_record().without_times()
}

/// Checks that an uninstall leaves the updated tree.
fn is_given_back(sample: &SampleTree) {
    uninstall(&sample.open(), OnChange::Refuse).unwrap();
    let pristine = updated().snapshot();
    sample
        .snapshot()
        .assert_eq(&pristine, "after the uninstall");
}

#[test]
fn an_update_is_taken_up_by_the_next_install() {
    for second in [&ALL[..], &["core"], &["solo"]] {
        let sample = SampleTree::new();
        install_of(&sample, &ALL);
        sample.update();
        let found = status(&sample.open()).unwrap().installed.unwrap();
        let files = [
            "arch/Kconfig",
            "include/linux/init.h",
            "scripts/link-vmlinux.sh",
        ];
        assert_eq!(found.updated, files);
        assert!(found.changed.is_empty() && found.n_different() > 0);

        install_of(&sample, second);
        let fresh = updated();
        install_of(&fresh, second);
        tree(&sample).assert_eq(&tree(&fresh), "after the second install");
        let found = status(&sample.open()).unwrap().installed.unwrap();
        assert_eq!(found.n_different(), 0, "{found:?}");
        // The record is as small as that of a first install.
        let record = |sample: &SampleTree| {
            let folder = sample.path("scripts/lto/.install/originals");
            std::fs::read_dir(folder).unwrap().count()
        };
        if second == ALL {
            assert_eq!(record(&sample), record(&fresh));
        }

        is_given_back(&sample);
    }
}

#[test]
fn an_uninstall_keeps_the_lines_of_an_update() {
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    sample.update();
    is_given_back(&sample);
}

#[test]
fn an_update_that_brings_pristine_files_is_installed_into() {
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    let fresh = updated();
    for path in [
        "arch/Kconfig",
        "scripts/link-vmlinux.sh",
        "include/linux/init.h",
    ] {
        sample.write(path, &std::fs::read(fresh.path(path)).unwrap());
    }
    sample.replace("Makefile", "SUBLEVEL = 262", "SUBLEVEL = 263");
    let found = status(&sample.open()).unwrap().installed.unwrap();
    assert_eq!(found.reverted.len(), 3, "{found:?}");
    install_of(&sample, &ALL);
    install_of(&fresh, &ALL);
    tree(&sample).assert_eq(&tree(&fresh), "after the second install");
}

/// A change of a line that a plugin wrote, beside an update.
fn changed() -> SampleTree {
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    sample.update();
    sample.replace("include/linux/init.h", "core(fn)", "mine(fn)");
    sample
}

#[test]
fn changed_lines_of_a_plugin_are_refused_and_shown() {
    let sample = changed();
    let before = sample.snapshot();
    let tree = sample.open();
    let plan = plan_of(&tree, &ALL).unwrap();
    let parts = [
        "include/linux/init.h was changed after the install",
        "--merge",
        "--discard-changes",
        "\n    -#define initcall(fn) core(fn)\n    +#define initcall(fn) mine(fn)",
    ];
    let error = install(&tree, &plan, &binaries(), OnChange::Refuse).unwrap_err();
    assert_says(&error.to_string(), &parts);
    assert!(check_install(&tree, &plan, OnChange::Refuse).is_err());
    let error = uninstall(&tree, OnChange::Refuse).unwrap_err();
    assert_says(&error.to_string(), &parts);
    assert!(check_uninstall(&tree, OnChange::Refuse).is_err());
    // The lines of the update are not named as changes.
    assert!(!error.to_string().contains("-#define console"), "{error}");
    sample.snapshot().assert_eq(&before, "after the refusals");
}

#[test]
fn what_is_discarded_is_told_first_and_is_not_more() {
    let sample = changed();
    let opened = sample.open();
    let plan = plan_of(&opened, &ALL).unwrap();
    let lost = check_install(&opened, &plan, OnChange::Discard).unwrap();
    let lost = String::from_utf8_lossy(&lost).into_owned();
    assert_says(&lost, &["+#define initcall(fn) mine(fn)"]);
    assert!(!lost.contains("+#define console"), "{lost}");
    install(&opened, &plan, &binaries(), OnChange::Discard).unwrap();
    let fresh = updated();
    install_of(&fresh, &ALL);
    tree(&sample).assert_eq(&tree(&fresh), "after the install");

    let sample = changed();
    let lost = check_uninstall(&sample.open(), OnChange::Discard).unwrap();
    assert_says(&String::from_utf8_lossy(&lost), &["mine(fn)"]);
    uninstall(&sample.open(), OnChange::Discard).unwrap();
    let pristine = updated().snapshot();
    sample
        .snapshot()
        .assert_eq(&pristine, "after the uninstall");
}

#[test]
fn a_merge_keeps_both_changes() {
    let sample = changed();
    let header = sample.read("include/linux/init.h");
    let opened = sample.open();
    let plan = plan_of(&opened, &ALL).unwrap();
    let report = install(&opened, &plan, &binaries(), OnChange::Merge).unwrap();
    assert_eq!(report.unresolved, [""; 0]);
    assert_eq!(sample.read("include/linux/init.h"), header);
    // It is still known as changed, and its lines are not taken for those of the kernel.
    let found = status(&sample.open()).unwrap().installed.unwrap();
    assert_eq!(found.changed, ["include/linux/init.h"]);
    // Other plugins leave the line: both texts stand between marks.
    let opened = sample.open();
    let plan = plan_of(&opened, &["solo"]).unwrap();
    let report = install(&opened, &plan, &binaries(), OnChange::Merge).unwrap();
    assert_eq!(report.unresolved, ["include/linux/init.h"]);
    assert_says(
        &sample.read("include/linux/init.h"),
        &[
            "<<<<<<< kbuild-lto\n#define initcall(fn) fn\n=======\n",
            "#define initcall(fn) mine(fn)\n>>>>>>> present file\n#define console(fn) fn",
        ],
    );

    let sample = changed();
    let report = uninstall(&sample.open(), OnChange::Merge).unwrap();
    assert_eq!(report.unresolved, ["include/linux/init.h"]);
    assert_says(
        &sample.read("include/linux/init.h"),
        &["<<<<<<< kbuild-lto\n#define initcall(fn) fn\n=======\n"],
    );
    let others = |sample: &SampleTree| {
        sample.write("include/linux/init.h", b"");
        tree(sample)
    };
    others(&sample).assert_eq(&others(&updated()), "the other files");
}

#[test]
fn a_changed_new_file_is_refused_kept_or_given_up() {
    let sample = SampleTree::new();
    let pristine = sample.snapshot();
    install_of(&sample, &ALL);
    let installed = sample.snapshot().without_times();
    let path = "scripts/lto/Kconfig";
    let opened = sample.open();
    let plan = plan_of(&opened, &ALL).unwrap();
    sample.append(path, "mine\n");
    let changed = sample.snapshot();
    let error = install(&opened, &plan, &binaries(), OnChange::Refuse).unwrap_err();
    assert_says(
        &error.to_string(),
        &[path, "--discard-changes", "\n    +mine"],
    );
    let error = uninstall(&opened, OnChange::Refuse).unwrap_err();
    assert_says(&error.to_string(), &[path, "--discard-changes"]);
    // Another choice would overwrite or remove it just the same.
    let other = plan_of(&opened, &["solo"]).unwrap();
    assert!(check_install(&opened, &other, OnChange::Refuse).is_err());
    // There is nothing that it could be merged with.
    let error = uninstall(&opened, OnChange::Merge).unwrap_err();
    assert_says(&error.to_string(), &[path, "cannot be merged"]);
    install(&opened, &plan, &binaries(), OnChange::Merge).unwrap();
    sample.snapshot().assert_eq(&changed, "after the merge");

    install(&opened, &plan, &binaries(), OnChange::Discard).unwrap();
    let again = sample.snapshot().without_times();
    again.assert_eq(&installed, "after the changes were given up");
    sample.append(path, "mine\n");
    let lost = check_uninstall(&sample.open(), OnChange::Discard).unwrap();
    assert_says(&String::from_utf8(lost).unwrap(), &["+mine"]);
    uninstall(&sample.open(), OnChange::Discard).unwrap();
    sample
        .snapshot()
        .assert_eq(&pristine, "after the uninstall");
}

#[test]
fn a_record_without_installed_texts_is_refused_and_not_merged() {
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    // As an older version made it.
    let manifest = Manifest::read(sample.dir()).unwrap().unwrap();
    let record = &manifest.edited["arch/Kconfig"];
    sample.remove(&crate::paths::original_path(&record.installed));
    sample.replace("arch/Kconfig", "config A\n", "config A_NEW\n");
    for (on_change, said) in [
        (OnChange::Refuse, "was changed after the install"),
        (OnChange::Merge, "cannot be merged"),
    ] {
        let error = uninstall(&sample.open(), on_change).unwrap_err();
        assert_says(&error.to_string(), &["arch/Kconfig", said, "A_NEW"]);
    }
}

#[test]
fn a_plan_of_another_text_is_not_carried_out() {
    let sample = SampleTree::new();
    let opened = sample.open();
    let plan = plan_of(&opened, &ALL).unwrap();
    sample.update();
    let before = sample.snapshot();
    let error = install(&opened, &plan, &binaries(), OnChange::Refuse).unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    sample.snapshot().assert_eq(&before, "after the refusal");
}

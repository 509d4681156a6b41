// SPDX-License-Identifier: GPL-2.0-only OR MIT
use std::fs;

use super::*;
use crate::disk::faulty::{Fault, FaultyDisk};
use crate::install::{install, recover, uninstall_by_text, uninstall_by_text_on};
use crate::on_change::OnChange;
use crate::plan::Plan;
use crate::plugin::{Folder, GlueFile};
use crate::sample::{ALL, SampleTree, Snapshot, assert_says, install_of, plan_of, table};

/// A tree with plugins and without their record.
fn without_record(names: &[&str]) -> SampleTree {
    let sample = SampleTree::new();
    install_of(&sample, names);
    fs::remove_dir_all(sample.path("scripts/lto/.install")).unwrap();
    sample
}

fn unrecorded(sample: &SampleTree) -> Option<Unrecorded> {
    Unrecorded::in_tree(&sample.open(), &table()).unwrap()
}

fn contents(sample: &SampleTree) -> Snapshot {
    sample.snapshot().without_times()
}

#[test]
fn a_tree_without_plugins_or_with_a_record_has_none() {
    let sample = SampleTree::new();
    assert_eq!(unrecorded(&sample), None);
    install_of(&sample, &ALL);
    assert_eq!(unrecorded(&sample), None);
    // A text of the kernel that a plugin would write, too, beside other places for its edits.
    let sample = SampleTree::new();
    sample.append("scripts/link-vmlinux.sh", "solo()\n");
    assert_eq!(unrecorded(&sample), None);
}

#[test]
fn every_edit_is_recognized_and_taken_out() {
    let pristine = contents(&SampleTree::new());
    for names in [&ALL[..], &["core"], &["solo"], &["core", "extra"]] {
        let sample = without_record(names);
        let found = unrecorded(&sample).unwrap();
        assert_eq!(found.plugins, names);
        assert_eq!(found.version.as_deref(), Some("1.0"));
        assert_eq!(found.unclear, [""; 0]);
        let report = uninstall_by_text(&sample.open(), &found).unwrap();
        assert_eq!(report.changed, found.edited);
        assert_eq!(report.removed, found.created);
        contents(&sample).assert_eq(&pristine, &format!("{names:?} taken out"));
    }
}

#[test]
fn edits_are_recognized_although_all_new_files_are_gone() {
    let pristine = contents(&SampleTree::new());
    for names in [&ALL[..], &["core"], &["solo"]] {
        let sample = without_record(names);
        fs::remove_dir_all(sample.path("scripts/lto")).unwrap();
        if names != ["solo"] {
            fs::remove_dir_all(sample.path("include/lto")).unwrap();
        }
        let found = unrecorded(&sample).unwrap();
        assert_eq!(
            (&found.plugins[..], found.version.clone()),
            (
                &names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>()[..],
                None
            )
        );
        uninstall_by_text(&sample.open(), &found).unwrap();
        contents(&sample).assert_eq(&pristine, &format!("{names:?} taken out"));
    }
}

#[test]
fn a_plugin_without_edits_is_recognized_by_its_part_of_a_generated_file() {
    let sample = without_record(&["core", "extra"]);
    sample.replace("include/linux/init.h", "/* extra */\n", "");
    assert_eq!(unrecorded(&sample).unwrap().plugins, ["core", "extra"]);
}

#[test]
fn an_update_is_no_obstacle_and_foreign_files_stay() {
    let sample = without_record(&ALL);
    sample.update();
    sample.write("scripts/lto/mine", b"mine");
    sample.write("include/lto/core.h", b"mine");
    let found = unrecorded(&sample).unwrap();
    let report = uninstall_by_text(&sample.open(), &found).unwrap();
    assert_eq!(report.foreign, ["scripts/lto/mine"]);
    let fresh = SampleTree::new();
    fresh.update();
    fresh.write("scripts/lto/mine", b"mine");
    fresh.write("include/lto/core.h", b"mine");
    contents(&sample).assert_eq(&contents(&fresh), "taken out");
}

#[test]
fn changed_lines_of_plugins_are_named_and_nothing_is_changed() {
    let sample = without_record(&ALL);
    sample.replace("include/linux/init.h", "core(fn)", "mine(fn)");
    sample.append("arch/Kconfig", "source \"scripts/lto/Kconfig\"\n");
    let before = sample.snapshot();
    let found = unrecorded(&sample).unwrap();
    assert_eq!(found.unclear, ["arch/Kconfig"]);
    let error = uninstall_by_text(&sample.open(), &found).unwrap_err();
    assert_says(
        &error.to_string(),
        &["arch/Kconfig: lines of plugins were changed"],
    );
    sample.snapshot().assert_eq(&before, "after the refusal");
}

#[test]
fn a_text_that_is_also_elsewhere_is_not_taken_for_the_edit() {
    // As in the kernel's linker script: lines are moved up, and leave a line that is there twice.
    const MOVES: Folder = Folder {
        name: "moves",
        files: &[GlueFile {
            name: "edits.toml",
            text: "[plugin]\ntitle = 'Move it'\n\
                   [[edit]]\nfile = 'drivers/a.c'\nanchor = \"first\\n\"\nbefore = \"once\\n\"\n\
                   when = [{ file = 'drivers/a.c', contains = 'once' }]\nreason = 'r'\n\
                   [[edit]]\nfile = 'drivers/a.c'\nanchor = \"once\\nalign\\n\"\n\
                   replace = \"align\\n\"\nreason = 'r'\n",
        }],
        generate: None,
    };
    let table = Table::new("", vec![MOVES]).unwrap();
    let sample = SampleTree::new();
    sample.write("drivers/a.c", b"first\nalign\nonce\nalign\n");
    let tree = sample.open();
    let plan = Plan::new(&tree, &table.all(), "1.0").unwrap();
    install(&tree, &plan, &BTreeMap::new(), OnChange::Refuse).unwrap();
    assert_eq!(sample.read("drivers/a.c"), "once\nfirst\nalign\nalign\n");
    fs::remove_dir_all(sample.path("scripts/lto/.install")).unwrap();
    let found = Unrecorded::in_tree(&sample.open(), &table)
        .unwrap()
        .unwrap();
    assert_eq!(found.unclear, ["drivers/a.c"]);
}

#[test]
fn an_install_without_record_is_told_with_the_way_out() {
    let sample = without_record(&ALL);
    let tree = sample.open();
    let error = Unrecorded::refuse(&tree, &table()).unwrap_err();
    assert_says(
        &error.to_string(),
        &[
            "installed, without record: core, extra, solo; edited: arch/Kconfig, ",
            "cargo xtask uninstall --tree ",
            " --by-text",
        ],
    );
    assert!(plan_of(&tree, &ALL).is_err());
}

#[test]
fn a_kill_or_a_fault_leaves_the_tree_before_or_after() {
    let end = contents(&SampleTree::new());
    for fault in [Fault::Kill, Fault::Error, Fault::Full] {
        for at in 0.. {
            let sample = without_record(&ALL);
            let begin = contents(&sample);
            let found = unrecorded(&sample).unwrap();
            let mut disk = FaultyDisk::new(fault, at);
            let result = uninstall_by_text_on(&mut disk, &sample.open(), &found);
            let went_wrong = disk.went_wrong();
            assert!(went_wrong || result.is_ok());
            recover(sample.dir()).unwrap();
            let now = contents(&sample);
            if now != end {
                now.assert_eq(&begin, &format!("{fault:?} at {at}"));
            }
            if !went_wrong {
                break;
            }
        }
    }
}

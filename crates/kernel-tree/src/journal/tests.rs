// SPDX-License-Identifier: GPL-2.0-only OR MIT
use super::*;
use crate::disk::faulty::{Fault, FaultyDisk};
use crate::disk::{Disk, RealDisk};
use crate::install::{Report, install_on, recover, uninstall, uninstall_on};
use crate::on_change::OnChange;
use crate::sample::{ALL, SampleTree, Snapshot, assert_says, binaries, install_of, plan_of};
use crate::tree::Tree;

#[test]
fn a_damaged_journal_is_named() {
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    let journal = "scripts/lto/.install/journal";
    sample.write(journal, b"{");
    assert_says(&recover(sample.dir()).unwrap_err().to_string(), &[journal]);
    let error = Tree::open(sample.dir()).unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error}");
    assert_says(&error.to_string(), &["cargo xtask status --tree"]);
    let foreign = br#"{"format":1,"command":"install","direction":"forward",
        "steps":[{"path":"../../etc/passwd","old":null,"new":null}],
        "made_directories":[],"dropped_directories":[]}"#;
    sample.write(journal, foreign);
    assert_says(
        &recover(sample.dir()).unwrap_err().to_string(),
        &["../../etc/passwd"],
    );
}

/// A command that is made to fail, and the trees it begins and ends with.
struct Scene {
    command: &'static str,
    /// The installed plugins before the change.
    from: &'static [&'static str],
    /// The installed plugins after the change; nothing for an uninstall.
    to: &'static [&'static str],
    /// Whether the tree is updated before the change.
    updated: bool,
}

const SCENES: [Scene; 6] = [
    Scene {
        command: "install",
        from: &[],
        to: &ALL,
        updated: false,
    },
    Scene {
        command: "install",
        from: &["core"],
        to: &["solo"],
        updated: false,
    },
    Scene {
        command: "install",
        from: &["solo"],
        to: &ALL,
        updated: false,
    },
    Scene {
        command: "uninstall",
        from: &ALL,
        to: &[],
        updated: false,
    },
    Scene {
        command: "install",
        from: &ALL,
        to: &ALL,
        updated: true,
    },
    Scene {
        command: "uninstall",
        from: &ALL,
        to: &[],
        updated: true,
    },
];

impl Scene {
    fn begin(&self) -> SampleTree {
        let sample = SampleTree::new();
        if !self.from.is_empty() {
            install_of(&sample, self.from);
        }
        if self.updated {
            sample.update();
        }
        sample
    }

    /// The tree without plugins.
    fn pristine(&self) -> Snapshot {
        let sample = SampleTree::new();
        if self.updated {
            sample.update();
        }
        sample.snapshot()
    }

    fn run(&self, sample: &SampleTree, disk: &mut dyn Disk) -> Result<Report> {
        let tree = sample.open();
        if self.to.is_empty() {
            return uninstall_on(disk, &tree, OnChange::Refuse);
        }
        let plan = plan_of(&tree, self.to)?;
        install_on(disk, &tree, &plan, &binaries(), OnChange::Refuse)
    }

    /// The tree as a kill at step `at` of the command leaves it, and as it was before; none if the
    /// command has come to its end by then.
    fn killed_at(&self, at: usize) -> Option<(SampleTree, Snapshot)> {
        let sample = self.begin();
        let begin = sample.snapshot();
        let mut disk = FaultyDisk::new(Fault::Kill, at);
        let result = self.run(&sample, &mut disk);
        if disk.went_wrong() {
            result.unwrap_err();
            Some((sample, begin))
        } else {
            result.unwrap();
            None
        }
    }

    /// The tree after the command, when nothing goes wrong.
    fn end(&self) -> Snapshot {
        let sample = self.begin();
        self.run(&sample, &mut RealDisk).unwrap();
        sample.snapshot().without_times()
    }
}

/// Ends the scene at every change of the disk in turn, as a kill would, and has the next command
/// find the tree. There must be no third state, and an uninstall must give the tree back.
#[test]
fn a_kill_at_any_step_is_finished_or_forgotten() {
    for scene in &SCENES {
        let pristine = scene.pristine();
        let end = scene.end();
        let mut outcomes = BTreeSet::new();
        for at in 0.. {
            let Some((sample, begin)) = scene.killed_at(at) else {
                assert!(at > 20, "only {at} steps were tried");
                break;
            };
            let what = format!("{} killed at step {at}", scene.command);
            match recover(sample.dir()).unwrap_or_else(|e| panic!("{what}: {e}")) {
                Recovery::Finished { command } => {
                    assert_eq!(command, scene.command);
                    sample.snapshot().without_times().assert_eq(&end, &what);
                    outcomes.insert("finished");
                }
                Recovery::Swept | Recovery::Nothing => {
                    let now = sample.snapshot();
                    // The last steps of a command only remove the record of its end and empty directories.
                    if now.clone().without_times() != end {
                        now.assert_eq(&begin, &what);
                        outcomes.insert("forgotten");
                    }
                }
                Recovery::Undone { .. } => panic!("{what}: a kill is not undone"),
            }
            assert_eq!(recover(sample.dir()).unwrap(), Recovery::Nothing, "{what}");
            let tree = sample.open();
            if tree.manifest().is_some() {
                uninstall(&tree, OnChange::Refuse).unwrap_or_else(|e| panic!("{what}: {e}"));
            }
            sample.snapshot().assert_eq(&pristine, &what);
        }
        assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    }
}

/// A kill of the command that finishes what a kill left is finished, too.
#[test]
fn a_kill_while_recovering_is_recovered() {
    let scene = &SCENES[0];
    let end = scene.end();
    let pristine = SampleTree::new().snapshot();
    // Every seventh step of the first command, every step of the second.
    for at in (0..).step_by(7) {
        for again in 0.. {
            let Some((sample, _)) = scene.killed_at(at) else {
                return;
            };
            let mut disk = FaultyDisk::new(Fault::Kill, again);
            let second = super::recover(&mut disk, sample.dir());
            let recovered = !disk.went_wrong();
            if recovered {
                second.unwrap();
            }
            let what = format!("killed at step {at}, and recovering at step {again}");
            recover(sample.dir()).unwrap_or_else(|e| panic!("{what}: {e}"));
            let now = sample.snapshot();
            if now.clone().without_times() != end {
                now.assert_eq(&pristine, &what);
            }
            if recovered {
                break;
            }
        }
    }
}

/// A change of the disk that fails leaves the tree as it was, at once or, where putting it back
/// fails as well, after the next command has finished what was decided.
#[test]
fn a_failure_at_any_step_leaves_the_tree_as_it_was() {
    for fault in [Fault::Error, Fault::Full] {
        for scene in &SCENES {
            let end = scene.end();
            let mut undone = false;
            for at in 0.. {
                let sample = scene.begin();
                let begin = sample.snapshot();
                let mut disk = FaultyDisk::new(fault, at);
                let result = scene.run(&sample, &mut disk);
                if !disk.went_wrong() {
                    result.unwrap();
                    break;
                }
                let what = format!("{} with {fault:?} at step {at}", scene.command);
                match result {
                    // A full disk does not hinder a step that needs no space, and a copy can stand in for a
                    // second name.
                    Ok(_) => sample.snapshot().without_times().assert_eq(&end, &what),
                    Err(Error::Undone(_)) => {
                        undone = true;
                        let now = sample.snapshot();
                        assert!(!now_has_staging(&sample), "{what}");
                        now.assert_eq(&begin, &what);
                        continue;
                    }
                    // Removing staged files needs no space.
                    Err(Error::NoSpace { .. }) if fault == Fault::Full => {
                        sample.snapshot().assert_eq(&begin, &what);
                    }
                    Err(Error::File(_)) => {}
                    Err(error) => panic!("{what}: {error}"),
                }
                recover(sample.dir()).unwrap_or_else(|e| panic!("{what}: {e}"));
                let now = sample.snapshot();
                if now.clone().without_times() != end {
                    now.assert_eq(&begin, &what);
                }
            }
            // Space runs out before anything is decided, so that nothing is ever to be undone.
            assert_eq!(undone, fault == Fault::Error, "{}", scene.command);
        }
    }
}

fn now_has_staging(sample: &SampleTree) -> bool {
    [
        "journal",
        "journal.back",
        "journal.done",
        "journal.forward",
        "new",
        "old",
    ]
    .iter()
    .any(|name| sample.path("scripts/lto/.install").join(name).exists())
}

/// A file that is changed while a command is interrupted is not overwritten.
#[test]
fn a_file_changed_during_an_interruption_is_not_overwritten() {
    let scene = &SCENES[0];
    let path = "scripts/link-vmlinux.sh";
    let mut conflicts = 0;
    for at in 0.. {
        let Some((sample, begin)) = scene.killed_at(at) else {
            break;
        };
        let pristine = sample.read(path).contains("link()");
        sample.write(path, b"mine");
        let what = format!("changed after a kill at step {at}");
        match recover(sample.dir()) {
            Ok(_) => {}
            Err(Error::Undone(error)) => {
                conflicts += 1;
                assert!(pristine, "{what}");
                assert!(matches!(*error, Error::Conflict { .. }), "{what}: {error}");
                assert_says(&error.to_string(), &[path]);
                sample.write(path, b"#!/bin/sh\nlink()\n{\n\tld -r\n}\nlink\nlink\n");
                let times = |snapshot: Snapshot| snapshot.without_times();
                times(sample.snapshot()).assert_eq(&times(begin), &what);
                continue;
            }
            Err(error) => panic!("{what}: {error}"),
        }
        assert_eq!(sample.read(path), "mine", "{what}");
    }
    assert!(conflicts > 5, "only {conflicts} conflicts were met");
}

/// A command that is killed while it removes what it staged is told as done, and not as forgotten.
#[test]
fn a_kill_while_sweeping_is_told_as_finished() {
    for scene in &SCENES {
        let end = scene.end();
        let mut n_swept = 0;
        for at in 0.. {
            let Some((sample, _)) = scene.killed_at(at) else {
                break;
            };
            let is_done = sample.path("scripts/lto/.install/journal.done").exists();
            let recovery = recover(sample.dir()).unwrap();
            if is_done {
                n_swept += 1;
                let command = scene.command.to_owned();
                assert_eq!(recovery, Recovery::Finished { command });
                sample
                    .snapshot()
                    .without_times()
                    .assert_eq(&end, "after sweeping");
            }
        }
        assert!(n_swept > 5, "only {n_swept}");
    }
}

/// An uninstall writes only the files that it restores: what it removes needs no space.
#[test]
fn a_full_disk_is_told_with_the_space_that_is_needed() {
    let sample = SampleTree::new();
    install_of(&sample, &ALL);
    let tool = vec![0; 1_000_000];
    let mut built = binaries();
    built.insert("solo".to_owned(), tool);
    let tree = sample.open();
    let plan = plan_of(&tree, &ALL).unwrap();
    crate::install::install(&tree, &plan, &built, OnChange::Refuse).unwrap();
    let mut disk = FaultyDisk::new(Fault::Full, 4);
    let error = uninstall_on(&mut disk, &sample.open(), OnChange::Refuse).unwrap_err();
    let Error::NoSpace { kilobytes, .. } = &error else {
        panic!("{error}");
    };
    assert!((16..200).contains(kilobytes), "{kilobytes}");
    assert_says(
        &error.to_string(),
        &["uninstall needs about", "the tree was not changed"],
    );
    let mut disk = FaultyDisk::new(Fault::Full, usize::MAX);
    uninstall_on(&mut disk, &sample.open(), OnChange::Refuse).unwrap();
    let written = disk.n_bytes_written() as u64 / 1024;
    assert!(written <= *kilobytes, "{written}");
}

/// Without second names, as on some file systems, everything works by copies.
#[test]
fn a_disk_without_second_names_is_good_enough() {
    struct NoLinks(RealDisk);

    impl Disk for NoLinks {
        fn make_dir(&mut self, path: &Path, like: &Path) -> io::Result<()> {
            self.0.make_dir(path, like)
        }
        fn write(&mut self, path: &Path, content: &Content, like: &Path) -> io::Result<()> {
            self.0.write(path, content, like)
        }
        fn link(&mut self, _: &Path, _: &Path) -> io::Result<()> {
            Err(io::Error::from(ErrorKind::Unsupported))
        }
        fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
            self.0.rename(from, to)
        }
        fn remove_file(&mut self, path: &Path) -> io::Result<()> {
            self.0.remove_file(path)
        }
        fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
            self.0.remove_dir(path)
        }
        fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
            self.0.sync_dir(path)
        }
    }

    for scene in &SCENES {
        let sample = scene.begin();
        scene.run(&sample, &mut NoLinks(RealDisk)).unwrap();
        sample
            .snapshot()
            .without_times()
            .assert_eq(&scene.end(), scene.command);
    }
}

/// A directory of the record or of the tools that became a link leads elsewhere: nothing there is removed.
#[test]
fn nothing_is_removed_through_a_link() {
    use std::os::unix::fs::symlink;

    for directory in [
        "scripts/lto/bin",
        "scripts/lto/.install/old",
        "scripts/lto/.install",
    ] {
        let sample = SampleTree::new();
        install_of(&sample, &ALL);
        let outside = sample.dir().parent().unwrap().join("outside");
        let full = sample.path(directory);
        if full.is_dir() {
            fs::rename(&full, &outside).unwrap();
        } else {
            fs::create_dir(&outside).unwrap();
            fs::write(outside.join("0"), "mine").unwrap();
        }
        let n_before = fs::read_dir(&outside).unwrap().count();
        symlink(&outside, &full).unwrap();
        let result = recover(sample.dir())
            .and_then(|_| Tree::open(sample.dir()))
            .and_then(|tree| uninstall(&tree, OnChange::Discard));
        assert_says(
            &result.unwrap_err().to_string(),
            &[directory, "files outside the tree are never changed"],
        );
        assert_eq!(
            fs::read_dir(&outside).unwrap().count(),
            n_before,
            "{directory}"
        );
    }
}

impl Scene {
    /// Its name in docs/results/interrupted.md.
    fn title(&self) -> String {
        let title = match (self.from, self.to) {
            ([], _) => "install".to_owned(),
            (_, []) => "uninstall".to_owned(),
            (from, [_]) => format!("install of 1 plugin over {}", from.len()),
            (from, to) => format!("install of {} plugins over {}", to.len(), from.len()),
        };
        if self.updated {
            format!("{title}, after an update of the tree")
        } else {
            title
        }
    }

    /// Makes each change of the disk fail in turn, and runs the next command. Returns the number of changes, and
    /// after how many the tree was as before the command and as after it.
    fn outcomes(&self, fault: Fault) -> [usize; 3] {
        let end = self.end();
        let mut counts = [0; 3];
        for at in 0.. {
            let sample = self.begin();
            let begin = sample.snapshot().without_times();
            let mut disk = FaultyDisk::new(fault, at);
            let result = self.run(&sample, &mut disk);
            if !disk.went_wrong() {
                result.unwrap();
                break;
            }
            recover(sample.dir()).unwrap();
            let now = sample.snapshot().without_times();
            let what = format!("{}, {fault:?} at {at}", self.title());
            let is_after = now == end;
            if !is_after {
                now.assert_eq(&begin, &what);
            }
            counts[0] += 1;
            counts[if is_after { 2 } else { 1 }] += 1;
        }
        counts
    }
}

/// The table of docs/results/interrupted.md is what happens.
#[test]
fn the_table_of_kills_is_what_happens() {
    let mut table = String::from(
        "| command | fault | disk operations that failed in turn | tree as before | tree as after |\n\
         |---|---|---:|---:|---:|\n",
    );
    for scene in &SCENES {
        for (fault, name) in [
            (Fault::Kill, "killed"),
            (Fault::Error, "input/output error"),
            (Fault::Full, "disk full"),
        ] {
            let [tried, before, after] = scene.outcomes(fault);
            let title = scene.title();
            let row = format!("| {title} | {name} | {tried} | {before} | {after} |\n");
            table.push_str(&row);
        }
    }
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/results/interrupted.md"
    );
    let page = fs::read_to_string(page).unwrap();
    assert!(
        page.contains(&table),
        "docs/results/interrupted.md lacks:\n{table}"
    );
}

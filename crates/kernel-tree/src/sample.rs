// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A small kernel tree and plugins for it, for tests.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Result;
use crate::install::{Report, install};
use crate::on_change::OnChange;
use crate::plan::Plan;
use crate::plugin::{Folder, GenerateResult, Generated, GlueFile};
use crate::table::Table;
use crate::time_stamp::TimeStamp;
use crate::tree::Tree;

/// A kernel tree in a temporary directory.
pub(crate) struct SampleTree {
    /// Removed with the value.
    _parent: TempDir,
    dir: PathBuf,
}

const FILES: [(&str, u32, &[u8]); 9] = [
    (
        "Makefile",
        0o644,
        b"# SPDX\nVERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 262\nEXTRAVERSION =\n\
          include-y := scripts/Makefile.extrawarn\n",
    ),
    ("Kconfig", 0o644, b"mainmenu \"Linux\"\n"),
    (
        "arch/Kconfig",
        0o640,
        b"config A\n\tbool\n\nconfig B\n\tbool\n",
    ),
    ("arch/arm64/Kconfig", 0o600, b"config ARM64\n\tdef_bool y\n"),
    (
        "scripts/Makefile.build",
        0o444,
        b"# rules\ntargets += x\ntargets := $(targets)\n",
    ),
    (
        "scripts/link-vmlinux.sh",
        0o755,
        b"#!/bin/sh\nlink()\n{\n\tld -r\n}\nlink\nlink\n",
    ),
    // Bytes that are no UTF-8, and no newline at the end.
    (
        "include/linux/init.h",
        0o644,
        b"/* Andr\xe9 */\n#define initcall(fn) fn\n#define console_initcall(fn) fn",
    ),
    ("include/linux/empty.h", 0o644, b""),
    ("drivers/a.c", 0o644, b"int a;\n"),
];

impl SampleTree {
    pub fn new() -> Self {
        // A few thousand trees are synced to their disk: in memory, where there is such a place,
        // that takes seconds and not minutes.
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let parent = parent.expect("a temporary directory");
        let dir = parent.path().join("linux");
        let tree = Self {
            _parent: parent,
            dir,
        };
        for (index, (path, mode, content)) in FILES.iter().enumerate() {
            tree.write(path, content);
            tree.set(
                path,
                *mode,
                1_000_000_000 + i64::try_from(index).unwrap() * 1000,
            );
        }
        for directory in [
            "",
            "scripts",
            "arch",
            "arch/arm64",
            "include",
            "include/linux",
            "drivers",
        ] {
            let mode = Permissions::from_mode(0o755);
            fs::set_permissions(tree.dir.join(directory), mode).expect("permissions");
        }
        symlink("Kconfig", tree.dir.join("Kconfig.link")).expect("a symbolic link");
        tree
    }

    /// A tree whose own build knows LTO.
    pub fn native() -> Self {
        let sample = Self::new();
        sample.append("arch/Kconfig", "\nconfig LTO_CLANG\n\tbool\n");
        sample.write("scripts/Makefile.vmlinux_o", b"perl objects\n");
        sample
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    pub fn open(&self) -> Tree {
        Tree::open(&self.dir).expect("the sample is a kernel tree")
    }

    pub fn read(&self, path: &str) -> String {
        let content = fs::read(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        String::from_utf8_lossy(&content).into_owned()
    }

    /// Writes a file and makes its directories. An existing file keeps its mode.
    pub fn write(&self, path: &str, content: &[u8]) {
        let full = self.path(path);
        fs::create_dir_all(full.parent().expect("a directory")).expect("a directory");
        fs::write(&full, content).unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    pub fn append(&self, path: &str, text: &str) {
        let mut content = fs::read(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        content.extend_from_slice(text.as_bytes());
        self.write(path, &content);
    }

    pub fn set(&self, path: &str, mode: u32, seconds: i64) {
        let full = self.path(path);
        let stamp = TimeStamp {
            seconds,
            nanoseconds: 123_456_789,
        };
        let times = FileTimes::new().set_modified(stamp.to_system_time().expect("a time"));
        let file = File::open(&full).unwrap_or_else(|e| panic!("{path}: {e}"));
        file.set_times(times)
            .unwrap_or_else(|e| panic!("{path}: {e}"));
        fs::set_permissions(&full, Permissions::from_mode(mode)).expect("permissions");
    }

    /// Replaces text of a file, as an update of the kernel or a user does. The mode stays, and the time is
    /// always the same.
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let content = fs::read(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        let at = content
            .windows(from.len())
            .position(|part| part == from.as_bytes());
        let at = at.unwrap_or_else(|| panic!("{path}: no {from}"));
        let content = [&content[..at], to.as_bytes(), &content[at + from.len()..]].concat();
        let mode = fs::metadata(self.path(path)).expect("a file").mode() & 0o7777;
        self.set(path, mode | 0o200, 0);
        self.write(path, &content);
        self.set(path, mode, 1_700_000_000);
    }

    /// Changes lines that no plugin edits, as the next release of the kernel does.
    pub fn update(&self) {
        self.replace("Makefile", "SUBLEVEL = 262", "SUBLEVEL = 263");
        self.replace("arch/Kconfig", "config A\n", "config A_NEW\n");
        self.replace(
            "scripts/link-vmlinux.sh",
            "\tld -r\n",
            "\tld -r -z now\n\techo new\n",
        );
        self.replace(
            "include/linux/init.h",
            "console_initcall(fn) fn",
            "console(fn) fn",
        );
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    /// Returns the state of everything in the tree: files, directories and links.
    pub fn snapshot(&self) -> Snapshot {
        let mut entries = BTreeMap::new();
        for entry in walkdir::WalkDir::new(&self.dir) {
            let entry = entry.expect("a readable tree");
            let metadata = entry.metadata().expect("metadata");
            let path = entry.path().strip_prefix(&self.dir).expect("inside");
            let kept = if metadata.is_file() {
                Kept::File {
                    content: fs::read(entry.path()).expect("a readable file"),
                    mode: metadata.mode(),
                    modified: TimeStamp::of(&metadata),
                }
            } else if metadata.is_symlink() {
                Kept::Link(fs::read_link(entry.path()).expect("a link"))
            } else {
                Kept::Directory {
                    mode: metadata.mode(),
                }
            };
            entries.insert(path.display().to_string(), kept);
        }
        Snapshot { entries }
    }
}

/// The state of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    entries: BTreeMap<String, Kept>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    File {
        content: Vec<u8>,
        mode: u32,
        modified: TimeStamp,
    },
    Link(PathBuf),
    /// A directory's own time changes with its names, and nothing reads it.
    Directory {
        mode: u32,
    },
}

impl Snapshot {
    /// The same without the times at which files were written, for trees written at two times.
    pub fn without_times(mut self) -> Self {
        for kept in self.entries.values_mut() {
            if let Kept::File { modified, .. } = kept {
                *modified = TimeStamp {
                    seconds: 0,
                    nanoseconds: 0,
                };
            }
        }
        self
    }

    /// The same without the record of the install.
    pub fn without_record(mut self) -> Self {
        self.entries
            .retain(|path, _| !crate::paths::is_record(path));
        self
    }

    /// Fails with the names of the differing files, not with all contents.
    #[track_caller]
    pub fn assert_eq(&self, other: &Self, what: &str) {
        let names = self.entries.keys().chain(other.entries.keys());
        let mut differing: Vec<_> = names
            .filter(|name| self.entries.get(*name) != other.entries.get(*name))
            .map(|name| {
                let shown = |kept: Option<&Kept>| match kept {
                    None => "not there".to_owned(),
                    Some(Kept::File {
                        content,
                        mode,
                        modified,
                    }) => format!(
                        "{mode:o} {}.{} {:?}",
                        modified.seconds,
                        modified.nanoseconds,
                        String::from_utf8_lossy(content)
                    ),
                    Some(other) => format!("{other:?}"),
                };
                let (a, b) = (self.entries.get(name), other.entries.get(name));
                format!("{name}: {} / {}", shown(a), shown(b))
            })
            .collect();
        differing.dedup();
        assert!(differing.is_empty(), "{what}:\n{}", differing.join("\n"));
    }
}

pub(crate) const HOOKS: &str = r#"
[[hook]]
name = "Kconfig"
[[edit]]
hook = "Kconfig"
file = "arch/Kconfig"
anchor = '''
config B
'''
before = '''
source "scripts/lto/Kconfig"

'''
reason = "the options"

[[hook]]
name = "Makefile.build"
[[edit]]
hook = "Makefile.build"
file = "scripts/Makefile.build"
anchor = '''
targets := $(targets)
'''
after = '''
include $(srctree)/scripts/lto/Makefile.build
'''
reason = "the rules"

[[hook]]
name = "Makefile.top"
[[edit]]
hook = "Makefile.top"
file = "Makefile"
anchor = '''
include-y := scripts/Makefile.extrawarn
'''
after = '''
include-y += scripts/lto/Makefile.top
'''
reason = "the flags"
"#;

pub(crate) const CORE: Folder = Folder {
    name: "core",
    files: &[
        GlueFile {
            name: "edits.toml",
            text: r#"
            [plugin]
            title = "Do what the core does"
            upstream = ["kbuild: add the core"]
            tools = ["core-tool"]
            [[plugin.part]]
            tree = "init"
            title = "Define initcalls by the core"
            body = "The core has them."
            [[fragment]]
            hook = "Kconfig"
            source = "Kconfig"
            [[fragment]]
            hook = "Makefile.build"
            source = "Makefile.build"
            [[file]]
            source = "core.h"
            dest = "include/lto/core.h"
            [[file]]
            source = "core.h"
            dest = "include/linux/never.h"
            when = [{ exists = "arch/riscv" }]
            [[edit]]
            file = "include/linux/init.h"
            anchor = '''
#define initcall(fn) fn
'''
            replace = '''
#define initcall(fn) core(fn)
'''
            reason = "initcalls are the core's"
            "#,
        },
        GlueFile {
            name: "Kconfig",
            text: "# SPDX-License-Identifier: GPL-2.0-only\n\nconfig CORE\n\tbool\n",
        },
        GlueFile {
            name: "Makefile.build",
            text: "# SPDX-License-Identifier: GPL-2.0-only\n\ncore := y\n",
        },
        GlueFile {
            name: "core.h",
            text: "#define core(fn) fn\n",
        },
    ],
    generate: None,
};

/// Anchors on what the core leaves.
pub(crate) const EXTRA: Folder = Folder {
    name: "extra",
    files: &[
        GlueFile {
            name: "edits.toml",
            text: r#"
            [plugin]
            title = "Do more than the core does"
            requires = ["core"]
            [adopt]
            refused = "the tree does more by itself"
            [[fragment]]
            hook = "Makefile.build"
            source = "Makefile.build"
            [[edit]]
            file = "include/linux/init.h"
            anchor = '''
#define initcall(fn) core(fn)
'''
            before = '''
/* extra */
'''
            reason = "more about initcalls"
            "#,
        },
        GlueFile {
            name: "Makefile.build",
            text: "extra := y\n",
        },
    ],
    generate: Some(extra_files),
};

fn extra_files(tree: &Tree) -> GenerateResult {
    let text = if tree.has("drivers/a.c")? {
        "a.o\n"
    } else {
        ""
    };
    Ok(vec![Generated {
        path: "scripts/lto/extra.list".into(),
        text: text.into(),
        notes: vec!["b.c matched nothing".into()],
    }])
}

/// Needs nothing and uses no hook.
pub(crate) const SOLO: Folder = Folder {
    name: "solo",
    files: &[GlueFile {
        name: "edits.toml",
        text: r#"
        [plugin]
        title = "Stand alone"
        upstream = ["kbuild: alone", "kbuild: all alone"]
        tools = ["solo"]
        [[edit]]
        file = "scripts/link-vmlinux.sh"
        anchor = '''
link
'''
        occurs = 2
        replace = '''
solo
'''
        reason = "solo links twice"
        [[edit]]
        file = "scripts/link-vmlinux.sh"
        anchor = "link()"
        replace = "solo()"
        reason = "and has the name"
        "#,
    }],
    generate: None,
};

pub(crate) fn table() -> Table {
    Table::new(HOOKS, vec![CORE, EXTRA, SOLO]).expect("the table of the sample")
}

/// The content of the tools of the sample.
pub(crate) fn binaries() -> BTreeMap<String, Vec<u8>> {
    let binary = |name: &str| (name.to_owned(), format!("\0ELF {name}").into_bytes());
    [binary("core-tool"), binary("solo")].into()
}

/// The names of all plugins of the sample.
pub(crate) const ALL: [&str; 3] = ["core", "extra", "solo"];

pub(crate) fn plan_of(tree: &Tree, names: &[&str]) -> Result<Plan> {
    Plan::new(tree, &table().select(names)?, "1.0")
}

pub(crate) fn install_of(sample: &SampleTree, names: &[&str]) -> Report {
    let tree = sample.open();
    let plan = plan_of(&tree, names).expect("a plan");
    install(&tree, &plan, &binaries(), OnChange::Refuse).expect("an install")
}

#[track_caller]
pub(crate) fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

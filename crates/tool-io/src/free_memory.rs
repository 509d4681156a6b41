// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The memory that is free on this machine, and within the limits of the control groups of this process.
//!
//! Sources: the kernel's `Documentation/filesystems/proc.rst` (`MemAvailable`, `mountinfo`),
//! `admin-guide/cgroup-v2.rst` and `admin-guide/cgroup-v1/memory.rst`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Memory that a new process can use. Swap space does not count: a linker that swaps takes hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeMemory {
    /// Its bytes.
    pub bytes: u64,
    /// What would have to grow for more.
    pub bound: MemoryBound,
}

/// The bound of the free memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemoryBound {
    /// The memory of the machine.
    Machine,
    /// The limit of a control group, by its directory.
    Cgroup(PathBuf),
    /// A variable that the user has set.
    Variable(&'static str),
}

impl fmt::Display for MemoryBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("on this machine"),
            Self::Cgroup(dir) => {
                write!(f, "within the limit of the control group {}", dir.display())
            }
            Self::Variable(name) => write!(f, "by {name}"),
        }
    }
}

impl FreeMemory {
    /// Returns the free memory for this process; `None` if the system does not tell.
    pub fn of_system() -> Option<Self> {
        Self::read(Path::new("/"))
    }

    /// Returns the free memory by the files below `root`, which has the directories `proc` and `sys`.
    pub fn read(root: &Path) -> Option<Self> {
        let machine = field(&text(&root.join("proc/meminfo"))?, "MemAvailable:")?;
        let machine = Self {
            bytes: machine.checked_mul(1024)?,
            bound: MemoryBound::Machine,
        };
        let groups = limited_groups(root).into_iter();
        groups.chain([machine]).min_by_key(|free| free.bytes)
    }
}

/// The names of the files and fields of a version of control groups.
struct Version {
    /// The kind of file system.
    file_system: &'static str,
    /// The limits. The smallest counts.
    limits: &'static [&'static str],
    usage: &'static str,
    /// The fields of `memory.stat` with the bytes of files that the kernel can drop.
    droppable: [&'static str; 2],
}

const V2: Version = Version {
    file_system: "cgroup2",
    // Above `memory.high`, the kernel slows processes down until they hardly run.
    limits: &["memory.max", "memory.high"],
    usage: "memory.current",
    droppable: ["active_file", "inactive_file"],
};

const V1: Version = Version {
    file_system: "cgroup",
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    droppable: ["total_active_file", "total_inactive_file"],
};

/// Returns the free memory of each control group that has a limit and contains this process.
fn limited_groups(root: &Path) -> Vec<FreeMemory> {
    let groups = text(&root.join("proc/self/cgroup")).unwrap_or_default();
    let mounts = text(&root.join("proc/self/mountinfo")).unwrap_or_default();
    let mut found = Vec::new();
    for line in groups.lines() {
        // Hierarchy, controllers, path. Version 2 has hierarchy 0 and names no controllers.
        let mut parts = line.splitn(3, ':');
        let (Some(hierarchy), Some(controllers), Some(path)) =
            (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let version = match hierarchy {
            "0" => V2,
            _ if controllers.split(',').any(|name| name == "memory") => V1,
            _ => continue,
        };
        for mount in mounts
            .lines()
            .filter_map(|line| Mount::parse(line, &version))
        {
            // In a container, the group may lie outside of what is mounted. Then the mounted one counts.
            let below = Path::new(path)
                .strip_prefix(mount.root)
                .unwrap_or(Path::new(""));
            let depth = below.components().count();
            for dir in mount.point.join(below).ancestors().take(depth + 1) {
                if let Some(bytes) = version.free_in(&below_root(root, dir)) {
                    let bound = MemoryBound::Cgroup(dir.to_owned());
                    found.push(FreeMemory { bytes, bound });
                }
            }
        }
    }
    found
}

/// A mounted hierarchy of control groups.
struct Mount<'line> {
    /// The group that is mounted.
    root: &'line str,
    /// The directory.
    point: &'line Path,
}

impl<'line> Mount<'line> {
    /// Reads a line of `mountinfo`; `None` if it is another file system, or one without memory control.
    fn parse(line: &'line str, version: &Version) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let kind = file_system.next()?;
        let options = file_system.nth(1)?;
        let controls = kind == V2.file_system || options.split(',').any(|name| name == "memory");
        if kind != version.file_system || !controls {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let root = fields.next()?;
        let point = Path::new(fields.next()?);
        Some(Self { root, point })
    }
}

impl Version {
    /// Returns the free memory of the group `dir`; `None` if it has no limit.
    fn free_in(&self, dir: &Path) -> Option<u64> {
        let limits = self
            .limits
            .iter()
            .filter_map(|name| number(&dir.join(name)));
        let limit = limits.min()?;
        let usage = number(&dir.join(self.usage))?;
        let stat = text(&dir.join("memory.stat")).unwrap_or_default();
        let droppable = self.droppable.map(|name| field(&stat, name).unwrap_or(0));
        let used = usage.saturating_sub(droppable.iter().sum());
        Some(limit.saturating_sub(used))
    }
}

/// Returns the path below `root` for an absolute path.
fn below_root(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Returns the number in a file; `None` for `max`, which means no limit.
fn number(path: &Path) -> Option<u64> {
    text(path)?.trim().parse().ok()
}

/// Returns the number behind `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_whitespace);
    lines.find_map(|mut words| {
        (words.next()? == name)
            .then(|| words.next()?.parse().ok())
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str =
        "MemTotal:        8000000 kB\nMemFree: 10 kB\nMemAvailable:    4000000 kB\n";
    const V2_MOUNT: &str =
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

    /// Makes the files, and returns the free memory.
    fn free(files: &[(&str, &str)]) -> Option<FreeMemory> {
        let root = tempfile::tempdir().expect("temporary directory");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("directory");
            fs::write(path, text).expect("file");
        }
        FreeMemory::read(root.path())
    }

    fn in_group(bytes: u64, dir: &str) -> FreeMemory {
        let bound = MemoryBound::Cgroup(dir.into());
        FreeMemory { bytes, bound }
    }

    #[test]
    fn without_groups_the_memory_of_the_machine_counts() {
        let machine = Some(FreeMemory {
            bytes: 4_000_000 * 1024,
            bound: MemoryBound::Machine,
        });
        assert_eq!(free(&[("proc/meminfo", MEMINFO)]), machine);
        // A group without a limit, and one whose limit is larger than the machine.
        for max in ["max\n", "9000000000000\n"] {
            let files = [
                ("proc/meminfo", MEMINFO),
                ("proc/self/cgroup", "0::/job\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/job/memory.max", max),
                ("sys/fs/cgroup/job/memory.current", "5\n"),
            ];
            assert_eq!(free(&files), machine);
        }
        assert_eq!(free(&[("proc/meminfo", "MemTotal: 8 kB\n")]), None);
        assert_eq!(free(&[]), None);
    }

    #[test]
    fn the_smallest_group_of_version_2_counts_with_those_above_it() {
        let files = |high| {
            [
                ("proc/meminfo", MEMINFO),
                ("proc/self/cgroup", "0::/user.slice/job\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/user.slice/memory.max", "1000000\n"),
                ("sys/fs/cgroup/user.slice/memory.current", "600000\n"),
                (
                    "sys/fs/cgroup/user.slice/memory.stat",
                    "anon 400000\ninactive_file 150000\nactive_file 50000\nshmem 7\n",
                ),
                ("sys/fs/cgroup/user.slice/job/memory.max", "700000\n"),
                ("sys/fs/cgroup/user.slice/job/memory.high", high),
                ("sys/fs/cgroup/user.slice/job/memory.current", "1000\n"),
            ]
        };
        // 1,000,000 less 600,000 in use, of which 200,000 can be dropped.
        assert_eq!(
            free(&files("max\n")),
            Some(in_group(600_000, "/sys/fs/cgroup/user.slice"))
        );
        assert_eq!(
            free(&files("500000\n")),
            Some(in_group(499_000, "/sys/fs/cgroup/user.slice/job"))
        );
    }

    #[test]
    fn a_group_of_version_1_counts_also_where_a_container_sees_only_its_own() {
        let mount = |root: &str| {
            format!(
                "33 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                 36 23 0:30 {root} /sys/fs/cgroup/memory ro,nosuid shared:5 - cgroup cgroup rw,memory\n"
            )
        };
        let files = |dir: &str| {
            [
                ("memory.limit_in_bytes", "2000000\n"),
                ("memory.usage_in_bytes", "1500000\n"),
                (
                    "memory.stat",
                    "inactive_file 9\ntotal_inactive_file 300000\ntotal_active_file 100000\n",
                ),
            ]
            .map(|(name, text)| (format!("sys/fs/cgroup/memory/{dir}{name}"), text))
        };
        for (root, dir) in [("/", "docker/a/"), ("/docker/a", ""), ("/other", "")] {
            let mounts = mount(root);
            let files = files(dir);
            let mut all = vec![
                ("proc/meminfo", MEMINFO),
                (
                    "proc/self/cgroup",
                    "5:cpu:/docker/a\n4:hugetlb,memory:/docker/a\n0::/\n",
                ),
                ("proc/self/mountinfo", &mounts),
            ];
            all.extend(files.iter().map(|(path, text)| (path.as_str(), *text)));
            let dir = Path::new("/sys/fs/cgroup/memory").join(dir);
            assert_eq!(
                free(&all),
                Some(in_group(900_000, dir.to_str().unwrap())),
                "{root}"
            );
        }
    }

    #[test]
    fn a_group_that_is_full_has_nothing_left() {
        let files = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", V2_MOUNT),
            ("sys/fs/cgroup/memory.max", "1000\n"),
            ("sys/fs/cgroup/memory.current", "1200\n"),
        ];
        assert_eq!(free(&files), Some(in_group(0, "/sys/fs/cgroup")));
    }
}

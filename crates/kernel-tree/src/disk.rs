// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Changes of the disk. This crate makes all of them through [`Disk`], so that tests can let any single
//! one fail, or be the last.

use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::attributes::{copy_extended, give_to_owner_of};
use crate::time_stamp::TimeStamp;

/// The state that a file had or gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub bytes: Vec<u8>,
    /// The permission bits.
    pub mode: u32,
    /// The time of modification; `None` for the time of writing.
    pub modified: Option<TimeStamp>,
}

/// The changes of a disk.
pub(crate) trait Disk {
    /// Makes a directory with the owner and the permissions of `like`, whatever the umask is.
    fn make_dir(&mut self, path: &Path, like: &Path) -> io::Result<()>;
    /// Makes or overwrites a file with the owner of `like`, and syncs it. If `like` is a file, it also gets its
    /// extended attributes.
    fn write(&mut self, path: &Path, content: &Content, like: &Path) -> io::Result<()>;
    /// Gives a file a second name.
    fn link(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames a file; an existing target is replaced.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&mut self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&mut self, path: &Path) -> io::Result<()>;
    /// Syncs the names in a directory.
    fn sync_dir(&mut self, path: &Path) -> io::Result<()>;
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn make_dir(&mut self, path: &Path, like: &Path) -> io::Result<()> {
        fs::create_dir(path)?;
        give_to_owner_of(path, like)?;
        fs::set_permissions(path, fs::metadata(like)?.permissions())
    }

    fn write(&mut self, path: &Path, content: &Content, like: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        file.write_all(&content.bytes)?;
        give_to_owner_of(path, like)?;
        if like.is_file() {
            copy_extended(like, path);
        }
        // Set after the owner, because changing the owner clears some of these bits.
        file.set_permissions(Permissions::from_mode(content.mode))?;
        if let Some(time) = content.modified.and_then(TimeStamp::to_system_time) {
            file.set_times(FileTimes::new().set_modified(time))?;
        }
        file.sync_all()
    }

    fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// Failing disks, for tests.
#[cfg(test)]
pub(crate) mod faulty {
    use std::io;
    use std::path::Path;

    use super::{Content, Disk, RealDisk};

    /// The failure at the chosen change.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// The change is the last one, and only half of it is done if possible.
        Kill,
        /// Only this change fails.
        Error,
        /// From this change on nothing can be written, but names can still be changed and removed.
        Full,
    }

    /// A disk that counts changes, and lets one of them fail.
    pub(crate) struct FaultyDisk {
        disk: RealDisk,
        fault: Fault,
        /// The number of the failing change, counted from 0.
        at: usize,
        done: usize,
        n_bytes_written: usize,
    }

    impl FaultyDisk {
        pub fn new(fault: Fault, at: usize) -> Self {
            Self {
                disk: RealDisk,
                fault,
                at,
                done: 0,
                n_bytes_written: 0,
            }
        }

        /// Returns whether the failing change was reached.
        pub fn went_wrong(&self) -> bool {
            self.done > self.at
        }

        /// Returns the number of bytes of the written files.
        pub fn n_bytes_written(&self) -> usize {
            self.n_bytes_written
        }

        /// Returns whether this change fails. `writes` says that it needs space.
        fn fails(&mut self, writes: bool) -> bool {
            let now = self.done;
            self.done += 1;
            match self.fault {
                Fault::Kill => now >= self.at,
                Fault::Error => now == self.at,
                Fault::Full => now >= self.at && writes,
            }
        }

        fn error(&self) -> io::Error {
            match self.fault {
                Fault::Kill => io::Error::other("killed"),
                Fault::Error => io::Error::other("input/output error"),
                Fault::Full => io::Error::from(io::ErrorKind::StorageFull),
            }
        }
    }

    impl Disk for FaultyDisk {
        fn make_dir(&mut self, path: &Path, like: &Path) -> io::Result<()> {
            if self.fails(true) {
                return Err(self.error());
            }
            self.disk.make_dir(path, like)
        }

        fn write(&mut self, path: &Path, content: &Content, like: &Path) -> io::Result<()> {
            let first = self.done == self.at;
            if self.fails(true) {
                if first {
                    // A kill or a full disk leaves the beginning of the file.
                    let half = Content {
                        bytes: content.bytes[..content.bytes.len() / 2].to_vec(),
                        ..content.clone()
                    };
                    self.disk.write(path, &half, like)?;
                }
                return Err(self.error());
            }
            self.n_bytes_written += content.bytes.len();
            self.disk.write(path, content, like)
        }

        fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
            if self.fails(false) {
                return Err(self.error());
            }
            self.disk.link(from, to)
        }

        fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
            if self.fails(false) {
                return Err(self.error());
            }
            self.disk.rename(from, to)
        }

        fn remove_file(&mut self, path: &Path) -> io::Result<()> {
            if self.fails(false) {
                return Err(self.error());
            }
            self.disk.remove_file(path)
        }

        fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
            if self.fails(false) {
                return Err(self.error());
            }
            self.disk.remove_dir(path)
        }

        fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
            if self.fails(false) {
                return Err(self.error());
            }
            self.disk.sync_dir(path)
        }
    }
}

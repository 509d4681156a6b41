// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Every change of a disk that this crate makes goes through [`Disk`], so that tests can let any
//! one of them fail, or be the last.

use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::time_stamp::TimeStamp;

/// What a file is to be, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub bytes: Vec<u8>,
    /// The permission bits.
    pub mode: u32,
    /// `None`: the time at which it is written.
    pub modified: Option<TimeStamp>,
}

/// Changes of a disk.
pub(crate) trait Disk {
    /// Makes a directory, which is to belong to whom `like` belongs.
    fn make_dir(&mut self, path: &Path, like: &Path) -> io::Result<()>;
    /// Makes a file, or makes it anew, and has it written out to the disk. It is to belong to
    /// whom `like` belongs.
    fn write(&mut self, path: &Path, content: &Content, like: &Path) -> io::Result<()>;
    /// Renames a file over another or over nothing.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&mut self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&mut self, path: &Path) -> io::Result<()>;
    /// Has a directory's names written out to the disk.
    fn sync_dir(&mut self, path: &Path) -> io::Result<()>;
}

/// The disk that is there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn make_dir(&mut self, path: &Path, like: &Path) -> io::Result<()> {
        fs::create_dir(path)?;
        give_to_owner_of(path, like)
    }

    fn write(&mut self, path: &Path, content: &Content, like: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        file.write_all(&content.bytes)?;
        give_to_owner_of(path, like)?;
        // After the owner, whose change clears some of these bits.
        file.set_permissions(Permissions::from_mode(content.mode))?;
        if let Some(time) = content.modified.and_then(TimeStamp::to_system_time) {
            file.set_times(FileTimes::new().set_modified(time))?;
        }
        file.sync_all()
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

/// Makes what was just made belong to whom `like` belongs, so that an install by root leaves no
/// file of root in another's tree. Who may not give files away keeps them.
fn give_to_owner_of(path: &Path, like: &Path) -> io::Result<()> {
    let wanted = fs::metadata(like)?;
    let made = fs::metadata(path)?;
    if (made.uid(), made.gid()) == (wanted.uid(), wanted.gid()) {
        return Ok(());
    }
    match std::os::unix::fs::chown(path, Some(wanted.uid()), Some(wanted.gid())) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        result => result,
    }
}

/// Disks that fail, for tests.
#[cfg(test)]
pub(crate) mod faulty {
    use std::io;
    use std::path::Path;

    use super::{Content, Disk, RealDisk};

    /// What happens at the chosen change.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// It is the last one: it is done by half if it can be, and nothing is done after it.
        Kill,
        /// It fails, and only it.
        Error,
        /// From it on nothing can be written, but names can still be changed and removed.
        Full,
    }

    /// Counts changes, and lets one of them go wrong.
    pub(crate) struct FaultyDisk {
        disk: RealDisk,
        fault: Fault,
        /// The number, from 0, of the change that goes wrong.
        at: usize,
        done: usize,
    }

    impl FaultyDisk {
        pub fn new(fault: Fault, at: usize) -> Self {
            Self {
                disk: RealDisk,
                fault,
                at,
                done: 0,
            }
        }

        /// Whether so many changes were asked for that one went wrong.
        pub fn went_wrong(&self) -> bool {
            self.done > self.at
        }

        /// Whether this change fails. `writes`: it needs space.
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
                    // What a kill or a full disk leaves: the beginning of the file.
                    let half = Content {
                        bytes: content.bytes[..content.bytes.len() / 2].to_vec(),
                        ..content.clone()
                    };
                    self.disk.write(path, &half, like)?;
                }
                return Err(self.error());
            }
            self.disk.write(path, content, like)
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

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The size of the cache, which processes change one at a time.
//!
//! The file has the number of bytes of all entries, and the limit of the last build. A lock on it is also the right to
//! add entries. If the file is damaged, or a process ended between two steps, the number is found anew from the
//! entries.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

/// The time after which a code generation does not wait for others any longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The time between two attempts to get the lock.
const PAUSE: Duration = Duration::from_millis(3);

/// The number of digits of each number: all states have the same length.
const DIGITS: usize = 20;

/// The state of a cache, locked until the value is dropped.
#[derive(Debug)]
pub(crate) struct LockedState {
    file: File,
}

/// The numbers in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The bytes of all entries.
    pub(crate) bytes: u64,
    /// The limit of the last build.
    pub(crate) limit: u64,
}

impl State {
    /// Reads the file at `path` without a lock. Returns `None` if it is missing or damaged.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        parse(&std::fs::read_to_string(path).ok()?)
    }
}

fn parse(text: &str) -> Option<State> {
    let (bytes, limit) = text.strip_suffix('\n')?.split_once(' ')?;
    let number = |digits: &str| (digits.len() == DIGITS).then(|| digits.parse().ok())?;
    Some(State {
        bytes: number(bytes)?,
        limit: number(limit)?,
    })
}

impl LockedState {
    /// Waits for the lock.
    ///
    /// # Errors
    /// The file cannot be opened, or another process has the lock for too long.
    pub(crate) fn wait(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        let options = options.create(true).truncate(false).read(true).write(true);
        let file = options.open(path)?;
        let start = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { file }),
                Err(rustix::io::Errno::WOULDBLOCK) if start.elapsed() < LONGEST_WAIT => {
                    sleep(PAUSE);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns the numbers, or `None` if the file is new or damaged.
    pub(crate) fn get(&mut self) -> Option<State> {
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(0)).ok()?;
        self.file.read_to_string(&mut text).ok()?;
        parse(&text)
    }

    /// Writes the numbers.
    ///
    /// # Errors
    /// They cannot be written.
    pub(crate) fn set(&mut self, state: State) -> io::Result<()> {
        let State { bytes, limit } = state;
        let text = format!("{bytes:0DIGITS$} {limit:0DIGITS$}\n");
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(text.as_bytes())?;
        self.file.set_len(text.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_has_no_numbers() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("state");
        let mut state = LockedState::wait(&path).expect("the lock");
        assert_eq!(state.get(), None);
        let numbers = State {
            bytes: u64::MAX,
            limit: 7,
        };
        state.set(numbers).expect("written");
        assert_eq!(
            (state.get(), State::read(&path)),
            (Some(numbers), Some(numbers))
        );
        let text = std::fs::read_to_string(&path).expect("written");
        for damaged in [&text[1..], &text[..20], "", "a b\n"] {
            std::fs::write(&path, damaged).expect("written");
            assert_eq!(state.get(), None, "{damaged}");
        }
    }
}

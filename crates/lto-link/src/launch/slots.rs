// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Job slots for code generations on this machine, when make runs more jobs than that for other machines.
//!
//! make then runs code generation with a jobserver of that many slots. The slots of the make around it stay the
//! limit for this machine: the one slot of the recipe that runs code generation, which is a lock on a file, and
//! the tokens of that make's jobserver.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// The time between two attempts to get a slot.
const PAUSE: Duration = Duration::from_millis(20);

/// The slots of the make around code generation.
#[derive(Debug)]
pub struct Slots {
    client: Option<jobserver::Client>,
    lock: Option<PathBuf>,
}

/// A slot, given back when the value is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _lock: Option<File>,
    _token: Option<jobserver::Acquired>,
}

impl Slots {
    /// Finds the slots: `lock` is the file of the recipe's slot. Without it, the caller has a slot already.
    ///
    /// Call this before opening files, because the jobserver's descriptors are inherited.
    pub fn of_make(lock: Option<PathBuf>) -> Self {
        // SAFETY: a tool calls this before it opens any file, so the descriptors that the variable names are
        // make's.
        let client = lock
            .as_ref()
            .and_then(|_| unsafe { jobserver::Client::from_env() });
        Self { client, lock }
    }

    /// Waits for a slot.
    ///
    /// # Errors
    /// The lock file cannot be opened or locked, or the jobserver fails.
    pub(crate) fn wait(&self) -> io::Result<Slot> {
        let Some(lock) = &self.lock else {
            return Ok(Slot {
                _lock: None,
                _token: None,
            });
        };
        let mut options = File::options();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(lock)?;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    return Ok(Slot {
                        _lock: Some(file),
                        _token: None,
                    });
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(client) = &self.client
                && let Some(token) = client.try_acquire()?
            {
                return Ok(Slot {
                    _lock: None,
                    _token: Some(token),
                });
            }
            sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_of_the_recipe_is_for_one_at_a_time() {
        let dir = tempfile::tempdir().expect("a directory");
        let lock = dir.path().join("slot");
        let slots = Slots {
            client: None,
            lock: Some(lock.clone()),
        };
        let slot = slots.wait().expect("a slot");
        let other = File::options().write(true).open(&lock).expect("the lock");
        let taken = flock(&other, FlockOperation::NonBlockingLockExclusive);
        assert_eq!(taken, Err(rustix::io::Errno::WOULDBLOCK));
        drop(slot);
        flock(&other, FlockOperation::NonBlockingLockExclusive).expect("free");
    }

    #[test]
    fn without_a_lock_the_caller_has_a_slot() {
        let slots = Slots::of_make(None);
        drop((slots.wait().expect("a slot"), slots.wait().expect("a slot")));
    }
}

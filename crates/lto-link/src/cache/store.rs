// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The cache's directory: a file for each entry, below folders by the first two digits of the key; the state; and the
//! numbers of hits and misses.
//!
//! Entries appear by renaming, so no reader sees, and no killed build leaves, a part of one. A use sets the time of the
//! entry. If there is no room for another entry, those that were not used for the longest time are removed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::signal::{SigHandler, Signal, signal};
use serde::Serialize;

use crate::actions::digest::Digest;
use crate::cache::entry::Entry;
use crate::cache::settings::DEFAULT_CACHE_LIMIT;
use crate::cache::state::{LockedState, State};

/// The file with the size of the cache.
const STATE: &str = "state";

/// Files that have a byte for each hit and each miss. Several processes append to them, without a lock.
const HITS: &str = "hits";
const MISSES: &str = "misses";

/// The beginning of the names of files that are not entries yet.
const UNFINISHED: &str = ".tmp_";

/// The age from which an unfinished file is left over from a killed build.
const LEFT_OVER: Duration = Duration::from_secs(60 * 60);

/// The number of digits of a key.
const KEY_LENGTH: usize = 64;

/// A cache of generated code.
#[derive(Clone, Debug)]
pub struct CodeCache {
    dir: PathBuf,
    limit: Option<u64>,
}

/// The result of a search.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The entry.
    Entry(Entry),
    /// The cache has no such entry.
    Nothing,
    /// There was one that somebody had changed, or that was not whole; it is removed.
    Damaged,
}

/// The size of a cache, and how often it had the code that a build asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CacheStatus {
    /// The directory.
    pub directory: PathBuf,
    /// The size of all entries in bytes.
    pub size_bytes: u64,
    /// The largest size in bytes.
    pub limit_bytes: u64,
    /// The number of entries.
    pub entries: u64,
    /// How often the cache had the code, since it was cleared.
    pub hits: u64,
    /// How often it did not have the code, since it was cleared.
    pub misses: u64,
}

/// A file of an entry.
struct EntryFile {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl CodeCache {
    /// Describes the cache in `dir`, which the first entry makes. Without a `limit` in bytes, it is that of the last
    /// build.
    pub fn new(dir: PathBuf, limit: Option<u64>) -> Self {
        Self { dir, limit }
    }

    /// Returns the entry of `key`, and notes its use.
    pub(crate) fn find(&self, key: &Digest) -> Found {
        let path = self.entry(key);
        let Ok(bytes) = fs::read(&path) else {
            self.count(MISSES);
            return Found::Nothing;
        };
        let Some(entry) = Entry::from_bytes(&bytes, key) else {
            self.count(MISSES);
            let _ = fs::remove_file(&path);
            return Found::Damaged;
        };
        self.count(HITS);
        // If the time cannot be set, the entry is removed earlier.
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Found::Entry(entry)
    }

    /// Keeps the entry of `key`; removes others if there is no room.
    ///
    /// # Errors
    /// It cannot be written, or is larger than the limit. The cache is as before then, except for removed entries.
    pub(crate) fn keep(&self, key: &Digest, entry: &Entry) -> io::Result<()> {
        let bytes = entry.to_bytes(key);
        let size = bytes.len() as u64;
        let limit = self.limit();
        if size > limit {
            return Err(io::Error::other("it is larger than the limit"));
        }
        let path = self.entry(key);
        let folder = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            // As for any new file, the process's umask clears bits.
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        write_all(file.as_file_mut(), &bytes)?;
        let mut state = LockedState::wait(&self.dir.join(STATE))?;
        let before = match state.get() {
            Some(before) => before.bytes,
            None => self.entries()?.iter().map(|entry| entry.bytes).sum(),
        };
        // A killed process leaves a number that is too large, never one that is too small.
        let bytes = if before + size > limit {
            self.make_room(size, limit)? + size
        } else {
            before + size
        };
        state.set(State { bytes, limit })?;
        file.persist(&path)?;
        Ok(())
    }

    /// Removes the entry of `key`.
    pub(crate) fn forget(&self, key: &Digest) {
        let _ = fs::remove_file(self.entry(key));
    }

    /// Reads the size and the numbers of hits and misses. A cache that does not exist yet is empty.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn status(&self) -> io::Result<CacheStatus> {
        let entries = self.entries()?;
        Ok(CacheStatus {
            directory: self.dir.clone(),
            size_bytes: entries.iter().map(|entry| entry.bytes).sum(),
            limit_bytes: self.limit(),
            entries: entries.len() as u64,
            hits: self.counted(HITS),
            misses: self.counted(MISSES),
        })
    }

    /// Removes all entries, and begins to count hits and misses anew. Removes no file that the cache did not make.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        let state = self.dir.join(STATE);
        if !state.exists() && self.entries()?.is_empty() {
            return Ok(());
        }
        let mut state = LockedState::wait(&state)?;
        let limit = self.limit();
        for entry in self.entries()? {
            remove(&entry.path)?;
        }
        for counter in [HITS, MISSES] {
            remove(&self.dir.join(counter))?;
        }
        state.set(State { bytes: 0, limit })
    }

    fn limit(&self) -> u64 {
        let of_last_build = || Some(State::read(&self.dir.join(STATE))?.limit);
        self.limit
            .or_else(of_last_build)
            .unwrap_or(DEFAULT_CACHE_LIMIT)
    }

    fn entry(&self, key: &Digest) -> PathBuf {
        let folder = key.hash.get(..2).unwrap_or_default();
        self.dir.join(folder).join(&key.hash)
    }

    fn count(&self, counter: &str) {
        let mut options = File::options();
        let options = options.create(true).append(true);
        let path = self.dir.join(counter);
        let file = options.open(&path).or_else(|_| {
            fs::create_dir_all(&self.dir)?;
            options.open(&path)
        });
        // A wrong number harms nobody.
        let _ = file.and_then(|mut file| file.write_all(b"."));
    }

    fn counted(&self, counter: &str) -> u64 {
        fs::metadata(self.dir.join(counter)).map_or(0, |file| file.len())
    }

    /// Removes the entries that were not used for the longest time, until a tenth of the limit is free besides the
    /// room for `size` bytes, or nothing is left. Returns the bytes of those that stay.
    fn make_room(&self, size: u64, limit: u64) -> io::Result<u64> {
        let mut entries = self.entries()?;
        entries.sort_by_key(|entry| entry.used);
        let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        for entry in entries {
            if bytes + size <= limit - limit / 10 {
                break;
            }
            remove(&entry.path)?;
            bytes -= entry.bytes;
        }
        Ok(bytes)
    }

    /// Finds all entries, and removes what killed builds left.
    fn entries(&self) -> io::Result<Vec<EntryFile>> {
        let mut entries = Vec::new();
        for folder in files_in(&self.dir)? {
            let is_ours = |name: &str| name.len() == 2 && is_hexadecimal(name);
            if !folder.file_name().to_str().is_some_and(is_ours) {
                continue;
            }
            for file in files_in(&folder.path())? {
                let name = file.file_name();
                let name = name.to_string_lossy();
                // Another process may remove it meanwhile.
                let Ok(metadata) = file.metadata() else {
                    continue;
                };
                let used = metadata.modified()?;
                if name.len() == KEY_LENGTH && is_hexadecimal(&name) {
                    entries.push(EntryFile {
                        path: file.path(),
                        bytes: metadata.len(),
                        used,
                    });
                } else if name.starts_with(UNFINISHED)
                    && used.elapsed().is_ok_and(|age| age > LEFT_OVER)
                {
                    remove(&file.path())?;
                }
            }
        }
        Ok(entries)
    }
}

fn is_hexadecimal(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the entries of the directory `path`; none if it does not exist.
fn files_in(path: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(path) {
        Ok(files) => files.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Writes all bytes. A limit of file sizes is an error then, and does not end the process.
fn write_all(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: no handler runs; the signal is ignored.
    let before = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }?;
    let written = file.write_all(bytes);
    // SAFETY: this was the action before, which is the system's own in a tool.
    unsafe { signal(Signal::SIGXFSZ, before) }?;
    written
}

/// Removes a file, which another process may have removed.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(size: usize) -> Entry {
        Entry {
            messages: Vec::new(),
            code: vec![b'x'; size],
        }
    }

    fn set_age(cache: &CodeCache, key: &Digest, hours: u64) {
        let file = File::open(cache.entry(key)).expect("an entry");
        let age = Duration::from_secs(hours * 60 * 60);
        file.set_modified(SystemTime::now() - age).expect("set");
    }

    #[test]
    fn an_entry_is_found_and_counted() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = CodeCache::new(dir.path().join("a/b"), Some(1000));
        let [key, other] = [Digest::of(b"1"), Digest::of(b"2")];
        assert_eq!(cache.status().expect("read").entries, 0);
        assert_eq!(cache.find(&key), Found::Nothing);
        cache.keep(&key, &entry(9)).expect("kept");
        assert_eq!(cache.find(&key), Found::Entry(entry(9)));
        assert_eq!(cache.find(&key), Found::Entry(entry(9)));
        assert_eq!(cache.find(&other), Found::Nothing);
        let status = cache.status().expect("read");
        let size_bytes = entry(9).to_bytes(&key).len() as u64;
        let expected = CacheStatus {
            directory: dir.path().join("a/b"),
            size_bytes,
            limit_bytes: 1000,
            entries: 1,
            hits: 2,
            misses: 2,
        };
        assert_eq!(status, expected);
        // Without a limit, it is that of the last build.
        let unlimited = CodeCache::new(dir.path().join("a/b"), None);
        assert_eq!(unlimited.status().expect("read"), expected);
        let foreign = dir.path().join("a/b/notes");
        fs::write(&foreign, "").expect("written");
        unlimited.clear().expect("cleared");
        let status = unlimited.status().expect("read");
        assert_eq!((status.entries, status.hits, status.misses), (0, 0, 0));
        assert_eq!(status.limit_bytes, 1000);
        assert!(foreign.exists());
        assert_eq!(cache.find(&key), Found::Nothing);
    }

    #[test]
    fn a_damaged_entry_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = CodeCache::new(dir.path().to_owned(), None);
        let key = Digest::of(b"1");
        cache.keep(&key, &entry(9)).expect("kept");
        let path = cache.entry(&key);
        let mut bytes = fs::read(&path).expect("an entry");
        *bytes.last_mut().expect("bytes") = b'y';
        fs::write(&path, bytes).expect("written");
        assert_eq!(cache.find(&key), Found::Damaged);
        assert_eq!(cache.find(&key), Found::Nothing);
        cache.keep(&key, &entry(9)).expect("kept");
        assert_eq!(cache.find(&key), Found::Entry(entry(9)));
    }

    /// Each entry has a fifth of the limit.
    #[test]
    fn the_oldest_use_goes_first() {
        let dir = tempfile::tempdir().expect("a directory");
        let keys: Vec<Digest> = (0_u8..6).map(|n| Digest::of(&[n])).collect();
        let size = entry(500).to_bytes(&keys[0]).len() as u64;
        let cache = CodeCache::new(dir.path().to_owned(), Some(size * 5));
        for (age, key) in keys.iter().take(5).enumerate() {
            cache.keep(key, &entry(500)).expect("kept");
            set_age(&cache, key, 10 - age as u64);
        }
        assert_eq!(cache.status().expect("read").entries, 5);
        // The oldest entry is used.
        assert!(matches!(cache.find(&keys[0]), Found::Entry(_)));
        cache.keep(&keys[5], &entry(500)).expect("kept");
        let there = keys.iter().map(|key| cache.entry(key).exists());
        // A tenth stays free.
        assert_eq!(
            there.collect::<Vec<_>>(),
            [true, false, false, true, true, true]
        );
        let status = cache.status().expect("read");
        assert_eq!(status.size_bytes, size * 4);
        let state = State::read(&dir.path().join(STATE)).expect("written");
        assert_eq!(state.bytes, status.size_bytes);
        let large = cache.keep(&Digest::of(b"large"), &entry(5000));
        assert!(large.is_err());
        assert_eq!(cache.status().expect("read"), status);
    }

    /// The size is right again after files were removed by others, and after the state was lost.
    #[test]
    fn a_wrong_size_is_corrected() {
        let dir = tempfile::tempdir().expect("a directory");
        let keys: Vec<Digest> = (0_u8..8).map(|n| Digest::of(&[n])).collect();
        let size = entry(500).to_bytes(&keys[0]).len() as u64;
        let cache = CodeCache::new(dir.path().to_owned(), Some(size * 3));
        for key in keys.iter().take(2) {
            cache.keep(key, &entry(500)).expect("kept");
            fs::remove_file(cache.entry(key)).expect("there");
        }
        for key in keys.iter().take(3) {
            cache.keep(key, &entry(500)).expect("kept");
        }
        assert_eq!(cache.status().expect("read").entries, 3);
        fs::remove_file(dir.path().join(STATE)).expect("there");
        for key in keys.iter().skip(3) {
            cache.keep(key, &entry(500)).expect("kept");
            assert!(cache.status().expect("read").size_bytes <= size * 3);
        }
    }

    #[test]
    fn what_killed_builds_left_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = CodeCache::new(dir.path().to_owned(), None);
        let key = Digest::of(b"1");
        cache.keep(&key, &entry(9)).expect("kept");
        let folder = cache.entry(&key).with_file_name("");
        let [old, new] = ["old", "new"].map(|name| folder.join(format!("{UNFINISHED}{name}")));
        for path in [&old, &new] {
            fs::write(path, "half").expect("written");
        }
        let file = File::options().write(true).open(&old).expect("written");
        file.set_modified(SystemTime::now() - 2 * LEFT_OVER)
            .expect("set");
        assert_eq!(cache.status().expect("read").entries, 1);
        assert_eq!((old.exists(), new.exists()), (false, true));
    }

    #[test]
    fn several_processes_keep_the_limit() {
        let dir = tempfile::tempdir().expect("a directory");
        let size = entry(500).to_bytes(&Digest::of(b"")).len() as u64;
        let cache = CodeCache::new(dir.path().to_owned(), Some(size * 10));
        std::thread::scope(|scope| {
            for thread in 0_u8..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0_u8..25 {
                        // Half of the keys are those of the other threads, too.
                        let key = Digest::of(&[n, thread * (n % 2)]);
                        if let Found::Entry(found) = cache.find(&key) {
                            assert_eq!(found, entry(500));
                        }
                        cache.keep(&key, &entry(500)).expect("kept");
                    }
                });
            }
        });
        let status = cache.status().expect("read");
        assert!(status.size_bytes <= size * 10, "{status:?}");
        assert!(status.entries > 0);
        assert_eq!(status.hits + status.misses, 100);
    }

    #[test]
    fn a_cache_that_cannot_be_written_keeps_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("written");
        let cache = CodeCache::new(file, None);
        let key = Digest::of(b"1");
        assert_eq!(cache.find(&key), Found::Nothing);
        assert!(cache.keep(&key, &entry(9)).is_err());
        assert!(cache.status().is_err());
    }
}

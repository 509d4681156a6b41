// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The file in a farm's directory that lists its processes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::files;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::processes::Process;

const FILE: &str = "farm.json";

/// A file whose content changes when the machine starts again.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A farm that is started, or whose start was interrupted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The start of the machine in which its processes were started.
    boot: String,
    /// Whether it is one server that also executes.
    pub(crate) is_single: bool,
    pub(crate) address: String,
    /// The client for its server.
    pub(crate) trexe: PathBuf,
    /// The time of its start, in seconds since 1970.
    pub(crate) since: u64,
    /// Whether it has answered.
    pub(crate) is_ready: bool,
    /// In the order of their start.
    pub(crate) processes: Vec<Process>,
}

impl Record {
    /// Returns the record of a farm without processes.
    pub(crate) fn new(is_single: bool, address: String, trexe: PathBuf, since: u64) -> Self {
        Self {
            boot: boot(),
            is_single,
            address,
            trexe,
            since,
            is_ready: false,
            processes: Vec::new(),
        }
    }

    /// Returns the record of the farm in `workdir`, or `None` if no farm was started there.
    pub(crate) fn read(workdir: &Path) -> anyhow::Result<Option<Self>> {
        let file = workdir.join(FILE);
        if !file.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let record = serde_json::from_str(&text);
        let record = record.with_context(|| {
            format!(
                "{}: is no record of a farm; end its processes, and remove the file",
                file.display()
            )
        })?;
        Ok(Some(record))
    }

    /// Writes the record, as a whole.
    pub(crate) fn write(&self, workdir: &Path) -> anyhow::Result<()> {
        let file = workdir.join(FILE);
        let text = serde_json::to_string_pretty(self)? + "\n";
        Ok(files::write_atomic(&file, text.as_bytes())?)
    }

    /// Returns whether a process is its own, and runs.
    pub(crate) fn runs(&self, process: &Process) -> bool {
        !self.is_old() && process.is_alive()
    }

    /// Returns whether the machine has started again since.
    pub(crate) fn is_old(&self) -> bool {
        self.boot != boot()
    }

    /// Returns its processes that do not run any more.
    pub(crate) fn dead(&self) -> Vec<&Process> {
        let processes = self.processes.iter();
        processes.filter(|process| !self.runs(process)).collect()
    }

    /// Ends all processes, the last one first, and removes the record.
    pub(crate) fn stop(&self, workdir: &Path) -> anyhow::Result<()> {
        if !self.is_old() {
            for process in self.processes.iter().rev() {
                process.stop()?;
            }
        }
        let file = workdir.join(FILE);
        if file.exists() {
            fs::remove_file(&file).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }
}

fn boot() -> String {
    fs::read_to_string(BOOT_ID).unwrap_or_default()
}

/// Returns a lock: two commands must not change one farm at a time.
pub(crate) fn lock(workdir: &Path) -> anyhow::Result<Flock<fs::File>> {
    let file = workdir.join("lock");
    let open = fs::File::create(&file).with_context(|| file.display().to_string())?;
    Flock::lock(open, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| {
        anyhow::anyhow!(
            "{}: another command works on this farm ({error}); wait for its end",
            workdir.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn record() -> Record {
        Record::new(true, "127.0.0.1:1".to_owned(), "trexe".into(), 7)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), None);
        record().write(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), Some(record()));
        fs::write(dir.path().join(FILE), "{}").unwrap();
        let error = Record::read(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("farm.json: is no record of a farm"),
            "{error}"
        );
    }

    #[test]
    fn processes_of_an_earlier_start_of_the_machine_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        command.arg("1000");
        let log = dir.path().join("log");
        let process = Process::start("it", &command, None, &log, None).unwrap();
        let mut record = record();
        record.processes.push(process.clone());
        record.write(dir.path()).unwrap();
        assert!(record.dead().is_empty());
        let earlier = Record {
            boot: "earlier".to_owned(),
            ..record.clone()
        };
        assert_eq!(earlier.dead(), [&process]);
        earlier.stop(dir.path()).unwrap();
        assert!(process.is_alive());
        record.write(dir.path()).unwrap();
        record.stop(dir.path()).unwrap();
        assert!(!process.is_alive());
        assert_eq!(Record::read(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_second_command_waits_for_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        let error = lock(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("another command works on this farm"),
            "{error}"
        );
        drop(first);
        lock(dir.path()).unwrap();
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tells what a farm does.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kernel_lab::{process, table};
use xshell::cmd;

use crate::buildgrid::Database;
use crate::record::Record;
use crate::tools;
use crate::up::{DATABASE, read_password};

/// The state of a farm.
#[derive(Clone, Debug)]
pub struct Status {
    /// All that is known, for a reader.
    pub text: String,
    /// Its processes.
    pub parts: Vec<Part>,
    /// The reason why the farm does not work.
    pub fault: Option<String>,
}

/// A process of a farm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name, such as `worker-1`.
    pub name: String,
    /// The number of the process.
    pub pid: i32,
    /// The file with its messages.
    pub log: PathBuf,
    /// Whether it runs.
    pub runs: bool,
}

/// Returns the state of the farm in `workdir`.
///
/// # Errors
/// The record or the stored files cannot be read.
pub fn status(workdir: &Path) -> anyhow::Result<Status> {
    let Some(record) = Record::read(workdir)? else {
        return Ok(Status {
            text: String::new(),
            parts: Vec::new(),
            fault: Some(format!(
                "{}: no farm is up; `cargo xtask farm up` starts one",
                workdir.display()
            )),
        });
    };
    let sh = process::shell()?;
    let since = format!("@{}", record.since);
    let since = process::read(cmd!(sh, "date -d {since} '+%Y-%m-%d %H:%M:%S'"))?;
    let mut text = format!("{}, since {}\n", record.address, since.trim());
    let row = |words: [&str; 5]| words.map(str::to_owned);
    let mut rows = vec![row(["process", "state", "PID", "port", "messages"])];
    let mut parts = Vec::new();
    for process in &record.processes {
        let runs = record.runs(process);
        let port = process.port.map(|port| port.to_string());
        rows.push(row([
            &process.name,
            if runs { "runs" } else { "has ended" },
            &process.pid.to_string(),
            &port.unwrap_or_default(),
            &process.log.display().to_string(),
        ]));
        parts.push(Part {
            name: process.name.clone(),
            pid: process.pid,
            log: process.log.clone(),
            runs,
        });
    }
    let _ = writeln!(text, "{}", table::of(rows));
    let _ = writeln!(text, "actions: {}", actions(&record, workdir));
    for (what, folder) in [("stored files", "cache"), ("database", "database")] {
        let folder = workdir.join(folder);
        if folder.is_dir() {
            let (n_files, size) = size(&folder);
            let _ = writeln!(text, "{what}: {}, {n_files} files", shown_size(size));
        }
    }
    let dead: Vec<&str> = record.dead().iter().map(|dead| &*dead.name).collect();
    let fault = match (dead.is_empty(), record.is_ready) {
        (true, true) => None,
        (true, false) => Some("the start of the farm was interrupted".to_owned()),
        (false, _) => Some(format!("these processes have ended: {}", dead.join(", "))),
    };
    let fault = fault.map(|fault| {
        format!("{fault}; `cargo xtask farm down` and `cargo xtask farm up` start the farm again")
    });
    Ok(Status { text, parts, fault })
}

/// Returns how many actions the farm has executed.
fn actions(record: &Record, workdir: &Path) -> String {
    if record.is_single {
        let (n_files, _) = size(&workdir.join("cache/actioncache/objects"));
        return format!("{n_files} results in the cache of the server");
    }
    if !record.is_ready {
        return "none".to_owned();
    }
    match n_executed(record, workdir) {
        Ok(n_actions) => format!("{n_actions} executed, as the server counts"),
        Err(error) => format!("unknown ({error:#})"),
    }
}

fn n_executed(record: &Record, workdir: &Path) -> anyhow::Result<u64> {
    let mut processes = record.processes.iter();
    let process = processes.find(|process| process.name == DATABASE && record.runs(process));
    let port = process.and_then(|process| process.port);
    let (Some(port), Some(programs)) = (port, tools::postgresql()) else {
        anyhow::bail!("the database does not run");
    };
    let password = read_password(workdir)?;
    let database = Database {
        programs,
        port,
        password,
    };
    database.n_executed()
}

/// Returns the number of files below `dir` and the sum of their sizes in bytes. Files may vanish meanwhile.
fn size(dir: &Path) -> (u64, u64) {
    let entries = walkdir::WalkDir::new(dir).into_iter().flatten();
    let files = entries.filter(|entry| entry.file_type().is_file());
    let sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
    sizes.fold((0, 0), |(n_files, sum), size| (n_files + 1, sum + size))
}

/// Returns a size in MiB with one digit.
fn shown_size(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::down::{Down, down};
    use crate::processes::Process;

    #[test]
    fn a_directory_without_a_farm_is_no_farm() {
        let dir = tempfile::tempdir().unwrap();
        let status = status(&dir.path().join("none")).unwrap();
        assert!(status.fault.unwrap().contains("no farm is up"));
        assert_eq!(down(&dir.path().join("none")).unwrap(), None);
        assert_eq!(down(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_dead_process_is_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = Record::new(true, "127.0.0.1:7".to_owned(), "trexe".into(), 7);
        record.is_ready = true;
        for name in ["one", "two"] {
            let mut command = Command::new("sleep");
            command.arg("1000");
            let log = dir.path().join(name);
            let process = Process::start(name, &command, Some(7), &log, None);
            record.processes.push(process.unwrap());
        }
        record.write(dir.path()).unwrap();
        let objects = dir.path().join("cache/actioncache/objects/ab");
        fs::create_dir_all(&objects).unwrap();
        fs::write(objects.join("cd"), vec![0; 3 << 19]).unwrap();
        let before = status(dir.path()).unwrap();
        assert_eq!(before.fault, None);
        assert!(
            before.text.contains("stored files: 1.5 MiB, 1 files\n"),
            "{}",
            before.text
        );
        assert!(
            before.text.contains("actions: 1 results"),
            "{}",
            before.text
        );
        record.processes[1].stop().unwrap();
        let after = status(dir.path()).unwrap();
        assert!(after.fault.unwrap().contains("have ended: two;"));
        assert!(after.text.contains("has ended"), "{}", after.text);
        let runs: Vec<bool> = after.parts.iter().map(|part| part.runs).collect();
        assert_eq!(runs, [true, false]);
        let ended = vec!["one".to_owned(), "two".to_owned()];
        assert_eq!(down(dir.path()).unwrap(), Some(Down { ended }));
        assert_eq!(record.dead().len(), 2);
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Processes that outlive the command that starts them.
//!
//! A process is known by its number and its start time, because numbers are used again. Source: `man 5 proc_pid_stat`.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};
use serde::{Deserialize, Serialize};

/// The time between two looks at a process.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// The time that a process has to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// A started process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// The name of its part in the farm, such as `worker-1`.
    pub(crate) name: String,
    pub(crate) pid: i32,
    /// Its start time in clock ticks since the machine started.
    pub(crate) start: u64,
    /// The port on which it listens.
    pub(crate) port: Option<u16>,
    /// The file with its messages.
    pub(crate) log: PathBuf,
    /// Whether it is asked to end by SIGINT: `PostgreSQL` waits for its clients otherwise.
    pub(crate) ends_by_interrupt: bool,
}

/// The part of `/proc/PID/stat` that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    pid: i32,
    has_ended: bool,
    parent: i32,
    session: i32,
    start: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(' ')?;
        // The name may contain anything, also parentheses.
        let (_, rest) = rest.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse().ok();
        Some(Self {
            pid: pid.parse().ok()?,
            has_ended: matches!(*fields.first()?, "Z" | "X"),
            parent: number(1)?,
            session: number(3)?,
            start: fields.get(19)?.parse().ok()?,
        })
    }

    fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let all = pids.filter_map(Self::of);
        all.filter(|stat| !stat.has_ended).collect()
    }
}

impl Process {
    /// Starts `command` in a new session, with its messages appended to `log`. `user` is the user that runs it, if
    /// that is another one.
    pub(crate) fn start(
        name: &str,
        command: &Command,
        port: Option<u16>,
        log: &Path,
        user: Option<&User>,
    ) -> anyhow::Result<Self> {
        let shown = || format!("starting {name}");
        let messages = OpenOptions::new().create(true).append(true).open(log);
        let messages = messages.with_context(|| log.display().to_string())?;
        let both = messages.try_clone().with_context(shown)?;
        // The program setsid replaces itself by the command, so the number stays.
        let mut detached = Command::new("setsid");
        detached.arg(command.get_program()).args(command.get_args());
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => detached.env(variable, value),
                None => detached.env_remove(variable),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            detached.current_dir(dir);
        }
        if let Some(user) = user {
            detached.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let child = detached
            .stdin(Stdio::null())
            .stdout(messages)
            .stderr(both)
            .spawn()
            .with_context(shown)?;
        let pid = i32::try_from(child.id()).with_context(shown)?;
        // A child that has ended keeps its entry until its parent waits.
        let stat = Stat::of(pid).with_context(|| format!("{name}: /proc/{pid}/stat is missing"))?;
        Ok(Self {
            name: name.to_owned(),
            pid,
            start: stat.start,
            port,
            log: log.to_owned(),
            ends_by_interrupt: false,
        })
    }

    /// Returns whether it runs.
    pub(crate) fn is_alive(&self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.start == self.start && !stat.has_ended)
    }

    /// Returns it and the processes that it started, with their start times.
    fn family(&self) -> BTreeMap<i32, u64> {
        let is_other = Stat::of(self.pid).is_some_and(|stat| stat.start != self.start);
        if is_other {
            return BTreeMap::new();
        }
        let all = Stat::all();
        let mut family: BTreeMap<i32, u64> = BTreeMap::new();
        loop {
            let before = family.len();
            for stat in &all {
                let is_of_it = stat.pid == self.pid || stat.session == self.pid;
                if is_of_it || family.contains_key(&stat.parent) {
                    family.insert(stat.pid, stat.start);
                }
            }
            if family.len() == before {
                return family;
            }
        }
    }

    /// Ends it and the processes that it started: asks it first, and kills what is left.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        let mut family = self.family();
        if self.is_alive() {
            let ask = if self.ends_by_interrupt {
                Signal::SIGINT
            } else {
                Signal::SIGTERM
            };
            send(self.pid, ask);
            let deadline = Instant::now() + PATIENCE;
            while self.is_alive() && Instant::now() < deadline {
                sleep(PAUSE);
            }
            family.extend(self.family());
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            family.retain(|pid, start| {
                Stat::of(*pid).is_some_and(|stat| stat.start == *start && !stat.has_ended)
            });
            if family.is_empty() {
                return Ok(());
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "{}: these processes cannot be ended: {:?}",
                self.name,
                family.keys()
            );
            for pid in family.keys() {
                send(*pid, Signal::SIGKILL);
            }
            sleep(PAUSE);
        }
    }
}

/// A process that has just ended gets no signal, and that is no error.
fn send(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        let line = "42 (a) S 9 (b) R 1 40 41 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 7777 0 0\n";
        let stat = Stat {
            pid: 42,
            has_ended: false,
            parent: 1,
            session: 41,
            start: 7777,
        };
        assert_eq!(Stat::parse(line), Some(stat));
        assert_eq!(Stat::parse("42 (a"), None);
        assert_eq!(Stat::parse("42 (a) S 1 2\n"), None);
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(Stat::of(own).unwrap().pid, own);
    }

    fn started(script: &str) -> (tempfile::TempDir, Process) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let process = Process::start("it", &command, None, &dir.path().join("log"), None);
        (dir, process.unwrap())
    }

    #[test]
    fn a_process_is_ended_with_those_that_it_started() {
        let (dir, process) = started("echo words; setsid sleep 1000 & sleep 1000 & wait");
        let deadline = Instant::now() + PATIENCE;
        while process.family().len() < 3 {
            assert!(Instant::now() < deadline, "{:?}", process.family());
            std::thread::yield_now();
        }
        let family = process.family();
        assert!(process.is_alive());
        process.stop().unwrap();
        assert!(!process.is_alive());
        let gone = |pid: &i32| Stat::of(*pid).is_none_or(|stat| stat.has_ended);
        assert!(family.keys().all(gone), "{family:?}");
        let log = fs::read_to_string(dir.path().join("log")).unwrap();
        assert_eq!(log, "words\n");
        // It is stopped already.
        process.stop().unwrap();
    }

    #[test]
    fn what_a_dead_process_left_is_ended() {
        let (_dir, process) = started("sleep 1000 & exec sleep 1000");
        let deadline = Instant::now() + PATIENCE;
        while process.family().len() < 2 {
            assert!(Instant::now() < deadline, "{:?}", process.family());
            std::thread::yield_now();
        }
        send(process.pid, Signal::SIGKILL);
        while process.is_alive() {
            std::thread::yield_now();
        }
        assert_eq!(process.family().len(), 1);
        process.stop().unwrap();
        assert!(process.family().is_empty());
    }

    #[test]
    fn another_process_with_its_number_is_left_alone() {
        let (_dir, process) = started("exec sleep 1000");
        let older = Process {
            start: process.start - 1,
            ..process.clone()
        };
        assert!(!older.is_alive());
        older.stop().unwrap();
        assert!(process.is_alive());
        process.stop().unwrap();
    }

    #[test]
    fn a_missing_program_ends_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let command = Command::new("/no/such/program");
        let process = Process::start("it", &command, None, &log, None).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while process.is_alive() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        let said = fs::read_to_string(&log).unwrap();
        assert!(said.contains("/no/such/program"), "{said}");
    }
}

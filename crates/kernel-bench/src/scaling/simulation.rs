// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Simulates code generation on a farm, from what each action was measured to need.
//!
//! The client starts actions in link order. Each takes a moment of a CPU of the client, sends the files that
//! the server does not have yet, waits for a worker, and brings back the output. Client and server have one network
//! connection each; a transfer waits until the one before it has ended.

use std::collections::HashSet;

/// A code generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The CPU time that a worker needs, in seconds.
    pub cpu: f64,
    /// The files that it reads: the number of each, and its size in bytes.
    pub inputs: Vec<(usize, u64)>,
    /// The size of its output in bytes.
    pub output: u64,
}

/// The machines.
#[derive(Clone, Copy, Debug)]
pub struct Farm {
    /// The number of code generations that run at a time.
    pub workers: usize,
    /// The speed of each network connection, in bytes per second.
    pub bytes_per_second: f64,
    /// The time in seconds that an action waits for server and worker, however idle they are.
    pub latency: f64,
    /// The CPU time in seconds that an action takes on the client.
    pub client_cpu: f64,
    /// The number of CPUs of the client.
    pub client_cpus: usize,
}

/// The part of a farm that limits its speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The number of workers.
    Workers,
    /// The code generation that takes longest.
    Longest,
    /// The CPUs of the client.
    Client,
    /// The network connection of the server.
    Network,
}

impl Limit {
    /// Returns its name in tables.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Workers => "number of workers",
            Self::Longest => "longest code generation",
            Self::Client => "CPUs of the client",
            Self::Network => "network of the server",
        }
    }
}

/// A simulated run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// The time in seconds until the last output is back.
    pub seconds: f64,
    /// The bytes that workers read.
    pub read_bytes: u64,
    /// The largest of the lower bounds.
    pub limit: Limit,
}

/// Something that does one thing at a time.
#[derive(Clone, Copy, Debug, Default)]
struct Busy {
    until: f64,
}

impl Busy {
    /// Occupies it for `seconds`, not before `from`; returns the time of the end.
    fn work(&mut self, from: f64, seconds: f64) -> f64 {
        self.until = self.until.max(from) + seconds;
        self.until
    }
}

/// Returns the one that is free first.
fn first_free(all: &mut [Busy]) -> usize {
    let until = |position: &usize| all[*position].until;
    (0..all.len())
        .min_by(|a, b| until(a).total_cmp(&until(b)))
        .unwrap_or_default()
}

impl Farm {
    /// Returns how long `tasks` take.
    pub fn run(&self, tasks: &[Task]) -> Run {
        let mut client = vec![Busy::default(); self.client_cpus.max(1)];
        let mut workers = vec![Busy::default(); self.workers.max(1)];
        let mut sent = HashSet::new();
        let [mut to_server, mut to_client, mut to_workers] = [Busy::default(); 3];
        let (mut read_bytes, mut seconds) = (0, 0.0_f64);
        for task in tasks {
            let cpu = first_free(&mut client);
            let asked = client[cpu].work(0.0, self.client_cpu);
            let new = task.inputs.iter().filter(|(file, _)| sent.insert(*file));
            let there = to_server.work(asked, self.transfer(size(new)));
            let worker = first_free(&mut workers);
            let bytes = size(task.inputs.iter());
            read_bytes += bytes;
            let started = there.max(workers[worker].until) + self.latency;
            let read = to_workers.work(started, self.transfer(bytes));
            let done = read + task.cpu;
            workers[worker].until = done;
            // The output goes to the server and to the client at the same time.
            seconds = seconds.max(to_client.work(done, self.transfer(task.output)));
        }
        Run {
            seconds,
            read_bytes,
            limit: self.limit(tasks, read_bytes),
        }
    }

    /// Returns the largest of the times that the run cannot be shorter than.
    fn limit(&self, tasks: &[Task], read_bytes: u64) -> Limit {
        let count = |n: usize| u32::try_from(n).map_or(f64::MAX, f64::from);
        let cpu: f64 = tasks.iter().map(|task| task.cpu + self.latency).sum();
        let longest = tasks.iter().map(|task| task.cpu + self.latency);
        let client = count(tasks.len()) * self.client_cpu / count(self.client_cpus.max(1));
        let bounds = [
            (cpu / count(self.workers.max(1)), Limit::Workers),
            (longest.fold(0.0, f64::max), Limit::Longest),
            (client, Limit::Client),
            (self.transfer(read_bytes), Limit::Network),
        ];
        let largest = bounds.into_iter().max_by(|(a, _), (b, _)| a.total_cmp(b));
        largest.map_or(Limit::Workers, |(_, limit)| limit)
    }

    /// Returns the time that a transfer takes, in seconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a simulation has no use for single bytes of petabytes"
    )]
    fn transfer(&self, bytes: u64) -> f64 {
        bytes as f64 / self.bytes_per_second
    }
}

/// Returns the size of files in bytes.
fn size<'a>(files: impl Iterator<Item = &'a (usize, u64)>) -> u64 {
    files.map(|(_, bytes)| bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Machines of which only the workers take time.
    const IDEAL: Farm = Farm {
        workers: 2,
        bytes_per_second: f64::INFINITY,
        latency: 0.0,
        client_cpu: 0.0,
        client_cpus: 1,
    };

    fn task(cpu: f64) -> Task {
        Task {
            cpu,
            inputs: Vec::new(),
            output: 0,
        }
    }

    fn reads(inputs: &[(usize, u64)], output: u64) -> Task {
        Task {
            cpu: 1.0,
            inputs: inputs.to_vec(),
            output,
        }
    }

    /// Two workers: 3; 1, 1, 1; the last one follows on whichever is free first.
    #[test]
    fn the_first_free_worker_takes_the_next_action() {
        let run = IDEAL.run(&[task(3.0), task(1.0), task(1.0), task(1.0), task(2.0)]);
        assert_eq!((run.seconds, run.limit), (5.0, Limit::Workers));
        let one = Farm {
            workers: 1,
            ..IDEAL
        };
        let run = one.run(&[task(3.0), task(2.0)]);
        assert_eq!((run.seconds, run.limit), (5.0, Limit::Workers));
    }

    #[test]
    fn no_number_of_workers_makes_the_longest_action_shorter() {
        let many = Farm {
            workers: 1000,
            ..IDEAL
        };
        let run = many.run(&[task(0.5), task(4.0), task(1.0)]);
        assert_eq!((run.seconds, run.limit), (4.0, Limit::Longest));
    }

    /// Four starts of 2 s on two CPUs end after 4 s; the last action then takes 1 s.
    #[test]
    fn the_client_starts_only_as_many_actions_as_it_has_time_for() {
        let farm = Farm {
            workers: 100,
            client_cpu: 2.0,
            client_cpus: 2,
            ..IDEAL
        };
        let run = farm.run(&[task(1.0), task(1.0), task(1.0), task(1.0)]);
        assert_eq!((run.seconds, run.limit), (5.0, Limit::Client));
    }

    /// Both read file 1 of 20 bytes and one of 10; at 10 bytes a second: sent after 3 s and 4 s, read
    /// after 6 s and 9 s; then 1 s of work, and 0.5 s for the output.
    #[test]
    fn a_file_is_sent_once_and_read_by_each_action() {
        let farm = Farm {
            bytes_per_second: 10.0,
            ..IDEAL
        };
        let tasks = [reads(&[(1, 20), (2, 10)], 5), reads(&[(1, 20), (3, 10)], 5)];
        let run = farm.run(&tasks);
        assert_eq!((run.seconds, run.read_bytes), (10.5, 60));
        assert_eq!(run.limit, Limit::Network);
    }

    #[test]
    fn each_action_waits_for_the_server() {
        let farm = Farm {
            latency: 0.25,
            workers: 1,
            ..IDEAL
        };
        let run = farm.run(&[task(1.0), task(1.0)]);
        assert_eq!((run.seconds, run.limit), (2.5, Limit::Workers));
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The server `BuildGrid`: its configuration, its workers and its database.
//!
//! Source: the reference configuration and the tables of `BuildGrid` 0.4.4; the help of buildbox-worker 1.4.16.

use std::path::{Path, PathBuf};
use std::process::Command;

use kernel_lab::process;

/// The user of the database.
pub(crate) const DATABASE_USER: &str = "farm";

/// The time in seconds after which the server gives the work of a silent worker to another one.
const SILENCE: u32 = 30;

/// The longest time in seconds between two messages of a worker.
const BETWEEN_MESSAGES: u32 = 10;

/// The parts of a server's configuration that differ.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// The address on which it listens, with its port.
    pub address: &'a str,
    /// The directory with its key `server.key`, its certificate `server.crt` and the certificates of those who may
    /// connect, `clients.crt`; without one, everybody may connect.
    pub certificates: Option<&'a str>,
    /// The address of its database.
    pub database: &'a str,
    /// The directory of the stored files.
    pub storage: &'a str,
}

/// Returns the configuration of a server.
pub fn server_configuration(server: &Server<'_>) -> String {
    let Server {
        address,
        certificates,
        database,
        storage,
    } = *server;
    // A text of JSON is one of YAML.
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let channel = match certificates {
        None => "    insecure-mode: true\n".to_owned(),
        Some(dir) => format!(
            "    insecure-mode: false\n    credentials:\n      tls-server-key: {}\n      tls-server-cert: {}\n      \
             tls-client-certs: {}\n",
            text(&format!("{dir}/server.key")),
            text(&format!("{dir}/server.crt")),
            text(&format!("{dir}/clients.crt")),
        ),
    };
    format!(
        "description: code generation of kernels
server:
  - !channel
    address: {address}
{channel}authorization:
  method: none
monitoring:
  enabled: false
thread-pool-size: 100
connections:
  - !sql-connection &sql
    connection-string: {database}
storages:
  - !disk-storage &storage
    path: {storage}
caches:
  - !lru-action-cache &cache
    storage: *storage
    max-cached-refs: 100000
    allow-updates: true
    cache-failed-actions: false
schedulers:
  - !sql-scheduler &scheduler
    sql: *sql
    storage: *storage
    action-cache: *cache
    bot-session-keepalive-timeout: {SILENCE}
    assigners:
      - !priority-age-assigner
        count: 1
        interval: 0.1
instances:
  - name: ''
    services:
      - !action-cache
        cache: *cache
      - !execution
        scheduler: *scheduler
      - !cas
        storage: *storage
      - !bytestream
        storage: *storage
",
        address = text(address),
        database = text(database),
        storage = text(storage),
    )
}

/// Returns the arguments of buildbox-worker for the server at `remote`, a worker that runs `n_jobs` actions at a time
/// by the program `runner`. Each worker of a server has another `name`.
pub fn worker_arguments(remote: &str, runner: &str, n_jobs: usize, name: &str) -> Vec<String> {
    vec![
        format!("--remote={remote}"),
        format!("--buildbox-run={runner}"),
        // The runner fetches the files itself: no other server is needed.
        "--runner-arg=--disable-localcas".to_owned(),
        format!("--concurrent-jobs={n_jobs}"),
        format!("--max-wait-time={BETWEEN_MESSAGES}"),
        name.to_owned(),
    ]
}

/// The database of a server on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// The directory with the programs of `PostgreSQL`.
    pub(crate) programs: PathBuf,
    pub(crate) port: u16,
    pub(crate) password: String,
}

impl Database {
    /// Returns its address for `BuildGrid`. The password is not in it, because others see the arguments of a process.
    pub(crate) fn address(&self) -> String {
        let port = self.port;
        format!("postgresql+psycopg2://{DATABASE_USER}@127.0.0.1:{port}/postgres")
    }

    /// Gives the password to a command that uses the database.
    pub(crate) fn authorize<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("PGPASSWORD", &self.password)
    }

    /// Returns whether the database answers.
    pub(crate) fn answers(&self) -> anyhow::Result<bool> {
        let port = self.port.to_string();
        let mut ask = Command::new(self.programs.join("pg_isready"));
        ask.args(["-q", "-h", "127.0.0.1", "-p", &port]);
        Ok(ask.status()?.success())
    }

    /// Returns the number that `query` gives.
    pub(crate) fn number(&self, query: &str) -> anyhow::Result<u64> {
        let port = self.port.to_string();
        let mut ask = Command::new(self.programs.join("psql"));
        ask.args(["-h", "127.0.0.1", "-p", &port, "-U", DATABASE_USER]);
        ask.args(["-d", "postgres", "-w", "-A", "-t", "-c", query]);
        // The directory of this process may be closed to psql's settings.
        ask.current_dir(Path::new("/"));
        Ok(process::output(self.authorize(&mut ask))?.trim().parse()?)
    }

    /// Returns the number of workers in service whose names end with `suffix`.
    pub(crate) fn n_workers(&self, suffix: &str) -> anyhow::Result<u64> {
        self.number(&format!(
            "select count(*) from bots where bot_status = 1 and bot_id like '%{suffix}'"
        ))
    }

    /// Returns the number of actions that workers have executed. The questions of `up` are not stored, and do not
    /// count.
    pub(crate) fn n_executed(&self) -> anyhow::Result<u64> {
        self.number(
            "select count(*) from jobs where worker_completed_timestamp is not null and not do_not_cache",
        )
    }
}

#[cfg(test)]
mod tests {
    use kernel_lab::workspace;

    use super::*;

    #[test]
    fn the_page_shows_the_configuration_for_several_machines() {
        let page = std::fs::read_to_string(workspace::root().join("docs/farm.md")).unwrap();
        let server = server_configuration(&Server {
            address: "0.0.0.0:50051",
            certificates: Some("/etc/farm"),
            database: "postgresql+psycopg2://farm@127.0.0.1:5432/farm",
            storage: "/srv/farm",
        });
        assert!(page.contains(&format!("```\n{server}```\n")), "{server}");
        let worker = worker_arguments(
            "https://HOST:50051",
            "/usr/bin/buildbox-run-hosttools",
            8,
            "NAME",
        );
        let worker = format!("buildbox-worker $TLS {}\n", worker.join(" "));
        assert!(page.contains(&worker), "{worker}");
    }

    #[test]
    fn a_path_is_one_text_of_yaml() {
        let server = server_configuration(&Server {
            address: "127.0.0.1:1",
            certificates: None,
            database: "x",
            storage: "/a: \"b\" #c",
        });
        assert!(
            server.contains("\n    path: \"/a: \\\"b\\\" #c\"\n"),
            "{server}"
        );
        assert!(
            server.contains("\n    insecure-mode: true\nauthorization:\n"),
            "{server}"
        );
    }
}

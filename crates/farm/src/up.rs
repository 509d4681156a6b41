// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Starts a farm, and waits until it answers.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{OpenOptionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use kernel_lab::process::{self, End, last_lines};
use kernel_lab::progress::{self, Step};
use kernel_lab::{files, llvm};
use nix::unistd::{User, geteuid};

use crate::buildgrid::{DATABASE_USER, Database, Server, server_configuration, worker_arguments};
use crate::processes::{PAUSE, Process};
use crate::record::{self, Record};
use crate::tools::{self, Tools};

/// The time that a part of the farm has for its first answer. Python reads many files at first.
const PATIENCE: Duration = Duration::from_secs(120);

/// The number of workers.
const N_WORKERS: u64 = 2;

/// The most disk space that buildbox-casd uses.
const CACHE_SIZE: &str = "10G";

/// The users that can run the database if this process is root, which it refuses.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The name of the database's process.
pub(crate) const DATABASE: &str = "database";

/// The farm to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of everything that the farm writes.
    pub workdir: PathBuf,
    /// Whether buildbox-casd alone stores and executes.
    pub is_single: bool,
    /// The port of the server; 0 for any free one.
    pub port: u16,
    /// Whether missing packages are fetched.
    pub installs_packages: bool,
}

/// A farm that answers.
#[derive(Clone, Debug)]
pub struct Up {
    /// The address of its server, without a scheme.
    pub address: String,
    /// The client for it, quoted as a word for a shell.
    pub trexe: String,
    /// Whether it was up already.
    pub was_up: bool,
}

/// Starts a farm that goes on after this process. If it is up already, nothing is started.
///
/// # Errors
/// Packages are missing, the port is in use, or a part of the farm ended or did not answer. Then nothing of the farm
/// is left running, also if a part of a farm that was up had ended.
pub fn up(options: &Options) -> anyhow::Result<Up> {
    let Options {
        workdir,
        is_single,
        port,
        installs_packages,
    } = options;
    let workdir = std::path::absolute(workdir).with_context(|| workdir.display().to_string())?;
    let logs = workdir.join("logs");
    fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;
    let _lock = record::lock(&workdir)?;
    if let Some(record) = Record::read(&workdir)?
        && let Some(up) = running(&record, &workdir, *is_single, *port)?
    {
        return Ok(up);
    }
    let port = free_port(*port)?;
    let tools = tools::ensure(*is_single, *installs_packages)?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let address = format!("127.0.0.1:{port}");
    let record = Record::new(*is_single, address, tools.trexe.clone(), since.as_secs());
    let step = Step::start("starting the farm");
    let mut starting = Starting {
        workdir: &workdir,
        tools: &tools,
        port,
        record,
    };
    let outcome = starting.start_all(&step).and_then(|()| {
        starting.record.is_ready = true;
        starting.record.write(&workdir)
    });
    match outcome {
        Ok(()) => {
            step.finish(&starting.record.address);
            of_record(&starting.record, false)
        }
        Err(error) => {
            let ended = starting.record.stop(&workdir);
            ended.with_context(|| format!("{error:#}; then the farm could not be ended"))?;
            Err(error.context("the farm was not started, and nothing of it is left running"))
        }
    }
}

fn of_record(record: &Record, was_up: bool) -> anyhow::Result<Up> {
    Ok(Up {
        address: record.address.clone(),
        trexe: tools::quoted(&record.trexe)?,
        was_up,
    })
}

/// Returns the farm that is up. Ends what is left of another one: it is no error if its start was interrupted.
fn running(
    record: &Record,
    workdir: &Path,
    is_single: bool,
    port: u16,
) -> anyhow::Result<Option<Up>> {
    let dead = record.dead();
    if record.is_ready && dead.is_empty() {
        let is_port = port == 0 || record.address.ends_with(&format!(":{port}"));
        anyhow::ensure!(
            is_port && record.is_single == is_single,
            "{}: a farm with other options is up at {}; run `cargo xtask farm down` first",
            workdir.display(),
            record.address
        );
        return of_record(record, true).map(Some);
    }
    record.stop(workdir)?;
    let (true, false, Some(first)) = (record.is_ready, record.is_old(), dead.first()) else {
        progress::note("the rest of a farm that was interrupted was ended");
        return Ok(None);
    };
    anyhow::bail!(
        "{} had ended (its messages are in {}), so the rest of the farm was ended; run `cargo xtask farm up` again",
        first.name,
        first.log.display()
    )
}

/// Returns `port` if nobody listens on it, or any free port for 0.
fn free_port(port: u16) -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", port)).with_context(|| {
        format!("port {port} of this machine cannot be used; name another one by --port")
    })?;
    Ok(listener.local_addr()?.port())
}

/// Returns whether somebody listens on `port`.
fn listens(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// A farm that is being started.
struct Starting<'a> {
    workdir: &'a Path,
    tools: &'a Tools,
    port: u16,
    record: Record,
}

impl Starting<'_> {
    fn start_all(&mut self, step: &Step) -> anyhow::Result<()> {
        match &self.tools.grid {
            None => self.start_casd()?,
            Some((bgd, programs)) => {
                step.at("database");
                let database = self.start_database(programs)?;
                step.at("server");
                self.start_server(bgd, &database)?;
                step.at("workers");
                self.start_workers(&database)?;
            }
        }
        step.at("asking the server");
        self.ask()
    }

    /// Starts a process, and notes it before anything else happens.
    fn start(
        &mut self,
        name: &str,
        command: &mut Command,
        port: Option<u16>,
        user: Option<&User>,
    ) -> anyhow::Result<()> {
        let log = self.workdir.join("logs").join(format!("{name}.log"));
        command.current_dir(self.workdir);
        let mut process = Process::start(name, command, port, &log, user)?;
        process.ends_by_interrupt = name == DATABASE;
        self.record.processes.push(process);
        self.record.write(self.workdir)
    }

    /// Waits until `answers` returns true, as long as all processes run.
    fn wait(
        &self,
        name: &str,
        mut answers: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(dead) = self.record.dead().first() {
                let said = fs::read(&dead.log).unwrap_or_default();
                let said = last_lines(&String::from_utf8_lossy(&said));
                anyhow::bail!("{} has ended ({}):\n{said}", dead.name, dead.log.display());
            }
            if answers()? {
                return Ok(());
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "{name} did not answer in {} s; see {}",
                PATIENCE.as_secs(),
                self.workdir.join("logs").display()
            );
            sleep(PAUSE);
        }
    }

    /// Makes workers find the clang that kernels are built with.
    fn with_clang(command: &mut Command) -> anyhow::Result<()> {
        if let Ok(clang) = llvm::bin_dir() {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let dirs = [clang].into_iter().chain(std::env::split_paths(&path));
            command.env("PATH", std::env::join_paths(dirs)?);
        }
        Ok(())
    }

    fn start_casd(&mut self) -> anyhow::Result<()> {
        let mut casd = Command::new(&self.tools.casd);
        casd.arg(format!("--bind=127.0.0.1:{}", self.port))
            .arg(format!("--buildbox-run={}", self.tools.runner.display()))
            .arg(format!("--jobs={N_WORKERS}"))
            .arg(format!("--quota-high={CACHE_SIZE}"))
            .arg(self.workdir.join("cache"));
        Self::with_clang(&mut casd)?;
        self.start("server", &mut casd, Some(self.port), None)?;
        self.wait("the server", || Ok(listens(self.port)))
    }

    fn start_database(&mut self, programs: &Path) -> anyhow::Result<Database> {
        let user = database_user()?;
        let data = self.workdir.join("database");
        if !data.exists() {
            make_database(programs, self.workdir, &data, user.as_ref())?;
        }
        let port = free_port(0)?;
        let mut postgres = Command::new(programs.join("postgres"));
        postgres.arg("-D").arg(&data).args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-k",
            "",
            "-c",
            "synchronous_commit=off",
        ]);
        self.start(DATABASE, &mut postgres, Some(port), user.as_ref())?;
        let database = Database {
            programs: programs.to_owned(),
            port,
            password: read_password(self.workdir)?,
        };
        self.wait("the database", || database.answers())?;
        Ok(database)
    }

    fn start_server(&mut self, bgd: &Path, database: &Database) -> anyhow::Result<()> {
        let mut migrate = Command::new(bgd);
        migrate.args(["migrate", "apply", &database.address()]);
        process::output(database.authorize(&mut migrate))?;
        let storage = self.workdir.join("cache");
        fs::create_dir_all(&storage).with_context(|| storage.display().to_string())?;
        let utf8 = || format!("{}: its path is not UTF-8", storage.display());
        let text = server_configuration(&Server {
            address: &self.record.address,
            certificates: None,
            database: &database.address(),
            storage: storage.to_str().with_context(utf8)?,
        });
        let file = self.workdir.join("server.yml");
        fs::write(&file, text).with_context(|| file.display().to_string())?;
        let mut server = Command::new(bgd);
        server.args(["server", "start"]).arg(&file);
        database.authorize(&mut server);
        self.start("server", &mut server, Some(self.port), None)?;
        self.wait("the server", || Ok(listens(self.port)))
    }

    /// Starts the workers. Their names have the time in them, because the database keeps old ones for a while.
    fn start_workers(&mut self, database: &Database) -> anyhow::Result<()> {
        let remote = format!("http://{}", self.record.address);
        let runner = self.tools.runner.display().to_string();
        let suffix = format!("-{}", self.record.since);
        for number in 1..=N_WORKERS {
            let name = format!("worker-{number}");
            let mut worker = Command::new(&self.tools.worker);
            worker.args(worker_arguments(
                &remote,
                &runner,
                1,
                &format!("{name}{suffix}"),
            ));
            Self::with_clang(&mut worker)?;
            self.start(&name, &mut worker, None, None)?;
        }
        self.wait("the workers", || {
            Ok(database.n_workers(&suffix)? == N_WORKERS)
        })
    }

    /// Lets the farm run a program.
    fn ask(&self) -> anyhow::Result<()> {
        let mut trexe = Command::new(&self.tools.trexe);
        trexe.arg(format!("--remote=http://{}", self.record.address));
        trexe.args(["--do-not-cache", "true"]);
        let mut said = String::new();
        let end = process::follow(trexe, Some(Instant::now() + PATIENCE), |line| {
            said.push_str(line);
            said.push('\n');
            Ok(())
        })?;
        match end {
            End::Exited(status) if status.success() => Ok(()),
            End::Exited(status) => {
                let said = last_lines(&said);
                anyhow::bail!("the server did not run the program `true` ({status}):\n{said}")
            }
            End::Stopped => anyhow::bail!(
                "the server did not run the program `true` in {} s",
                PATIENCE.as_secs()
            ),
        }
    }
}

/// Returns the user that runs the database, if it is not the user of this process.
fn database_user() -> anyhow::Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in UNPRIVILEGED {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(user));
        }
    }
    let names = UNPRIVILEGED.join(" or ");
    anyhow::bail!("PostgreSQL does not run as root, and there is no user {names}")
}

fn password_file(workdir: &Path) -> PathBuf {
    workdir.join("password")
}

pub(crate) fn read_password(workdir: &Path) -> anyhow::Result<String> {
    let file = password_file(workdir);
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    Ok(text.trim().to_owned())
}

/// Makes an empty database in the directory `data`, with a new password.
fn make_database(
    programs: &Path,
    workdir: &Path,
    data: &Path,
    user: Option<&User>,
) -> anyhow::Result<()> {
    let part = workdir.join(".database");
    files::remove_dir(&part)?;
    fs::create_dir(&part).with_context(|| part.display().to_string())?;
    let file = password_file(workdir);
    if file.exists() {
        fs::remove_file(&file).with_context(|| file.display().to_string())?;
    }
    let password = random_word()?;
    let mut options = OpenOptions::new();
    let open = options.write(true).create_new(true).mode(0o600).open(&file);
    open.and_then(|mut open| writeln!(open, "{password}"))
        .with_context(|| file.display().to_string())?;
    let mut initdb = Command::new(programs.join("initdb"));
    initdb.arg("-D").arg(&part);
    let mut pwfile = std::ffi::OsString::from("--pwfile=");
    pwfile.push(&file);
    initdb
        .args(["-U", DATABASE_USER, "-E", "UTF8", "--locale=C"])
        .args(["--auth=scram-sha-256", "--no-sync"])
        .arg(pwfile)
        .env("LC_ALL", "C")
        .current_dir("/");
    if let Some(user) = user {
        let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
        for path in [&part, &file] {
            chown(path, Some(uid), Some(gid)).with_context(|| path.display().to_string())?;
        }
        initdb.uid(uid).gid(gid);
    }
    process::output(&mut initdb).with_context(|| match user {
        None => "making a database".to_owned(),
        Some(user) => format!(
            "making a database as the user {}, who must be able to enter {}; --workdir names another directory",
            user.name,
            workdir.display()
        ),
    })?;
    fs::rename(&part, data).with_context(|| data.display().to_string())
}

/// Returns a word that nobody guesses.
fn random_word() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    let random = "/dev/urandom";
    fs::File::open(random)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context(random)?;
    Ok(format!("{:032x}", u128::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_port_is_named() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(port));
        let error = free_port(port).unwrap_err().to_string();
        assert!(error.contains(&format!("port {port} ")), "{error}");
        assert!(error.contains("--port"), "{error}");
        drop(listener);
        assert_ne!(free_port(0).unwrap(), 0);
    }

    #[test]
    fn words_of_chance_differ() {
        let word = random_word().unwrap();
        assert_eq!(word.len(), 32);
        assert_ne!(word, random_word().unwrap());
    }

    fn sleeper(dir: &Path, name: &str) -> Process {
        let mut command = Command::new("sleep");
        command.arg("1000");
        Process::start(name, &command, None, &dir.join(name), None).unwrap()
    }

    fn record(dir: &Path, is_ready: bool) -> Record {
        let mut record = Record::new(true, "127.0.0.1:7".to_owned(), "/x y/trexe".into(), 7);
        record.is_ready = is_ready;
        record.processes = vec![sleeper(dir, "one"), sleeper(dir, "two")];
        record.write(dir).unwrap();
        record
    }

    #[test]
    fn a_farm_that_is_up_stays() {
        let dir = tempfile::tempdir().unwrap();
        let record = record(dir.path(), true);
        let up = running(&record, dir.path(), true, 7).unwrap().unwrap();
        assert_eq!(up.address, "127.0.0.1:7");
        assert_eq!(up.trexe, "'/x y/trexe'");
        assert!(up.was_up);
        for (is_single, port) in [(false, 7), (true, 8)] {
            let error = running(&record, dir.path(), is_single, port).unwrap_err();
            assert!(
                error.to_string().contains("is up at 127.0.0.1:7"),
                "{error}"
            );
        }
        assert!(record.dead().is_empty());
        record.stop(dir.path()).unwrap();
    }

    #[test]
    fn the_rest_of_a_broken_farm_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let broken = record(dir.path(), true);
        broken.processes[0].stop().unwrap();
        let error = running(&broken, dir.path(), true, 7)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("one had ended (its messages are in "),
            "{error}"
        );
        assert_eq!(broken.dead().len(), 2);
        assert_eq!(Record::read(dir.path()).unwrap(), None);
    }

    #[test]
    fn an_interrupted_start_is_ended_and_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let part = record(dir.path(), false);
        assert!(running(&part, dir.path(), true, 7).unwrap().is_none());
        assert_eq!(part.dead().len(), 2);
        assert_eq!(Record::read(dir.path()).unwrap(), None);
    }
}

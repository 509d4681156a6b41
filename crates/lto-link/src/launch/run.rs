// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One code generation by a launcher, or else by clang on this machine.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use wait_timeout::ChildExt as _;

use crate::actions::compiler::{KnownCompiler, known_compiler};
use crate::cache::settings::cache_dir;
use crate::cache::store::CodeCache;
use crate::launch::cached::from_cache;
use crate::launch::generation::Generation;
use crate::launch::launcher::Launcher;
use crate::launch::record::{EXAMPLE, Outcome, append};
use crate::launch::remote::Remote;
use crate::launch::slots::Slots;

/// The file beside the record that has the digest of the compiler.
const KNOWN_COMPILER: &str = ".lto-compiler";

/// The number of characters of a launcher's message that are kept.
const MOST_SAID: usize = 160;

/// The exit code of a process that a signal ended is this and the signal's number, as in a shell.
const BY_SIGNAL: i32 = 128;

/// One code generation, and the program that should do it.
#[derive(Debug)]
pub struct LaunchOptions {
    /// The text of `LTO_LAUNCHER`.
    pub launcher: String,
    /// The compiler and its arguments.
    pub command: Vec<OsString>,
    /// The time after which code is generated here instead.
    pub timeout: Duration,
    /// The file to which the outcome is appended.
    pub record: Option<PathBuf>,
    /// The client of servers of the Remote Execution API, a command as for a shell.
    pub trexe: String,
    /// The limit of the cache on this machine, in bytes.
    pub cache_limit: u64,
}

/// The result of a code generation.
#[derive(Debug)]
pub struct Launched {
    /// The place where the code was generated.
    pub outcome: Outcome,
    /// The exit code of the compiler.
    pub code: i32,
    /// The messages of the launcher; a compiler on this machine has shown its messages itself.
    pub said: Vec<u8>,
}

/// A compiler that cannot be run, or a record that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The compiler cannot be started.
    #[error("{program} cannot be run")]
    Compiler {
        /// The program.
        program: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file of the build's outcomes cannot be written.
    #[error("{}: cannot be written", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No slot of make can be had.
    #[error("make's job slots cannot be used")]
    Slot(#[source] io::Error),
    /// There is no command.
    #[error("no command was given; it stands behind `--`")]
    NoCommand,
}

/// Generates code by the launcher. If there is anything wrong with the launcher or its result, generates it by
/// the compiler on this machine, in one of `slots`. Appends the outcome to the record.
///
/// # Errors
/// The compiler cannot be run here either, or the record cannot be written.
pub fn launch(options: &LaunchOptions, slots: &Slots) -> Result<Launched, LaunchError> {
    let launched = match by_launcher(options, slots) {
        Ok(launched) => launched,
        Err(reason) => {
            let code = compile_here(options, slots)?;
            Launched {
                outcome: Outcome::Local(reason),
                code,
                said: Vec::new(),
            }
        }
    };
    if let Some(path) = &options.record {
        append(path, &launched.outcome).map_err(|source| LaunchError::Record {
            path: path.clone(),
            source,
        })?;
    }
    Ok(launched)
}

/// Runs the launcher, and checks what it leaves. Returns the reason why its result does not count.
fn by_launcher(options: &LaunchOptions, slots: &Slots) -> Result<Launched, String> {
    let launcher = Launcher::parse(&options.launcher)
        .ok_or("LTO_LAUNCHER is no command: its quotes do not end")?;
    let generation = Generation::of(options.command.clone())
        .ok_or("the list of the objects that code is imported from cannot be read")?;
    if let Launcher::Cache(dir) = &launcher {
        let compiler = compiler(&generation, options)?;
        let cache = CodeCache::new(cache_dir(dir.as_deref())?, Some(options.cache_limit));
        let (outcome, said) = from_cache(&cache, &generation, &compiler, slots)?;
        return Ok(Launched {
            outcome,
            code: 0,
            said,
        });
    }
    let no_file = |error| format!("no file for the launcher's messages can be made ({error})");
    let files = tempfile::tempdir().map_err(no_file)?;
    let said = files.path().join("said");
    let report = files.path().join("report");
    let remote = match &launcher {
        Launcher::Remote(address) => Some(request(&generation, address, files.path(), options)?),
        Launcher::Ccache(_) | Launcher::Cache(_) | Launcher::Words(_) => None,
    };
    let command = match &remote {
        None => launcher.command(&generation),
        Some(remote) => {
            let trexe = shlex::split(&options.trexe).unwrap_or_default();
            let trexe = trexe.into_iter().map(OsString::from);
            trexe.chain(remote.arguments.iter().cloned()).collect()
        }
    };
    let Some((program, arguments)) = command.split_first() else {
        return Err("LTO_LAUNCHER names no program".to_owned());
    };
    let messages = fs::File::create(&said).map_err(no_file)?;
    let both = messages.try_clone().map_err(no_file)?;
    // An old result, or one that clang wrote here, must not count as the launcher's.
    let _ = fs::remove_file(&generation.output);
    let child = Command::new(program)
        .args(arguments)
        .envs(launcher.environment(&report))
        .stdin(Stdio::null())
        .stdout(messages)
        .stderr(both)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
    let timeout = (!launcher.works_here()).then_some(options.timeout);
    let status = wait(child, timeout)?;
    let report = fs::read_to_string(&report).unwrap_or_default();
    let outcome = match &remote {
        _ if !status.success() => Err(format!("failed ({status})")),
        None => Ok(launcher.outcome(&report)),
        Some(remote) => remote.take(&generation.output),
    };
    let outcome = outcome.and_then(|outcome| generation.check_output().map(|()| outcome));
    let outcome = outcome.map_err(|what| {
        let said = fs::read(&said).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let line = said.lines().map(str::trim).find(|line| !line.is_empty());
        let line: String = line.unwrap_or_default().chars().take(MOST_SAID).collect();
        format!("the launcher {what}{EXAMPLE}{line}")
    })?;
    Ok(Launched {
        outcome,
        code: 0,
        said: fs::read(&said).unwrap_or_default(),
    })
}

/// Returns the request for a server, whose files are in `files`.
fn request(
    generation: &Generation,
    address: &str,
    files: &Path,
    options: &LaunchOptions,
) -> Result<Remote, String> {
    let root = std::env::current_dir().map_err(|error| format!("no directory ({error})"))?;
    let compiler = compiler(generation, options)?;
    Remote::new(generation, address, &root, files, &compiler.digest)
}

/// Returns the compiler of `generation`.
fn compiler(generation: &Generation, options: &LaunchOptions) -> Result<KnownCompiler, String> {
    let compiler = generation.compiler().last().cloned().unwrap_or_default();
    let compiler = compiler.to_string_lossy();
    let known = options.record.as_deref();
    let known = known.map(|record| record.with_file_name(KNOWN_COMPILER));
    known_compiler(&compiler, generation.arguments(), known.as_deref())
        .map_err(|error| error.to_string())
}

/// Waits for the launcher. After `timeout`, ends it with all processes that it started.
fn wait(mut child: Child, timeout: Option<Duration>) -> Result<ExitStatus, String> {
    let lost = |error: io::Error| format!("the launcher was lost ({error})");
    let Some(timeout) = timeout else {
        return child.wait().map_err(lost);
    };
    if let Some(status) = child.wait_timeout(timeout).map_err(lost)? {
        return Ok(status);
    }
    let group = i32::try_from(child.id()).map_or(Pid::from_raw(0), Pid::from_raw);
    if group.as_raw() > 0 {
        // It may have ended meanwhile.
        let _ = killpg(group, Signal::SIGKILL);
    }
    child.wait().map_err(lost)?;
    Err(format!(
        "the launcher took longer than {} s",
        timeout.as_secs()
    ))
}

/// Runs the compiler on this machine; returns its exit code.
fn compile_here(options: &LaunchOptions, slots: &Slots) -> Result<i32, LaunchError> {
    let (program, arguments) = options
        .command
        .split_first()
        .ok_or(LaunchError::NoCommand)?;
    let _slot = slots.wait().map_err(LaunchError::Slot)?;
    if let Some(generation) = Generation::of(options.command.clone()) {
        // The launcher's file may be a link to a file in a cache, which clang would write to.
        let _ = fs::remove_file(&generation.output);
    }
    let status = Command::new(program).args(arguments).status();
    let status = status.map_err(|source| LaunchError::Compiler {
        program: program.display().to_string(),
        source,
    })?;
    let by_signal = status.signal().map_or(1, |signal| BY_SIGNAL + signal);
    Ok(status.code().unwrap_or(by_signal))
}

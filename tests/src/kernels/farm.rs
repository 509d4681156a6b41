// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Farms on this machine generate the code of small objects. No kernel is built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ::farm::{self, Options, Status, Up};
use anyhow::Context as _;
use kernel_lab::{Outcome, files, llvm, process, workspace};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use walkdir::WalkDir;

use super::{expect, fault};

const N_OBJECTS: usize = 24;

/// The number of code generations at a time.
const AT_A_TIME: usize = 4;

const FLAGS: [&str; 4] = [
    "--target=aarch64-linux-gnu",
    "-O2",
    "-flto=thin",
    "-fvisibility=hidden",
];

/// The variables of a make around this process.
const OF_MAKE: [&str; 4] = ["CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"];

/// A farm with two workers, one of which is killed, and a single server give the code that clang gives here.
pub fn generates_code(workdir: &Path) -> Outcome {
    let dir = workdir.join("farm");
    // A run that failed may have left it.
    farm::down(&dir.join("run"))?;
    files::remove_dir(&dir)?;
    let objects = Objects::make(dir.join("objects"))?;
    let run = dir.join("run");
    let outcome = with_workers(&objects, &run).and_then(|()| single(&objects, &run));
    farm::down(&run)?;
    outcome
}

fn with_workers(objects: &Objects, run: &Path) -> Outcome {
    let up = start(run, false)?;
    let parts = farm::status(run)?;
    expect(parts.fault.is_none() && parts.parts.len() == 4, || {
        format!("a new farm: {parts:?}")
    })?;
    let worker = parts.parts.iter().find(|part| part.name == "worker-1");
    let worker = worker.context("no worker-1")?.pid;
    objects.generate(&up, Some(worker), "24 remote, 0 cached, 0 local")?;
    let broken = farm::status(run)?.fault.unwrap_or_default();
    expect(broken.contains("have ended: worker-1;"), || {
        format!("status after a killed worker: {broken}")
    })?;
    match start(run, false) {
        Ok(up) => return Err(fault(format!("a broken farm is up: {up:?}"))),
        Err(error) => expect(error.to_string().starts_with("worker-1 had ended"), || {
            format!("up with a killed worker: {error:#}")
        })?,
    }
    nothing_runs(&parts)?;
    let up = start(run, false)?;
    objects.generate(&up, None, "24 remote, 0 cached, 0 local")?;
    objects.generate(&up, None, "0 remote, 24 cached, 0 local")?;
    let status = farm::status(run)?;
    expect(status.text.contains("actions: 48 executed"), || {
        format!("the server's count: {}", status.text)
    })?;
    poison(&run.join("cache"))?;
    objects.generate(&up, None, "0 remote, 0 cached, 24 local (24: ")?;
    let again = start(run, false)?;
    expect(again.was_up && again.address == up.address, || {
        format!("up twice: {again:?}")
    })?;
    end(run, &status)
}

/// Changes every object in the server's files.
fn poison(stored: &Path) -> Outcome {
    let mut n_changed = 0;
    for file in WalkDir::new(stored) {
        let path = file.context("the server's files")?.into_path();
        if !path.is_file() {
            continue;
        }
        let mut bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        if bytes.starts_with(b"\x7fELF")
            && let Some(last) = bytes.last_mut()
        {
            *last ^= 1;
            fs::write(&path, bytes).with_context(|| path.display().to_string())?;
            n_changed += 1;
        }
    }
    expect(n_changed == N_OBJECTS, || {
        format!("{n_changed} objects in {}", stored.display())
    })
}

fn single(objects: &Objects, run: &Path) -> Outcome {
    let up = start(run, true)?;
    objects.generate(&up, None, "24 remote, 0 cached, 0 local")?;
    objects.generate(&up, None, "0 remote, 24 cached, 0 local")?;
    let status = farm::status(run)?;
    expect(status.text.contains("actions: 24 results"), || {
        format!("the server's count: {}", status.text)
    })?;
    end(run, &status)
}

pub(super) fn start(run: &Path, is_single: bool) -> anyhow::Result<Up> {
    // Each kind of server has other files.
    let workdir = run.to_owned();
    if is_single {
        files::remove_dir(&workdir)?;
    }
    farm::up(&Options {
        workdir,
        is_single,
        port: 0,
        installs_packages: true,
    })
}

fn end(run: &Path, status: &Status) -> Outcome {
    let down = farm::down(run)?.context("no farm was up")?;
    expect(down.ended.len() == status.parts.len(), || {
        format!("{down:?} of {status:?}")
    })?;
    nothing_runs(status)
}

/// Checks that no process of the farm runs. This process has not waited for them, so they have entries.
fn nothing_runs(status: &Status) -> Outcome {
    let runs = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    let left = status.parts.iter().find(|part| runs(part.pid));
    expect(left.is_none(), || format!("runs still: {left:?}"))
}

/// Objects of a distributed thin link, and lto-link.
struct Objects {
    dir: PathBuf,
    lto_link: PathBuf,
    clang: PathBuf,
    /// The code that clang generates here.
    local: Vec<Vec<u8>>,
}

impl Objects {
    /// Compiles and links the objects, each of which imports from the next.
    fn make(dir: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let programs = llvm::bin_dir()?;
        let mut objects = Self {
            dir,
            lto_link: built_lto_link()?,
            clang: programs.join("clang"),
            local: Vec::new(),
        };
        let mut link = objects.command(&objects.lto_link);
        link.args(["thin-link", "-o", "all.o", "--objs"]);
        for n in 0..N_OBJECTS {
            let next = (n + 1) % N_OBJECTS;
            let source = format!(
                "int f{next}(int);\nint f{n}(int x) {{ return x < {n} ? x : f{next}(x - 1) * 3; }}\n"
            );
            let file = objects.dir.join(format!("f{n}.c"));
            fs::write(&file, source).with_context(|| file.display().to_string())?;
            let words = ["-c", "-o", &format!("f{n}.o"), &format!("f{n}.c")];
            let mut compile = objects.command(&objects.clang);
            process::output(compile.args(FLAGS).args(words))?;
            // As kbuild saves the command.
            let saved = format!(
                "cmd_f{n}.o := clang {} {}\n",
                FLAGS.join(" "),
                words.join(" ")
            );
            let file = objects.dir.join(format!(".f{n}.o.cmd"));
            fs::write(&file, saved).with_context(|| file.display().to_string())?;
            link.arg(format!("f{n}.o"));
        }
        process::output(link.arg("--").arg(programs.join("ld.lld")))?;
        for n in 0..N_OBJECTS {
            let mut clang = objects.command(&objects.clang);
            process::output(clang.args(generation(n)))?;
            objects.local.push(objects.take(n)?);
        }
        Ok(objects)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.dir);
        for variable in OF_MAKE {
            command.env_remove(variable);
        }
        command
    }

    /// Returns native code, and removes its file.
    fn take(&self, n: usize) -> anyhow::Result<Vec<u8>> {
        let file = self.dir.join(format!("f{n}.native.o"));
        let code = fs::read(&file).with_context(|| file.display().to_string())?;
        fs::remove_file(&file).with_context(|| file.display().to_string())?;
        Ok(code)
    }

    /// Generates all code on the farm, and compares it. `victim` is killed while code is generated. Checks where
    /// the code was generated.
    fn generate(&self, up: &Up, victim: Option<i32>, expected: &str) -> Outcome {
        let record = self.dir.join("record");
        if record.exists() {
            fs::remove_file(&record).with_context(|| record.display().to_string())?;
        }
        let numbers: Vec<usize> = (0..N_OBJECTS).collect();
        for (round, numbers) in numbers.chunks(AT_A_TIME).enumerate() {
            let mut running = Vec::new();
            for &n in numbers {
                let mut launch = self.command(&self.lto_link);
                launch
                    .env("LTO_LAUNCHER", format!("remote:{}", up.address))
                    .env("LTO_TREXE", &up.trexe)
                    .env("LTO_LAUNCHED", &record)
                    .args(["launch", "--"])
                    .arg(&self.clang)
                    .args(generation(n))
                    .stdin(Stdio::null());
                running.push(launch.spawn().context("starting lto-link")?);
            }
            if let (1, Some(victim)) = (round, victim) {
                kill(Pid::from_raw(victim), Signal::SIGKILL).context("killing a worker")?;
            }
            for mut child in running {
                let status = child.wait().context("waiting for lto-link")?;
                expect(status.success(), || format!("lto-link launch: {status}"))?;
            }
        }
        let mut launched = self.command(&self.lto_link);
        let line = process::output(launched.arg("launched").arg(&record))?;
        let is_expected = line.trim().starts_with(&format!("LAUNCH  {expected}"));
        expect(is_expected, || format!("{line}instead of {expected}"))?;
        for n in 0..N_OBJECTS {
            let is_same = self.local.get(n) == Some(&self.take(n)?);
            expect(is_same, || format!("f{n}.o: the farm gives other code"))?;
        }
        Ok(())
    }
}

/// Returns the arguments of clang for a code generation.
fn generation(n: usize) -> Vec<String> {
    let flags = FLAGS.iter().copied();
    let flags = flags.chain(["-fno-lto", "-Wno-unused-command-line-argument"]);
    let mut words: Vec<String> = flags.map(str::to_owned).collect();
    words.push(format!("-fthinlto-index=f{n}.o.thinlto.bc"));
    words.extend(["-c", "-o"].map(str::to_owned));
    words.push(format!("f{n}.native.o"));
    words.extend(["-x", "ir"].map(str::to_owned));
    words.push(format!("f{n}.o"));
    words
}

/// Builds lto-link beside the program that runs the tests.
fn built_lto_link() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("the path of this program")?;
    let mut build = Command::new(process::cargo());
    build.args(["build", "--quiet", "-p", "lto-link", "--bin", "lto-link"]);
    if own.parent().is_some_and(|dir| dir.ends_with("release")) {
        build.arg("--release");
    }
    process::output(build.current_dir(workspace::root()))?;
    let tool = own.with_file_name("lto-link");
    anyhow::ensure!(
        tool.is_file(),
        "{}: cargo left no such file",
        tool.display()
    );
    Ok(tool)
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The programs that the lab runs, and the files that it makes once for all cases.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use tempfile::TempDir;

use crate::arch::Arch;
use crate::error::LabError;

/// The files that the programs of cases include or are linked with.
pub(crate) const HEADER: &str = include_str!("../runtime/lab.h");
const RUNTIME: &str = include_str!("../runtime/runtime.c");

/// Flags for all sources, as in a kernel: no global symbol is visible outside of the program.
pub(crate) const FLAGS: [&str; 3] = [
    "-O2",
    "-fvisibility=hidden",
    "-fno-asynchronous-unwind-tables",
];

/// The linked object of each way.
pub(crate) const LINKED: &str = "x.o";

/// The programs that are run.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The directory of clang, ld.lld and llvm-ar, or `None` to search `PATH`.
    pub llvm: Option<PathBuf>,
    /// The path of lto-link.
    pub lto_link: PathBuf,
}

/// The programs, and the files that every case uses.
#[derive(Debug)]
pub(crate) struct Toolbox {
    pub(crate) tools: Tools,
    pub(crate) scratch: TempDir,
    runtimes: [OnceLock<PathBuf>; 2],
    /// The arguments of clang's compiler process, by the flags of the driver.
    compiler_arguments: Mutex<HashMap<Vec<String>, Vec<String>>>,
}

impl Toolbox {
    /// Makes a lab with a temporary directory, in memory if the system has such a place.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub(crate) fn new(tools: Tools) -> Result<Self, LabError> {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let scratch = tempfile::Builder::new()
            .prefix("link-lab-")
            .tempdir_in(&parent)
            .map_err(LabError::file(&parent))?;
        Ok(Self {
            tools,
            scratch,
            runtimes: [OnceLock::new(), OnceLock::new()],
            compiler_arguments: Mutex::default(),
        })
    }

    /// Returns the command of an LLVM tool.
    pub(crate) fn llvm(&self, tool: &str) -> Command {
        Command::new(self.llvm_path(tool))
    }

    pub(crate) fn llvm_path(&self, tool: &str) -> PathBuf {
        match &self.tools.llvm {
            Some(directory) => directory.join(tool),
            None => tool.into(),
        }
    }

    /// Returns the arguments that clang's driver passes to its compiler process for these flags, without the names of
    /// `source` and the object. The driver prints them (`-###` in its manual).
    pub(crate) fn compiler_arguments(
        &self,
        directory: &Path,
        flags: &[&str],
        source: &str,
    ) -> Result<Vec<String>, LabError> {
        let key: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let known = || {
            let known = self.compiler_arguments.lock();
            known.unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(arguments) = known().get(&key) {
            return Ok(arguments.clone());
        }
        let mut command = self.llvm("clang");
        command
            .args(flags)
            .args(["-###", "-c", "-o", LINKED, source]);
        let output = run_tool("clang's own command", command.current_dir(directory))?;
        let said = whole_output(&output);
        let line = said.lines().find(|line| line.contains("\"-cc1\""));
        let words = shlex::split(line.unwrap_or_default()).unwrap_or_default();
        let mut arguments = Vec::new();
        let mut words = words.into_iter().skip(1);
        while let Some(word) = words.next() {
            if word == "-o" || word == "-main-file-name" {
                words.next();
            } else if word != source {
                arguments.push(word);
            }
        }
        if arguments.is_empty() {
            return Err(LabError::Build {
                case: "clang's own command".to_owned(),
                command: format!("{command:?}"),
                said,
            });
        }
        known().insert(key, arguments.clone());
        Ok(arguments)
    }

    /// Returns the object with the start of programs, which is compiled once.
    pub(crate) fn runtime(&self, arch: Arch) -> Result<PathBuf, LabError> {
        let place = &self.runtimes[arch as usize];
        if let Some(path) = place.get() {
            return Ok(path.clone());
        }
        // Two threads may come here; each makes an object, and both use one of them.
        let folder = tempfile::tempdir_in(self.scratch.path())
            .map_err(LabError::file(self.scratch.path()))?
            .keep();
        write(&folder.join("runtime.c"), RUNTIME)?;
        let mut command = self.llvm("clang");
        command.args(arch.flags()).args(FLAGS);
        command.args(["-ffreestanding", "-fno-builtin", "-c", "-o", "runtime.o"]);
        command.arg("runtime.c").current_dir(&folder);
        run_tool("the start of programs", &mut command)?;
        Ok(place.get_or_init(|| folder.join("runtime.o")).clone())
    }
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), LabError> {
    fs::write(path, text).map_err(LabError::file(path))
}

pub(crate) fn start_error(command: &Command) -> impl FnOnce(std::io::Error) -> LabError {
    let program = PathBuf::from(command.get_program());
    |source| LabError::Start { program, source }
}

pub(crate) fn output(command: &mut Command) -> Result<Output, LabError> {
    command
        .stdin(Stdio::null())
        .output()
        .map_err(start_error(command))
}

/// Runs a tool that must succeed.
pub(crate) fn run_tool(case: &str, command: &mut Command) -> Result<Output, LabError> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(output);
    }
    Err(LabError::Build {
        case: case.to_owned(),
        command: format!("{command:?}"),
        said: whole_output(&output),
    })
}

/// Returns the whole output of a program.
pub(crate) fn whole_output(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

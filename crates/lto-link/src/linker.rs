// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs a linker, and saves a failing link with its inputs.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::error::{LinkError, io_error};
use crate::paths::LinkPaths;
use crate::plan::command::joined;

/// One run of a linker.
#[derive(Clone, Debug)]
pub(crate) struct Linker<'link> {
    /// Program and arguments.
    pub(crate) argv: Vec<OsString>,
    paths: LinkPaths<'link>,
    capture: Option<&'link Path>,
    /// The archive of the inputs that lld writes, if they are captured.
    reproducer: Option<PathBuf>,
    /// The file with arguments that do not fit into a command line. It is removed after the run.
    response: Option<PathBuf>,
}

impl<'link> Linker<'link> {
    /// Prepares to run `command`, a program and its flags, for the link of `paths`. If there is a directory
    /// `capture`, a failing run is saved in it.
    pub(crate) fn new(
        command: &[OsString],
        paths: LinkPaths<'link>,
        capture: Option<&'link Path>,
    ) -> Self {
        Self {
            argv: command.to_vec(),
            paths,
            capture,
            reproducer: None,
            response: None,
        }
    }

    /// Adds the arguments in `text`, one on each line, through the response file `path`: a kernel's
    /// objects do not fit into a command line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn respond(&mut self, path: PathBuf, text: &str) -> Result<(), LinkError> {
        tool_io::write_atomic(&path, text.as_bytes())?;
        self.argv.push(joined("@", path.as_os_str()));
        self.response = Some(path);
        Ok(())
    }

    /// Runs the linker, and shows its messages. `step` is part of the name of a captured link; it is empty
    /// for the run that makes the output.
    ///
    /// # Errors
    /// The linker cannot be run or fails.
    pub(crate) fn run(&mut self, step: &str) -> Result<(), LinkError> {
        let mut command = self.command(step)?;
        let run = run_shown(&mut command);
        self.remove_response();
        let (status, said) = run.map_err(io_error(self.running()))?;
        if status.success() {
            return self.forget_capture();
        }
        Err(LinkError::Linker {
            output: self.paths.output().to_owned(),
            linker: self.program(),
            status,
            said,
            capture: self.save_capture()?,
        })
    }

    /// Runs the linker, and returns its messages without showing them.
    ///
    /// # Errors
    /// The linker cannot be run or fails.
    pub(crate) fn run_quietly(&mut self, step: &str) -> Result<String, LinkError> {
        let mut command = self.command(step)?;
        let run = command.output();
        self.remove_response();
        let run = run.map_err(io_error(self.running()))?;
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        if run.status.success() {
            return Ok(said);
        }
        Err(LinkError::CodeGeneration {
            output: self.paths.output().to_owned(),
            linker: self.program(),
            status: run.status,
            said,
            capture: self.save_capture()?,
        })
    }

    /// Returns the error for a successful run that left no code of `objects`. Its messages may give
    /// the reason.
    pub(crate) fn no_code(&self, objects: Vec<String>, said: String) -> LinkError {
        match self.save_capture() {
            Ok(capture) => LinkError::NoCode {
                output: self.paths.output().to_owned(),
                linker: self.program(),
                objects,
                said,
                capture,
            },
            Err(error) => error,
        }
    }

    /// Removes the response file. A captured link contains the arguments.
    fn remove_response(&self) {
        if let Some(response) = &self.response {
            // The next link replaces a remaining file.
            let _ = fs::remove_file(response);
        }
    }

    fn program(&self) -> PathBuf {
        self.argv.first().cloned().unwrap_or_default().into()
    }

    fn running(&self) -> String {
        format!("running {}", self.program().display())
    }

    fn command(&mut self, step: &str) -> Result<Command, LinkError> {
        if let Some(dir) = self.capture {
            fs::create_dir_all(dir).map_err(io_error(dir.display().to_string()))?;
            let tar = self.paths.capture(dir, step);
            self.argv.push(joined("--reproduce=", tar.as_os_str()));
            self.reproducer = Some(tar);
        }
        let mut command = Command::new(self.program());
        command.args(self.argv.get(1..).unwrap_or_default());
        Ok(command)
    }

    /// Removes the capture of a successful run.
    fn forget_capture(&self) -> Result<(), LinkError> {
        match &self.reproducer {
            Some(tar) => fs::remove_file(tar).map_err(io_error(tar.display().to_string())),
            None => Ok(()),
        }
    }

    /// Writes a script that runs the link again beside the archive that lld wrote, and returns its path.
    fn save_capture(&self) -> Result<Option<PathBuf>, LinkError> {
        let Some(tar) = &self.reproducer else {
            return Ok(None);
        };
        let script = tar.with_extension("sh");
        let name = tar.file_name().unwrap_or_default().display().to_string();
        let stem = tar.file_stem().unwrap_or_default().display().to_string();
        let text = format!(
            "#!/bin/sh\n\
             # Runs a failed link again, with the inputs that it had.\n\
             # LD=<linker> takes another linker than the ld.lld on the PATH.\n\
             set -e\n\
             cd \"$(dirname \"$0\")\"\n\
             tar -xf '{name}'\n\
             cd '{stem}'\n\
             exec \"${{LD:-ld.lld}}\" @response.txt \"$@\"\n"
        );
        tool_io::write_atomic(&script, text.as_bytes())?;
        fs::set_permissions(&script, Permissions::from_mode(0o755))
            .map_err(io_error(format!("making {} executable", script.display())))?;
        Ok(Some(script))
    }
}

/// Runs `command`, shows its messages, and returns them.
///
/// # Errors
/// The command cannot be run.
fn run_shown(command: &mut Command) -> io::Result<(ExitStatus, String)> {
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let mut said = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        let mut buffer = [0; 4096];
        loop {
            match stderr.read(&mut buffer) {
                Ok(0) => break,
                Ok(n_read) => {
                    let read = buffer.get(..n_read).unwrap_or_default();
                    // Standard error may be closed.
                    let _ = io::stderr().write_all(read);
                    said.extend_from_slice(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    let status = child.wait()?;
    Ok((status, String::from_utf8_lossy(&said).into_owned()))
}

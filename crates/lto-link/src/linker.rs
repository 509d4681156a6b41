// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Running a linker, and keeping a failing link with its inputs.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::conflict::run_shown;
use crate::inputs::beside;
use crate::link::{LinkError, io_error};
use crate::plan::joined;

/// One run of a linker for the link of an output.
#[derive(Clone, Debug)]
pub(crate) struct Linker<'link> {
    /// Program and arguments.
    pub(crate) argv: Vec<OsString>,
    output: &'link Path,
    capture: Option<&'link Path>,
    /// The archive that lld leaves of its inputs, if they are captured.
    reproducer: Option<PathBuf>,
    /// What holds the arguments that do not fit into a command line, until it has run.
    response: Option<PathBuf>,
}

impl<'link> Linker<'link> {
    /// The program and the flags `command`, to make something of `output`'s. A run that fails is saved in
    /// `capture`, if there is one.
    pub(crate) fn new(
        command: &[OsString],
        output: &'link Path,
        capture: Option<&'link Path>,
    ) -> Self {
        Self {
            argv: command.to_vec(),
            output,
            capture,
            reproducer: None,
            response: None,
        }
    }

    /// Adds the arguments in `text`, one a line, by the response file `path`: a kernel has more objects than
    /// fit into one command line.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn respond(&mut self, path: PathBuf, text: &str) -> Result<(), LinkError> {
        tool_io::write_atomic(&path, text.as_bytes())?;
        self.argv.push(joined("@", path.as_os_str()));
        self.response = Some(path);
        Ok(())
    }

    /// Runs it; what it says is shown. `step` is for the name of what is captured: `.code`, or nothing for
    /// the link itself.
    ///
    /// # Errors
    /// A linker that cannot be run, or that fails.
    pub(crate) fn run(&mut self, step: &str) -> Result<(), LinkError> {
        let mut command = self.command(step)?;
        let run = run_shown(&mut command);
        self.remove_response();
        let (status, said) = run.map_err(io_error(self.running()))?;
        if status.success() {
            return self.forget_capture();
        }
        Err(LinkError::Linker {
            output: self.output.to_owned(),
            linker: self.program(),
            status,
            said,
            capture: self.save_capture()?,
        })
    }

    /// Runs it and returns what it said, which is shown only if it fails.
    ///
    /// # Errors
    /// A linker that cannot be run, or that fails.
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
            output: self.output.to_owned(),
            linker: self.program(),
            status: run.status,
            said,
            capture: self.save_capture()?,
        })
    }

    /// The error for a run that ended well and left no code of `objects`. What it `said` may tell why.
    pub(crate) fn no_code(&self, objects: Vec<String>, said: String) -> LinkError {
        match self.save_capture() {
            Ok(capture) => LinkError::NoCode {
                output: self.output.to_owned(),
                linker: self.program(),
                objects,
                said,
                capture,
            },
            Err(error) => error,
        }
    }

    /// What is captured has the arguments in it.
    fn remove_response(&self) {
        if let Some(response) = &self.response {
            // One that stays is replaced by the next link.
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
            let name = beside(self.output, &format!("{step}.tar"));
            let tar = dir.join(name.file_name().unwrap_or_default());
            self.argv.push(joined("--reproduce=", tar.as_os_str()));
            self.reproducer = Some(tar);
        }
        let mut command = Command::new(self.program());
        command.args(self.argv.get(1..).unwrap_or_default());
        Ok(command)
    }

    /// Removes what was captured of a run that went well.
    fn forget_capture(&self) -> Result<(), LinkError> {
        match &self.reproducer {
            Some(tar) => fs::remove_file(tar).map_err(io_error(tar.display().to_string())),
            None => Ok(()),
        }
    }

    /// Writes, beside the archive that lld's `--reproduce` left, a script that runs the link again, and
    /// returns its path.
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

/// The linker and its flags without `-r`, which each link that wants it adds by itself.
pub(crate) fn exactly_one_r(command: &[OsString]) -> Vec<OsString> {
    let is_r = |flag: &&OsString| ["-r", "--relocatable"].iter().any(|r| *flag == r);
    command.iter().filter(|flag| !is_r(flag)).cloned().collect()
}

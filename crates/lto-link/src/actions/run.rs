// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs an action in a directory that has exactly its inputs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use object_model::Elf;

use crate::actions::action::Action;
use crate::actions::compiler::Compiler;

/// The reason why an action gave no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("{object}: clang generated no code ({status}): {}", said.trim_end())]
    Failed {
        object: String,
        status: ExitStatus,
        said: String,
    },
    #[error("{object}: its code is no whole object: {why}")]
    Damaged { object: String, why: String },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_owned();
    |source| RunError::Io { path, source }
}

/// Runs `action` in the new directory `dir`, with all of its inputs except `without`, and returns the bytes of
/// its output. The directory is removed.
///
/// # Errors
/// clang fails, or leaves no whole object; a file cannot be written.
pub(crate) fn run(
    action: &Action,
    compiler: &Compiler,
    dir: &Path,
    without: Option<usize>,
) -> Result<Vec<u8>, RunError> {
    let result = stage(action, dir, without).and_then(|()| generate(action, compiler, dir));
    let removed = fs::remove_dir_all(dir).map_err(at(dir));
    let bytes = result?;
    removed?;
    Ok(bytes)
}

/// Makes `dir` with the inputs.
fn stage(action: &Action, dir: &Path, without: Option<usize>) -> Result<(), RunError> {
    let output = Path::new(action.output());
    let parent = output.parent().unwrap_or(Path::new(""));
    let parent = dir.join(parent);
    fs::create_dir_all(&parent).map_err(at(&parent))?;
    for folder in &action.directories {
        let folder = dir.join(folder);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
    }
    for (position, input) in action.inputs.iter().enumerate() {
        let place = dir.join(&input.path);
        let parent = place.parent().unwrap_or(dir);
        fs::create_dir_all(parent).map_err(at(parent))?;
        if Some(position) == without {
            continue;
        }
        // A link costs no copy, but does not reach another file system.
        fs::hard_link(&input.source, &place)
            .or_else(|_| fs::copy(&input.source, &place).map(drop))
            .map_err(at(&place))?;
    }
    Ok(())
}

/// Runs the command of `action` in `dir`, and returns its output.
fn generate(action: &Action, compiler: &Compiler, dir: &Path) -> Result<Vec<u8>, RunError> {
    let mut command = Command::new(&compiler.program);
    command
        .args(action.command.arguments.iter().skip(1))
        .env_clear()
        .current_dir(dir)
        .stdin(Stdio::null());
    for variable in &action.command.environment_variables {
        command.env(&variable.name, &variable.value);
    }
    let done = command.output().map_err(at(&compiler.program))?;
    let output = fs::read(dir.join(action.output())).unwrap_or_default();
    if !done.status.success() || output.is_empty() {
        return Err(RunError::Failed {
            object: action.object().to_owned(),
            status: done.status,
            said: String::from_utf8_lossy(&done.stderr).into_owned(),
        });
    }
    match Elf::parse(&output) {
        Ok(_) => Ok(output),
        Err(error) => Err(RunError::Damaged {
            object: action.object().to_owned(),
            why: error.to_string(),
        }),
    }
}
